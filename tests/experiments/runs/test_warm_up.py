"""What is computed before anything is measured: once a process, of each architecture, and without a say."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from alsatian import api
from alsatian.errors import BadModelError
from alsatian.models.model_set import ModelSet
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts, Setup
from experiments.runs import repeat, warm_up

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def quickstart(store: Path) -> tuple[Setup, ModelSet]:
    (cell,) = cells(["scale=ci", "device.threads=1", f"store_dir={store}"])
    config: Any = OmegaConf.to_container(cell.config, resolve=True)
    parts = Parts()
    return parts.setup(cell.config), parts.model_set(config, lambda what, done, total: None)


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """Models, test items and training items of every search for warming up, in a process that has done nothing."""
    seen: list[tuple[int, int, int]] = []

    def search(models: ModelSet, data: Any, **settings: Any) -> api.SearchResult:
        seen.append((len(models.candidates), len(data.test_items), len(data.train_items)))
        return api.search(models, data, **settings)

    monkeypatch.setattr(warm_up, "search", search)
    monkeypatch.setattr(warm_up, "_warm", set())
    return seen


def test_one_model_and_one_batch_once_a_process(
    quickstart: tuple[Setup, ModelSet], searched: list[tuple[int, int, int]]
) -> None:
    setup, models = quickstart
    codes = {tuple(models.segments[b.identity].fingerprint for b in c.blocks) for c in models.candidates}
    assert len(codes) < len(models.candidates)
    size = setup.config["batch_size"]
    first = repeat.measure(setup, models, lambda: None)
    tests, trains = min(size, len(setup.dataset.test_items)), min(size, len(setup.dataset.train_items))
    assert searched == [(len(codes), tests, trains)]
    again = repeat.measure(setup, models, lambda: None)
    assert len(searched) == 1
    assert again.findings == first.findings
    # Nothing of it is measured, and what it has read is read from the disk again.
    assert again.repeat.counters == first.repeat.counters


def test_not_if_it_is_not_wanted(
    quickstart: tuple[Setup, ModelSet], searched: list[tuple[int, int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    setup, models = quickstart
    monkeypatch.setitem(setup.config, "warm_up", False)
    repeat.measure(setup, models, lambda: None)
    assert not searched


def test_what_goes_wrong_is_left_to_the_search_that_is_measured(
    quickstart: tuple[Setup, ModelSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> api.SearchResult:
        raise BadModelError("a block is damaged")

    setup, models = quickstart
    monkeypatch.setattr(warm_up, "search", broken)
    monkeypatch.setattr(warm_up, "_warm", set())
    measured = repeat.measure(setup, models, lambda: None)
    assert measured.repeat.valid
    monkeypatch.setattr(repeat, "search", broken)
    with pytest.raises(repeat.RunFailed, match="a block is damaged"):
        repeat.measure(setup, models, lambda: None)
