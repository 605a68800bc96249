"""Tests share exports only where these are the same."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import split
from alsatian.models.reading import architectures
from tests.conftest import quick_body, tiny_model
from tests.exports import Kept, once, structure_of

EXAMPLE = (torch.zeros(2, 3, 8, 8),)
BUILT = split(quick_body(), EXAMPLE)


def with_hook() -> nn.Module:
    module = quick_body()
    module.register_forward_hook(lambda *_: None)
    return module


def own_forward() -> nn.Module:
    module = quick_body()
    module.forward = lambda x: x  # type: ignore[method-assign]
    return module


class Own(nn.Conv2d):
    """Somebody's layer."""


def test_modules_that_differ_in_values_alone_are_exported_once() -> None:
    asked: list[nn.Module] = []

    def counting(module: nn.Module, *_: object) -> Architecture:
        asked.append(module)
        return BUILT

    remembering = once(counting)
    one, other = tiny_model("aaaa"), tiny_model("bbbb")
    assert remembering(one, EXAMPLE) is remembering(other, EXAMPLE)
    assert asked == [one]
    remembering(one, (torch.zeros(2, 3, 16, 16),))
    remembering(one, EXAMPLE, "meta")
    assert len(asked) == 3


@pytest.mark.parametrize("make", [with_hook, own_forward, lambda: Own(3, 8, 3)], ids=["hook", "forward", "class"])
def test_what_is_not_pytorch_s_is_exported_anew(make: Callable[[], nn.Module]) -> None:
    assert structure_of(make()) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda m: setattr(m[0], "padding", (1, 1)),
        lambda m: setattr(m[1], "eps", 1e-3),
        lambda m: m.double(),
        lambda m: m.requires_grad_(False),
        lambda m: setattr(m[1], "weight", m[1].bias),
        lambda m: setattr(m, "2", nn.GELU()),
        lambda m: m[0].to(memory_format=torch.channels_last),
    ],
    ids=["padding", "eps", "dtype", "gradients", "tied", "layer", "layout"],
)
def test_what_an_export_depends_on_is_part_of_a_structure(change: Callable[[nn.Sequential], object]) -> None:
    one, other = (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()) for _ in range(2))
    assert structure_of(one) == structure_of(other)
    change(other)
    assert structure_of(one) != structure_of(other)


def test_what_is_kept_is_found_by_the_next_run_until_its_makers_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprints(kept: Kept, key: str = "one") -> list[str]:
        kept.key_of(key)
        return [segment.fingerprint for segment in kept.split(quick_body(), EXAMPLE).segments]

    found = fingerprints(Kept(tmp_path))
    monkeypatch.setattr("tests.exports.split", lambda *_: pytest.fail("exported"))
    assert fingerprints(Kept(tmp_path)) == found == [segment.fingerprint for segment in BUILT.segments]
    with pytest.raises(pytest.fail.Exception, match="exported"):
        fingerprints(Kept(tmp_path), "other")
    kept = Kept(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(architectures, "_library", {})  # as in a new process
        with pytest.raises(pytest.fail.Exception, match="exported"):
            fingerprints(kept)
    monkeypatch.setattr("tests.exports.MAKERS", ("blocks",))
    Kept(tmp_path)
    assert not list(tmp_path.iterdir())
