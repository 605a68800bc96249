"""While a block is waited for, what all models share is computed for later rounds: the same work, earlier."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.api import SearchResult, predict
from alsatian.budgets import Budgets
from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost
from alsatian.costs.model import CostModel
from alsatian.costs.profiling.profile import segment_keys
from alsatian.models.model_set import ModelSet
from alsatian.runtime.ahead import AheadOfRounds
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.confident import Confident
from alsatian.searching.schedules import Adaptive, Exhaustive, Halving, PaperHalving, Round, Rounds
from alsatian.searching.search import Prediction
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from tests.conftest import tiny_model
from tests.searching.tiny_search import AUTO, BATCH, eager, few, outcomes, search
from tests.stores import tiny_set

NAMES = ("aaaa", "aaab", "aaba", "aabb", "aaca", "aacb", "aada", "aadb")
WITHOUT = LoaderSettings(compute_ahead=False)
SLOW = Storage(bandwidth="200KB")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Eight models that share their first two blocks."""
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), {name: name for name in NAMES})


def ahead(result: SearchResult | Prediction) -> int:
    """Items of which something was computed early."""
    return sum(e["items"] for e in result.measurement.events if e["kind"] == "computed_ahead")


def work(result: SearchResult) -> dict[str, int]:
    names = ("block_executions", "block_items", "prepared_items", "blocks_read", "bytes_read")
    return {name: result.measurement.counters[name] for name in names}


@pytest.mark.parametrize("strategy", [Strategy(), AUTO], ids=lambda s: s.name)
def test_results_and_work_are_the_same_and_part_of_it_is_done_early(models: ModelSet, strategy: Strategy) -> None:
    early, usual = (search(models, strategy=strategy, storage=SLOW, **more) for more in ({}, {"loader": WITHOUT}))
    assert ahead(early) > 0
    assert ahead(usual) == 0
    assert work(early) == work(usual)
    known = eager({name: tiny_model(name) for name in NAMES}, few())
    found = outcomes(early)
    assert found == outcomes(usual)
    assert found == {key: known[key] for key in found}


def costs_of(models: ModelSet, read_s: float) -> CostModel:
    times = {key: SegmentCost(((BATCH, 1.0),)) for key in segment_keys(models).values()}
    hardware = Hardware("made up", "here", times, store_fixed_s=read_s, score=ScoreCost(fixed_s=0.01))
    return CostModel.of(hardware, segment_keys(models), Storage())


def predicted(models: ModelSet, read_s: float, **settings: Any) -> Prediction:
    batches = few().batches(BATCH, len(models.candidates))
    return predict(models.candidates, batches, costs_of(models, read_s), **{"strategy": Strategy(), **settings})


def test_a_slow_store_costs_less_and_a_fast_one_the_same(models: ModelSet) -> None:
    slow, fast = ([predicted(models, s, loader=one) for one in (LoaderSettings(), WITHOUT)] for s in (30.0, 0.0))
    assert ahead(fast[0]) == 0
    assert fast[0].measurement.wall_s == fast[1].measurement.wall_s
    assert ahead(slow[0]) > 0
    # Two shared blocks take two seconds for each of the batches that only later rounds see.
    later = [b for b in few().batches(BATCH, len(NAMES))[1] if b.start >= slow[0].rounds[0].train_items]
    assert ahead(slow[0]) == sum(batch.items for batch in later)
    saved = slow[1].measurement.wall_s - slow[0].measurement.wall_s
    shared = 2.0 * sum(batch.items for batch in later) / BATCH
    # The last block of a survivor takes one second for each; at most those of four, two and two models are done.
    assert 0.5 * shared < saved <= shared + 4.0 * len(later)
    assert slow[0].measurement.counters == slow[1].measurement.counters


def executed(result: SearchResult | Prediction) -> int:
    """How many times items went early through a block."""
    return sum(e["block_items"] for e in result.measurement.events if e["kind"] == "computed_ahead")


def test_behind_what_all_share_comes_what_may_be_needed(models: ModelSet) -> None:
    """The data doubles from round to round: each model sees the next batches with a chance of one half."""
    found, usual = predicted(models, 30.0), predicted(models, 30.0, loader=WITHOUT)
    assert executed(found) > 2 * ahead(found)

    def second(result: Prediction) -> float:
        return float([e for e in result.measurement.events if e["kind"] == "round"][1]["parts_s"]["inference"])

    batches = few().batches(BATCH, len(NAMES))[1]
    new = [b for b in batches if usual.rounds[0].train_items <= b.start < usual.rounds[1].train_items]
    # What all share takes two seconds a batch. Not early are the blocks behind which nothing is waited for.
    assert second(found) < second(usual) - 2.0 * len(new)
    assert work(found) == work(usual)
    slow = search(models, storage=SLOW)
    assert executed(slow) > 2 * ahead(slow)


def test_only_what_all_share_is_computed_where_blocks_make_way_for_others(models: ModelSet) -> None:
    found = predicted(models, 30.0, budget=Budgets(block_budget=models.distinct_bytes - 1))
    assert executed(found) == 2 * ahead(found) > 0
    assert work(found) == work(
        predicted(models, 30.0, budget=Budgets(block_budget=models.distinct_bytes - 1), loader=WITHOUT)
    )


