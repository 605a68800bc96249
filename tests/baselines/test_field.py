"""The field of baselines: the bits of base under the same schedule, within the budgets."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from alsatian.api import predict
from alsatian.budgets import Budgets
from alsatian.costs.model import CostModel
from alsatian.costs.profiling.profile import segment_keys
from alsatian.data.digits import digits
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.schedules import Adaptive, Exhaustive, Halving, PaperHalving
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from experiments.configuration.menu import choices
from experiments.configuration.setup import strategy_named
from experiments.runs.repeat import kept
from tests.searching.tiny_search import BASE, BATCH, FEW, Known, first, outcomes, search, slow_reads, troubles
from tests.stores import tiny_set

# They share none, some and all of their blocks. One that ends where another goes on is in the tests of the choice.
MODELS = ("aaaa", "aaab", "bbbb", "aacc", "bbba", "aacb", "bacc")
TWIN = "twin"
CONTROL = "size_order"
CHOOSING = ("keystone_like", "mistique_like", "materialise")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    letters = {name: name for name in MODELS} | {TWIN: MODELS[0]}
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), letters)


shipped = cache(strategy_named)


@pytest.fixture(scope="module")
def truths(models: ModelSet) -> dict[str, Known]:
    """What base finds under each schedule; an adaptive one becomes one of those that it chooses from."""
    found = {
        schedule.name: outcomes(search(models, strategy=replace(BASE, schedule=schedule)))
        for schedule in (Exhaustive(), Halving(), PaperHalving())
    }
    return found | {Adaptive.name: found["halving"] | found["exhaustive"]}


@pytest.mark.parametrize("name", [name for name in choices("strategy") if name != CONTROL])
def test_every_strategy_finds_what_base_finds_under_its_schedule(
    models: ModelSet, truths: dict[str, Known], name: str
) -> None:
    strategy = shipped(name)
    for budget in ("40%", "100%"):
        result = search(models, strategy=strategy, budget=budget, hardware=slow_reads(models))
        found = outcomes(result)
        truth = truths[strategy.schedule.name]
        assert found == (truth if strategy.schedule.name != Adaptive.name else {key: truth[key] for key in found})
        limit = result.resolved["cache.memory" if strategy.divides_memory else "cache.budget"].bytes
        assert limit is not None
        peak = "memory_bytes" if strategy.divides_memory else "cache_bytes"
        assert result.measurement.peaks.get(peak, 0) <= limit
        assert not [event for event in troubles(result) if event["kind"] != "schedule"]


@pytest.mark.parametrize("name", CHOOSING)
@pytest.mark.parametrize("budget", ["1%", "20%", "60%", "100%"])
def test_what_is_chosen_fits_whatever_the_budget(
    models: ModelSet, truths: dict[str, Known], name: str, budget: str
) -> None:
    result = search(models, strategy=shipped(name), budget=budget, hardware=slow_reads(models))
    assert outcomes(result) == truths["halving"]
    limit = result.resolved["cache.budget"].bytes
    assert limit is not None
    assert result.measurement.peaks.get("cache_bytes", 0) <= limit
    assert all(finished.chunks == 1 for finished in result.rounds)  # it never cuts the data
    once = search(models, strategy=Strategy(), budget="100%").measurement.counters["block_items"]
    again = search(models, strategy=strategy_without_a_cache(), budget=budget).measurement.counters["block_items"]
    assert once <= result.measurement.counters["block_items"] <= again
    assert (result.measurement.counters["block_items"] == once) == (budget == "100%")


def strategy_without_a_cache() -> Strategy:
    return Strategy(order=BASE.order, cache=BASE.cache)


def test_materialised_layers_may_lie_in_files(models: ModelSet, truths: dict[str, Known], tmp_path: Path) -> None:
    budgets = Budgets(budget="20%", ssd_budget="60%", ssd_dir=tmp_path)
    result = search(models, strategy=shipped("materialise"), budget=budgets, hardware=slow_reads(models))
    assert outcomes(result) == truths["halving"]
    assert 0 < result.measurement.peaks["cache_ssd_bytes"] <= (result.resolved["cache.ssd_budget"].bytes or 0)
    assert result.measurement.peaks["cache_bytes"] <= (result.resolved["cache.budget"].bytes or 0)


def test_a_cache_for_each_model_reads_no_block_twice(models: ModelSet) -> None:
    own, shift = (
        search(models, strategy=shipped(name)).measurement.counters for name in ("per_model_cache", "shift")
    )
    assert own["bytes_read"] < shift["bytes_read"]
    assert (
        own["block_items"]
        == search(models, strategy=strategy_without_a_cache()).measurement.counters["block_items"]
    )


def test_the_control_ranks_by_size_and_computes_nothing(models: ModelSet) -> None:
    few = first(models, 3)
    result = search(few, strategy=shipped(CONTROL))
    sizes = {candidate.id: candidate.parameter_bytes for candidate in few.candidates}
    assert result.rounds[0].scores == sizes
    assert list(result.ranked) == sorted(sizes, key=lambda model: -sizes[model])
    assert result.rounds[0].train_items == 0
    assert result.measurement.counters.get("block_items", 0) == 0
    assert result.measurement.counters.get("bytes_read", 0) == 0
    costs = CostModel.of(slow_reads(few), segment_keys(few), Storage())
    predicted = predict(few, digits(FEW).batches(BATCH), costs, strategy=shipped(CONTROL))
    assert kept(predicted).findings.ranking == result.ranked
    assert kept(predicted).repeat.wall_s == 0


@pytest.mark.parametrize("name", CHOOSING)
@pytest.mark.parametrize("changes", [{"sharing": "none"}, {"cache": BASE.cache}])
def test_those_that_choose_take_no_decisions_from_others(name: str, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"strategy={name}: chooses what is kept") as error:
        replace(shipped(name), **changes)
    assert "\n" not in str(error.value)
