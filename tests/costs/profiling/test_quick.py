"""What a search will take, from a few items."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from alsatian.blocks.segment import Segment
from alsatian.costs.hardware import Hardware
from alsatian.costs.profiling import quick
from alsatian.costs.profiling.busy import Watch
from alsatian.costs.profiling.profile import segment_keys
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models import flops
from alsatian.models.model_set import ModelSet
from alsatian.proxies.logistic import Logistic
from alsatian.store.store import BlockStore
from tests.ranking.conftest import pictures

CPU = torch.device("cpu")
# Runs of a block on an item, of which the share to measure is ample, or next to nothing.
MUCH, LITTLE = 1e6, 50.0


@pytest.fixture(scope="module")
def models(tiny: Callable[[str], torch.nn.Module], tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Two models of one architecture, and one of another."""
    store = BlockStore(tmp_path_factory.mktemp("store"))
    other = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU(), torch.nn.Conv2d(5, 3, 3))
    modules = {"a": tiny("aaaa"), "b": tiny("aaab"), "c": other}
    return ModelSet.from_modules(store, modules, ImagePreprocessing(8))


class Clock:
    """Every run of a block takes ``block_s`` an item, every score ``score_s``, every preparing a second an item."""

    def __init__(self, block_s: float, score_s: float) -> None:
        self.now, self.block_s, self.score_s = 0.0, block_s, score_s
        self.scores: list[int] = []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock(0.5, 2.0)
    run, prepare = Segment.__call__, ImagePreprocessing.__call__

    def slow_run(own: Segment, state: Any, parameters: Any) -> Any:
        made.now += made.block_s * len(state[0])
        return run(own, state, parameters)

    def slow_prepare(own: ImagePreprocessing, items: Any) -> Any:
        made.now += 800.0 if not made.now else 0.1 * len(items)
        return prepare(own, items)

    def work(proxy: Any, train: int, *rest: Any) -> tuple[Callable[[], None], int]:
        def score() -> None:
            made.scores.append(train)
            made.now += made.score_s

        return score, 1

    monkeypatch.setattr(Segment, "__call__", slow_run)
    monkeypatch.setattr(ImagePreprocessing, "__call__", slow_prepare)
    monkeypatch.setattr(quick, "score_work", work)
    monkeypatch.setattr(quick, "time", SimpleNamespace(perf_counter=lambda: made.now))
    monkeypatch.setattr(Watch, "load", 0.0)
    return made


def measured(models: ModelSet, work: float, folder: Path | None = None) -> Hardware | None:
    return quick.quick_profile(models, pictures(60), [Logistic()], CPU, folder, work)


def test_what_is_imported_for_the_first_items_is_not_counted_for_all(models: ModelSet, clock: Clock) -> None:
    found = measured(models, MUCH)
    assert found is not None
    assert list(found.prepare_s.values()) == pytest.approx([0.1])


def test_all_is_measured_where_it_takes_a_small_share(models: ModelSet, clock: Clock) -> None:
    found = measured(models, MUCH)
    assert found is not None
    assert found.segments.keys() == set(segment_keys(models).values())
    assert {cost.seconds(1) for cost in found.segments.values()} == {0.5}
    assert clock.scores == [4, 36]  # an eighth of the training items, and all
    assert found.score.seconds(36, 24, 1) > 0


@pytest.mark.parametrize("work", [1e2, 3e2, 1e3, 1e4, 1e5])
def test_measuring_takes_its_share_of_the_search_and_one_step_more(
    models: ModelSet, clock: Clock, work: float
) -> None:
    clock.now = 1.0  # libraries are imported
    measured(models, work)
    # What was begun is ended: at most a score, or the loading and preparing of an architecture.
    assert clock.now - 1.0 <= quick.SHARE * work * clock.block_s + clock.score_s + 1.0


def test_where_not_one_item_may_be_measured_nothing_is_known(models: ModelSet, clock: Clock) -> None:
    assert measured(models, LITTLE) is None
    assert clock.now == 0.0


def test_what_was_not_measured_follows_from_operations_or_from_the_mean(
    models: ModelSet, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the first architecture is known; there is no time for the other."""
    two = replace(models, candidates=models.candidates[:2])
    assert measured(two, MUCH, tmp_path) is not None
    keys, clock.now = segment_keys(models), 0.0
    monkeypatch.setattr(flops, "_known", {})
    other = keys[models.candidates[2].blocks[0].identity]
    mean = measured(models, 0.0, tmp_path)
    assert mean is not None
    assert mean.segments[other].seconds(1) == pytest.approx(0.5)
    known = flops.costs_of_models(models)
    done, counted = 0, set()
    for block, count in zip(models.candidates[0].blocks, known["a"].flops, strict=True):
        if (key := keys[block.identity]) not in counted:
            counted.add(key)
            done += count
    by_work = measured(models, 0.0, tmp_path)
    assert by_work is not None
    assert by_work.segments[other].seconds(1) == pytest.approx(known["c"].flops[0] * 0.5 * len(counted) / done)


def test_what_was_measured_on_a_busy_machine_is_marked_until_it_is_quiet(
    models: ModelSet, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "load", 1.7)
    busy = measured(models, MUCH, tmp_path)
    assert busy is not None
    assert busy.busy == 1.7
    assert busy.about.endswith("; measured on a busy machine, load 1.7")
    clock.block_s = 0.25
    assert measured(models, MUCH, tmp_path) == busy  # still busy: what is known does
    monkeypatch.setattr(Watch, "load", 0.0)
    again = measured(models, 0.0, tmp_path)  # there is no time to measure
    assert again == busy
    quiet = measured(models, MUCH, tmp_path)
    assert quiet is not None
    assert quiet.busy == 0
    assert quiet.about == quiet.source
    assert {cost.seconds(1) for cost in quiet.segments.values()} == {0.25}
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text())["busy"] == {}
