"""A proxy that depends on the scale of features says so where models of different scale are compared."""

from collections.abc import Callable

import pytest
import torch

import alsatian
from alsatian.costs.profiling.several import as_one
from alsatian.proxies.linear import Linear
from alsatian.proxies.named import named
from tests.ranking.conftest import pictures


class Scaled(torch.nn.Module):
    def __init__(self, inner: torch.nn.Module, factor: float) -> None:
        super().__init__()
        self.inner, self.factor = inner, factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x) * self.factor


@pytest.mark.parametrize(
    ("proxy", "factor", "warned"), [("linear", 0.1, 1), ("linear", 0.9, 0), ("logistic", 0.1, 0)]
)
def test_families_of_different_scale(
    tiny: Callable[[str], torch.nn.Module], proxy: str, factor: float, warned: int
) -> None:
    models = {"whole": tiny("aaaa"), "scaled": Scaled(tiny("aaab"), factor)}
    chosen = Linear(epochs=2) if proxy == "linear" else proxy
    found = alsatian.search(models, pictures(30), preprocessing={"size": 8}, proxies=chosen, batch_size=8)
    assert len(found.warnings) == len(found.record.warnings) == warned
    assert all("'whole'" in line and "'scaled'" in line for line in found.warnings)


def test_several_proxies_are_timed_as_one() -> None:
    calls: list[str] = []

    class Counting:
        def __init__(self, name: str) -> None:
            self.name = name

        def score(self, *_: object) -> float:
            calls.append(self.name)
            return 0.5

    both = as_one([Counting("a"), Counting("b")])
    x = torch.zeros(2, 2)
    assert both.score(x, x, x, x, 2).score == 0.5  # type: ignore[union-attr]
    assert calls == ["a", "b"]
    assert as_one([named("knn")]) == named("knn")
