"""The time of a proxy, measured at a few sizes, is right at all where it grows as one of the terms does."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
import torch

from alsatian.costs.hardware import ScoreCost
from alsatian.costs.profiling import scoring
from alsatian.costs.profiling.scoring import score_cost
from alsatian.proxies.named import PROXIES

CPU = torch.device("cpu")
Time = Callable[[int, int], float]


class Timed:
    """A proxy whose time is a function of N and D; it is measured by what it says."""

    name: ClassVar[str] = "timed"

    def __init__(self, time: Time, **settings: int) -> None:
        self.time, self.seconds, self.calls = time, 0.0, []
        vars(self).update(settings)

    def score(self, train_x: torch.Tensor, *others: Any) -> float:
        self.seconds = self.time(*train_x.shape)
        self.calls.append((*train_x.shape, len(others[1])))
        return 0.0


def fitted(monkeypatch: pytest.MonkeyPatch, proxy: Timed, dimension: int = 64) -> ScoreCost:
    def timed(work: Callable[[], object], device: torch.device, repeats: int, longer: int = 1) -> float:
        work()
        return proxy.seconds

    monkeypatch.setattr(scoring, "timed", timed)
    return score_cost(proxy, dimension, 4, 400, 50, CPU)


GROWTH: dict[str, tuple[Time, dict[str, int]]] = {
    "gbc: N D": (lambda n, d: 1e-4 + 3e-8 * n * d, {}),
    "leave one out: N² D": (lambda n, d: 1e-4 + 2e-9 * n * n * d, {}),
    "ranks: N²": (lambda n, d: 1e-4 + 2e-7 * n * n + 1e-9 * n * n * d, {}),
    "spectrum: N D min": (lambda n, d: 1e-4 + 1e-8 * n * d * min(n, d), {}),
    "covariance: N D²": (lambda n, d: 1e-4 + 1e-8 * n * d * min(n, d) + 2e-9 * n * d * d, {}),
    "probe": (lambda n, d: 1e-4 + 1e-9 * n * d + 2e-7 * min(n, 120) ** 2, {"probe": 120}),
    "products of items": (lambda n, d: 1e-3 + 2e-3 * -(-n // 32) + 1e-8 * n * min(2 * d, n), {"batch_size": 32}),
    "steps": (lambda n, d: 1e-3 + 2e-3 * -(-n // 32) + 1e-8 * n * d, {"batch_size": 32}),
}


@pytest.mark.parametrize("growth", GROWTH)
def test_what_grows_as_a_term_is_predicted(growth: str, monkeypatch: pytest.MonkeyPatch) -> None:
    time, settings = GROWTH[growth]
    cost = fitted(monkeypatch, Timed(time, **settings))
    # Sizes between, below and beyond those that are measured.
    for items, dimension in ((96, 64), (320, 48), (400, 64), (800, 64), (2000, 128)):
        assert cost.seconds(items, 50, dimension) == pytest.approx(time(items, dimension), rel=0.02)


def test_every_term_is_needed() -> None:
    """Each is of a growth of its own: no other gives its times."""
    sizes = [(n, d) for n in (50, 400, 2000) for d in (64, 512)]
    terms = ("fixed_s", "train_value_s", "pair_s", "pair_value_s", "spectrum_s", "covariance_s")
    rows = torch.tensor([[ScoreCost(**{t: 1.0}).seconds(n, 0, d) for t in terms] for n, d in sizes])
    rows = rows.double() / rows.double().norm(dim=0)
    assert torch.linalg.matrix_rank(rows) == len(terms)


class Together(Timed):
    """It takes as long for several models as for one."""

    def score_together(
        self, train_x: Sequence[torch.Tensor], train_y: Any, test_x: Any, *others: Any
    ) -> list[float]:
        self.models = len(train_x)
        return [self.score(train_x[0], train_y, test_x[0])] * len(train_x)


def test_the_time_of_a_model_is_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Together(lambda n, d: 4e-6 * n, batch_size=32)
    cost = fitted(monkeypatch, proxy)
    assert cost.together
    assert proxy.models == 4
    assert cost.seconds(320, 50, 64) == pytest.approx(1e-6 * 320, rel=0.02)


def test_large_features_are_scored_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "TOGETHER_BYTES", 1)
    proxy = Together(lambda n, d: 4e-6 * n, batch_size=32)
    assert fitted(monkeypatch, proxy).seconds(320, 50, 64) == pytest.approx(4e-6 * 320, rel=0.02)


def test_a_slow_proxy_is_not_measured_at_every_size(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(scoring.time, "perf_counter", lambda: float(next(now)))
    slow = Timed(lambda n, d: 1e-3 * n)
    fitted(monkeypatch, slow)
    assert {items for items, _, _ in slow.calls} == {50}
    assert {test for _, _, test in slow.calls} == {50}


@pytest.mark.parametrize("name", PROXIES)
def test_the_time_of_every_proxy_is_measured(name: str) -> None:
    cost = score_cost(PROXIES[name](), 12, 3, 24, 9, CPU)
    assert cost.seconds(24, 9, 12) > 0


@pytest.mark.parametrize("name", ["ridge", "logme"])
def test_so_is_that_of_numbers(name: str) -> None:
    assert score_cost(PROXIES[name](), 12, 0, 24, 9, CPU).seconds(24, 9, 12) > 0