@pytest.mark.parametrize("room", [0, 1, 2])
def test_it_takes_only_what_the_plan_leaves_of_the_budget(models: ModelSet, room: int) -> None:
    """States of a batch are 4 x 8 x 8 float32 behind the second block."""
    one = BATCH * 4 * 8 * 8 * 4
    planned = predicted(models, 30.0, loader=WITHOUT).measurement.peaks["cache_bytes"]
    budget = Budgets(budget=planned + room * one)
    found = predicted(models, 30.0, budget=budget).measurement
    assert found.peaks.get("ahead_bytes", 0) == room * one
    assert found.peaks["cache_bytes"] <= planned
    real = search(models, storage=SLOW, budget=budget)
    assert real.measurement.peaks.get("ahead_bytes", 0) <= room * one
    assert outcomes(real) == outcomes(search(models))


def test_who_divides_the_memory_works_ahead_in_what_blocks_never_need(models: ModelSet) -> None:
    """``auto`` has both budgets in one; other strategies leave to blocks what is theirs."""
    planned = predicted(models, 30.0, loader=WITHOUT).measurement.peaks["cache_bytes"]
    one = BATCH * 4 * 8 * 8 * 4
    budget = Budgets(budget=planned, block_budget=models.distinct_bytes + one)
    assert predicted(models, 30.0, budget=budget).measurement.peaks["ahead_bytes"] == 0
    assert predicted(models, 30.0, strategy=AUTO, budget=budget).measurement.peaks["ahead_bytes"] == one
    real = search(models, strategy=AUTO, storage=SLOW, budget=budget)
    memory = real.resolved["cache.memory"].bytes
    assert memory == planned + models.distinct_bytes + one
    assert real.measurement.peaks["memory_bytes"] <= memory
    assert outcomes(real) == outcomes(search(models))


@pytest.mark.parametrize(
    ("schedule", "sure"),
    [(Halving(), True), (PaperHalving(), True), (Adaptive(), True), (Confident(), True), (Exhaustive(), False)],
    ids=lambda value: getattr(value, "name", None),
)
def test_only_schedules_that_end_with_all_data_work_ahead(models: ModelSet, schedule: Any, sure: bool) -> None:
    assert Strategy(schedule=schedule).sees_all == sure


@dataclasses.dataclass(frozen=True, kw_only=True)
class Half(Strategy):
    """One round on half of the data."""

    def rounds(self, models: Any, train_items: int) -> Rounds:
        yield Round(tuple(models), train_items // 2)


def test_a_strategy_with_rounds_of_its_own_works_on_nothing_that_it_may_not_see(models: ModelSet) -> None:
    assert ahead(predicted(models, 30.0, strategy=Half())) == 0


def test_models_that_share_only_their_data_have_it_prepared_early(tmp_path_factory: pytest.TempPathFactory) -> None:
    strangers = ("aaaa", "bbbb", "cccc", "dddd")
    models = tiny_set(BlockStore(tmp_path_factory.mktemp("store")), {name: name for name in strangers})
    result = search(models, storage=SLOW)
    assert ahead(result) > 0
    assert work(result) == work(search(models, storage=SLOW, loader=WITHOUT))


def test_what_all_models_have_features_of_is_not_computed(tmp_path: Path) -> None:
    """Nor what two new models share, where others that are known may be those that are left."""
    store = BlockStore(tmp_path)
    models, some = (tiny_set(store, {name: name for name in names}) for names in (NAMES, NAMES[2:]))
    known = search(some, strategy=Strategy(schedule=Exhaustive()), reuse=True)
    more, again = (search(models, storage=SLOW, reuse=True) for _ in range(2))
    assert ahead(known) == ahead(more) == ahead(again) == 0
    assert more.measurement.counters["block_items"] > 0
    assert again.measurement.counters.get("block_items", 0) == 0


def test_without_a_budget_it_is_bounded_all_the_same(models: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    one = BATCH * 4 * 8 * 8 * 4
    whole = predicted(models, 30.0, budget=Budgets(budget=None)).measurement.peaks["ahead_bytes"]
    monkeypatch.setattr("alsatian.runtime.ahead.UNBUDGETED", 2 * one)
    found = predicted(models, 30.0, budget=Budgets(budget=None)).measurement
    assert 0 < found.peaks["ahead_bytes"] <= 2 * one < whole


def test_what_was_computed_early_goes_when_memory_runs_out(
    models: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The round begins anew, and ends with the same scores."""
    real, held = AheadOfRounds.work, []

    def work(self: AheadOfRounds) -> bool:
        if len(held) == 1:
            held.append(len(self._held))
            raise torch.OutOfMemoryError("full")
        held.extend([1] * (done := real(self)))
        return done

    monkeypatch.setattr(AheadOfRounds, "work", work)
    result = search(models, storage=SLOW)
    assert held[1] == 1
    assert "out_of_memory" in {event["kind"] for event in result.measurement.events}
    monkeypatch.undo()
    assert outcomes(result) == outcomes(search(models, loader=WITHOUT))
