"""Searches on several workers: bit for bit those of one process, whoever does what and whatever is lost."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from alsatian.data.dataset import Batch
from alsatian.errors import AlsatianError, BadModelError, OutOfMemoryError
from alsatian.fingerprint import features_fingerprint
from alsatian.machines.cluster.machine import Cut
from alsatian.machines.cluster.messages import Task
from alsatian.machines.cluster.queues import MOST_LOSSES
from alsatian.models.model_set import ModelSet
from alsatian.planning.distribution.distribution import Distribution, Portion
from alsatian.planning.plan import Plan
from alsatian.runtime.engine import Engine
from alsatian.runtime.layers import Layers
from alsatian.searching.checkpoint import Checkpoint
from alsatian.searching.strategy import Strategy
from tests.machines.cluster.pool_here import Found, all_to_first, by_data, by_model, search_here
from tests.searching.tiny_search import (
    ALSATIAN,
    BASE,
    BATCH,
    MODELS,
    SHARED_PREFIX,
    SHIFT,
    Known,
    check,
    few,
    outcomes,
    search,
)

CUTS = pytest.mark.parametrize("cut", [by_model, by_data, all_to_first])


def kinds(found: Found) -> Counter[str]:
    return Counter(event["kind"] for event in found.result.measurement.events)


def executions(result: object) -> int:
    return result.measurement.counters["block_executions"]  # type: ignore[attr-defined,no-any-return]


@CUTS
@pytest.mark.parametrize("strategy", [BASE, SHIFT, SHARED_PREFIX, ALSATIAN], ids=lambda s: s.name)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_scores_and_features_are_those_of_the_modules(
    family: ModelSet, truth: Known, strategy: Strategy, count: int, cut: Callable[[int], Cut]
) -> None:
    found = search_here(family, strategy, count, cut)
    check(found.result, truth)
    alone = search(family, strategy=strategy)
    assert found.result.ranked == alone.ranked
    assert outcomes(found.result) == outcomes(alone)
    assert found.result.measurement.valid


def test_one_worker_does_the_work_of_one_process(family: ModelSet) -> None:
    alone = search(family, strategy=BASE)
    found = search_here(family, BASE, 1)
    for name in ("block_executions", "block_items", "bytes_read", "prepared_items"):
        assert found.result.measurement.counters[name] == alone.measurement.counters[name]
    # Without sharing nobody repeats anything, however many they are.
    several = search_here(family, BASE, 3)
    assert executions(several.result) == executions(alone)
    assert len({worker for worker, _ in several.pool.tasks}) == 3


def test_parts_of_workers_add_up_to_the_wall_time_and_counters_to_sums(family: ModelSet) -> None:
    measurement = search_here(family, ALSATIAN, 2).result.measurement
    assert sum(measurement.parts_s.values()) == pytest.approx(measurement.wall_s, rel=0.05)
    assert measurement.workers.keys() == {"worker 1", "worker 2"}
    for name in ("block_executions", "blocks_read"):
        assert measurement.counters[name] == sum(w.counters[name] for w in measurement.workers.values())
    assert measurement.busy_s["inference"] == pytest.approx(
        sum(worker.busy_s["inference"] for worker in measurement.workers.values())
    )
    rounds = [event for event in measurement.events if event["kind"] == "round"]
    assert sum(event["parts_s"]["inference"] for event in rounds) == pytest.approx(measurement.parts_s["inference"])


def test_every_worker_keeps_to_the_budget(family: ModelSet) -> None:
    limit = 14336  # of intermediates: what one batch needs, and less than what all of them take
    alone = search(family, strategy=ALSATIAN)
    assert alone.measurement.peaks["cache_bytes"] > limit
    found = search_here(family, ALSATIAN, 2, by_data, budget=limit)
    assert all(0 < worker.peaks["cache_bytes"] <= limit for worker in found.result.measurement.workers.values())
    assert outcomes(found.result) == outcomes(alone)


def at_home(count: int) -> Cut:
    """As :func:`by_model` in the first round; then each with the worker that has its features."""

    def cut(plan: Plan, batches: Sequence[Batch], items: tuple[int, int], homes: Mapping[str, str]) -> Distribution:
        turns = by_model(count)(plan, batches, items, homes)
        own: dict[str, list[Portion]] = {worker: [] for worker in turns.portions}
        for worker, portions in turns.portions.items():
            for portion in portions:
                own[homes.get(portion.models[0], worker)].append(portion)
        return replace(turns, portions={worker: tuple(portions) for worker, portions in own.items()})

    return cut


def test_features_stay_where_they_are_needed_next(family: ModelSet) -> None:
    found = search_here(family, ALSATIAN, 2, at_home)
    assert len(found.result.rounds) > 1
    # Only with a portion that moves to an idle worker features do.
    assert sum(found.pool.fetched.values()) <= kinds(found)["moved"] * (len(found.result.rounds) - 1)
    elsewhere = search_here(family, ALSATIAN, 2, by_data)
    assert sum(elsewhere.pool.fetched.values()) > sum(found.pool.fetched.values())


@CUTS
@pytest.mark.parametrize("end", ["lost", "late", "forgotten"])
@pytest.mark.parametrize("at", [1, 3, 5])
def test_a_lost_worker_costs_its_portion_and_changes_nothing(
    family: ModelSet, truth: Known, end: str, at: int, cut: Callable[[int], Cut]
) -> None:
    whole = search_here(family, ALSATIAN, 2, cut)
    happened: list[Task] = []

    def ends(number: int, worker: str, task: Task) -> str | None:
        if number < at or happened:
            return None
        happened.append(task)
        return end

    found = search_here(family, ALSATIAN, 2, cut, ends=ends)
    check(found.result, truth)
    assert found.result.ranked == whole.result.ranked
    assert len(happened) == 1
    assert kinds(found)["features_lost" if end == "forgotten" else "worker_lost"] == 1
    # That portion was begun once more, and nothing else.
    assert len(found.pool.tasks) == len(whole.pool.tasks) + 1
    assert Counter(task.models for _, task in found.pool.tasks)[happened[0].models] >= 2


def test_what_ends_every_worker_ends_the_search(family: ModelSet) -> None:
    def ends(number: int, worker: str, task: Task) -> str | None:
        return "lost" if "third" in task.models else None

    with pytest.raises(
        AlsatianError, match=f"{MOST_LOSSES} workers in a row were lost.*'third'.*killed on purpose"
    ):
        search_here(family, ALSATIAN, 2, ends=ends)


def test_portions_that_wait_move_to_idle_workers(family: ModelSet) -> None:
    found = search_here(family, ALSATIAN, 3, all_to_first)
    assert kinds(found)["moved"] >= 2
    assert {worker for worker, task in found.pool.tasks if task.round == 1} == {"worker 1", "worker 2", "worker 3"}


@pytest.fixture
def damaged(family: ModelSet, tmp_path: Path) -> ModelSet:
    """The family with a model whose last block cannot be read."""
    from tests.stores import tiny_set

    models = tiny_set(type(family.store)(tmp_path / "store"), MODELS)
    alone = next(c for c in models.candidates if c.id == "alone")
    path = models.store.block_path(alone.blocks[-1].identity)
    path.write_bytes(path.read_bytes()[:-1])
    return models


@CUTS
def test_a_bad_model_is_excluded_or_ends_the_search(
    damaged: ModelSet, truth: Known, cut: Callable[[int], Cut]
) -> None:
    alone = search(damaged, strategy=ALSATIAN, on_bad_model="exclude")
    found = search_here(damaged, ALSATIAN, 2, cut, on_bad_model="exclude")
    assert found.result.excluded == alone.excluded
    assert found.result.excluded.keys() == {"alone"}
    assert found.result.ranked == alone.ranked
    assert outcomes(found.result) == outcomes(alone)
    with pytest.raises(BadModelError, match="model 'alone'"):
        search_here(damaged, ALSATIAN, 2, cut)


def test_a_worker_makes_room_by_itself(family: ModelSet, truth: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, failures = Engine._execute, [0]

    def full(engine: Engine, *what: object) -> None:
        failures[0] += 1
        if failures[0] in (2, 3):
            raise OutOfMemoryError("the memory is full")
        usual(engine, *what)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "_execute", full)
    found = search_here(family, ALSATIAN, 2)
    check(found.result, truth)


def test_a_worker_whose_memory_holds_nothing_says_so(family: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutOfMemoryError("the memory is full")

    monkeypatch.setattr(Engine, "_execute", full)
    with pytest.raises(OutOfMemoryError, match="the memory does not hold"):
        search_here(family, ALSATIAN, 2)


@CUTS
def test_the_same_search_goes_on_behind_finished_rounds(
    family: ModelSet, truth: Known, tmp_path: Path, cut: Callable[[int], Cut]
) -> None:
    kept = Checkpoint(tmp_path / "rounds", "key")

    def ends(number: int, worker: str, task: Task) -> str | None:
        if task.round == 2:
            raise KeyboardInterrupt
        return None

    whole = search_here(family, ALSATIAN, 2, cut)
    with pytest.raises(KeyboardInterrupt):
        search_here(family, ALSATIAN, 2, cut, ends=ends, checkpoint=kept)
    found = search_here(family, ALSATIAN, 2, cut, checkpoint=kept)
    assert kinds(found)["resumed"] == 1
    assert all(task.round > 1 for _, task in found.pool.tasks)
    check(found.result, truth)
    assert found.result.ranked == whole.result.ranked
    assert executions(found.result) == executions(whole.result)  # with those of the finished round
    assert found.result.measurement.workers.keys() == {"worker 1", "worker 2"}


def test_every_worker_has_lanes_of_its_own(family: ModelSet) -> None:
    trace = search_here(family, ALSATIAN, 2, timeline=True).result.measurement.timeline
    assert trace is not None
    names = {e["pid"]: e["args"]["name"] for e in trace if e["name"] == "process_name"}
    assert set(names.values()) == {"alsatian", "worker 1", "worker 2"}
    inferring = {names[e["pid"]] for e in trace if e["name"] == "inference"}
    assert inferring == {"worker 1", "worker 2"}


def test_progress_is_told_by_steps(family: ModelSet) -> None:
    assert search_here(family, ALSATIAN, 2).ticks > len(MODELS)


@pytest.mark.parametrize("cut", [by_model, by_data])
@pytest.mark.parametrize("choice", ["last", "mean"])
def test_features_are_kept_once_for_every_model_that_is_scored(
    family: ModelSet, truth: Known, cut: Callable[[int], Cut], choice: str
) -> None:
    kept: dict[str, dict[int, torch.Tensor]] = {}
    ids = [candidate.id for candidate in family.candidates]

    def keep(models: Sequence[str], features: Mapping[int, torch.Tensor]) -> None:
        for model in models:
            assert not kept.setdefault(model, {}).keys() & features.keys()
            kept[model] |= features

    layers = Layers("mean", {model: (model,) for model in ids}) if choice == "mean" else None
    found = search_here(family, ALSATIAN, 2, cut, keep=keep, layers=layers)
    assert kept.keys() == set(ids)
    test, train = few().in_batches(BATCH, len(ids)).batches(BATCH)
    parts = [torch.cat([kept[found.result.ranked[0]][b.index] for b in part]) for part in (train, test)]
    assert features_fingerprint(parts) == truth[sum(b.items for b in train), found.result.ranked[0]][1]
