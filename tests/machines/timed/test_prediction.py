"""What is predicted of a search is what happens in it: all that can be counted, and every peak."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from alsatian.api import predict
from alsatian.blocks.candidate import Candidate
from alsatian.budgets import Budgets
from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost
from alsatian.costs.model import CostModel
from alsatian.costs.profiling.profile import segment_keys
from alsatian.data.dataset import raw_bytes
from alsatian.data.digits import digits
from alsatian.errors import BudgetError, ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.measurement import NOT_PREDICTED, PARTS
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Exhaustive, PaperHalving
from alsatian.searching.scores import recorded_scores
from alsatian.searching.search import Prediction
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from tests.searching.test_fused import Uncached
from tests.searching.test_policies_in_search import MODELS as RIVALS
from tests.searching.tiny_search import (
    ALSATIAN,
    BASE,
    BATCH,
    FEW,
    POLICIES,
    SHIFT,
    by_name,
    first,
    search,
)
from tests.stores import tiny_set

SEQUENTIAL = LoaderSettings(read_ahead=False)
PUBLISHED = LoaderSettings(keep=False, read_ahead=False)
AHEAD = LoaderSettings()
STORAGE = Storage(bandwidth="10MB")


def costs_of(models: ModelSet, item_bytes: float = 0.0, **changes: Any) -> CostModel:
    """Times of everything, all different."""
    keys = segment_keys(models)
    times = {
        key: SegmentCost(((1, 1e-3 * i), (8, 4e-3 * i))) for i, key in enumerate(sorted(set(keys.values())), 1)
    }
    settings: dict[str, Any] = {
        "segments": times,
        "load_fixed_s": 1e-3,
        "load_bytes_per_s": 1e7,
        "store_fixed_s": 2e-3,
        "prepare_s": {"": 1e-4},
        "score": ScoreCost(fixed_s=0.01, step_items=8, step_s=1e-3),
        "tier_bytes_per_s": {"ssd": (1e6, 2e6)},
        "step_s": 1e-4,
        **changes,
    }
    hardware = Hardware("made up", "made up", **settings)
    return dataclasses.replace(CostModel.of(hardware, keys, STORAGE, item_bytes), parts=models.parts)


def counted(counters: Mapping[str, int]) -> dict[str, int]:
    return {name: count for name, count in counters.items() if count and name not in NOT_PREDICTED}


def compare(models: ModelSet, strategy: Strategy, **settings: Any) -> Prediction:
    """Search and predict; the two have to agree."""
    data = digits(FEW)
    item_bytes = raw_bytes(data.train_items) / len(data.train_items)
    costs = costs_of(models, item_bytes)
    result = search(models, data, strategy, storage=STORAGE, hardware=costs.hardware, **settings)
    sizes = {b.identity: models.store.bytes_to_read(b.identity) for c in models.candidates for b in c.blocks}
    found = predict(
        models.candidates,
        data.batches(BATCH, len(models.candidates)),
        costs,
        strategy=strategy,
        scores=recorded_scores(result.rounds),
        file_bytes=sizes,
        **settings,
    )
    assert counted(found.measurement.counters) == counted(result.measurement.counters)
    # How much has been read and computed ahead when intermediates take the most is a matter of time.
    timed = {"memory_bytes", "ahead_bytes"} if settings["loader"].read_ahead else set()
    peaks = [
        {name: m.peaks[name] for name in m.peaks.keys() - timed} for m in (found.measurement, result.measurement)
    ]
    assert peaks[0] == peaks[1]
    assert found.ranked == result.ranked
    assert found.resolved == result.resolved
    assert [(r.train_items, r.chunks, r.scores) for r in found.rounds] == [
        (r.train_items, r.chunks, r.scores) for r in result.rounds
    ]
    parts = found.measurement.parts_s
    assert sum(parts.values()) == pytest.approx(found.measurement.wall_s)
    assert set(parts) == set(PARTS)
    return found


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), {letters: letters for letters in RIVALS})


@by_name
@pytest.mark.parametrize("loader", [PUBLISHED, SEQUENTIAL, AHEAD], ids=["published", "sequential", "read ahead"])
def test_every_strategy(family: ModelSet, strategy: Strategy, loader: LoaderSettings) -> None:
    compare(family, strategy, loader=loader)


@pytest.mark.parametrize("schedule", [Exhaustive(), PaperHalving()], ids=lambda s: s.name)
@pytest.mark.parametrize("strategy", [SHIFT, ALSATIAN], ids=lambda s: s.name)
def test_every_schedule(family: ModelSet, strategy: Strategy, schedule: Any) -> None:
    compare(family, dataclasses.replace(strategy, schedule=schedule), loader=SEQUENTIAL)


@pytest.mark.parametrize("order", [Given(), Random(0)], ids=lambda o: o.name)
@pytest.mark.parametrize("cache", POLICIES, ids=lambda c: c.name)
def test_every_policy(rivals: ModelSet, cache: Any, order: Any) -> None:
    strategy = Strategy(schedule=Exhaustive(), order=order, cache=cache)
    for budget in ("50%", "75%") if cache.planned else ("20%", "50%", "80%"):
        compare(rivals, strategy, loader=SEQUENTIAL, budget=budget)


@pytest.mark.parametrize("cache", [policy for policy in POLICIES if policy.keeps], ids=lambda c: c.name)
def test_intermediates_in_files(rivals: ModelSet, cache: Any, tmp_path: Path) -> None:
    budgets = Budgets(budget="35%", ssd_budget="100%", ssd_dir=tmp_path)
    strategy = Strategy(schedule=Exhaustive(), order=Random(0), cache=cache)
    found = compare(rivals, strategy, loader=SEQUENTIAL, budget=budgets)
    assert found.measurement.counters["cache_ssd_bytes_read"] > 0
    assert found.measurement.parts_s["cache_io"] > 0


@pytest.mark.parametrize("blocks", [1, 900, 2000, None], ids=str)
@pytest.mark.parametrize("copies", [None, 1000, "100%"], ids=str)
def test_few_resident_blocks(
    family: ModelSet, blocks: int | None, copies: int | str | None, tmp_path: Path
) -> None:
    budgets = Budgets(block_budget=blocks, block_ssd_budget=copies, ssd_dir=tmp_path)
    compare(family, ALSATIAN, loader=SEQUENTIAL, budget=budgets)


@pytest.mark.parametrize("ways", list(itertools.product(("keep", "fuse", "again"), repeat=2)), ids="-".join)
def test_fused_and_recomputed_intermediates(family: ModelSet, ways: tuple[str, ...], tmp_path: Path) -> None:
    compare(family, Uncached(ways=ways), loader=SEQUENTIAL)
    compare(family, Uncached(ways=ways), loader=AHEAD)
    compare(
        family,
        Uncached(ways=ways),
        loader=SEQUENTIAL,
        budget=Budgets(budget="70%", ssd_budget="100%", ssd_dir=tmp_path),
    )


@pytest.mark.parametrize("schedule", [Exhaustive(), ALSATIAN.schedule], ids=lambda s: s.name)
@pytest.mark.parametrize("budget", ["100%", "50%", "37%"])
@pytest.mark.parametrize("blocks", ["100%", "30%", "1%"])
def test_auto(family: ModelSet, schedule: Any, budget: str, blocks: str) -> None:
    budgets = Budgets(budget=budget, block_budget=blocks)
    found = compare(family, Auto(schedule=schedule), loader=SEQUENTIAL, budget=budgets)
    assert "cache.memory" in found.resolved


def predicted(models: ModelSet, costs: CostModel, strategy: Strategy = BASE, **settings: Any) -> Prediction:
    return predict(
        models.candidates, digits(FEW).batches(BATCH, len(models.candidates)), costs, strategy=strategy, **settings
    )


def test_what_base_takes_is_the_sum_of_its_parts(family: ModelSet) -> None:
    models = first(family, 2)
    costs = costs_of(models)
    found = predicted(models, costs, loader=PUBLISHED).measurement
    test, train = digits(FEW).batches(BATCH, 2)
    blocks = [block for candidate in models.candidates for block in candidate.blocks]
    expected = {
        "prepare_model": sum(costs.load_s(block) for block in blocks),
        "prepare_data": 2 * FEW * 1e-4,
        "inference": sum(costs.infer_s(block, batch.items) for block in blocks for batch in (*test, *train)),
        "proxy_scoring": 2 * costs.score_s(FEW - 8, 8, blocks[-1].output_bytes // 4),
    }
    assert {part: found.parts_s[part] for part in expected} == pytest.approx(expected)


def test_reading_ahead_hides_reading_behind_computing(family: ModelSet) -> None:
    costs = costs_of(family)
    slow, fast = (predicted(family, costs, ALSATIAN, loader=loader).measurement for loader in (SEQUENTIAL, AHEAD))
    assert counted(slow.counters) == counted(fast.counters)
    busy = slow.parts_s["prepare_model"]
    assert fast.parts_s["prepare_model"] < busy
    # No thread is done before its own work is, and two of them load.
    working = sum(fast.parts_s.values()) - fast.stalled_s["prepare_model"]
    assert max(busy / 2, working) <= fast.wall_s < slow.wall_s <= busy + working + 1e-9


def test_the_limit_is_the_work_of_the_result_whatever_the_strategy(family: ModelSet) -> None:
    costs = costs_of(family)
    loads = (SEQUENTIAL, AHEAD, PUBLISHED)
    found = [predicted(family, costs, s, loader=one).measurement for s in (SHIFT, ALSATIAN) for one in loads]
    for measured in found:
        assert measured.limit is not None
        assert found[0].limit is not None
        assert measured.limit.seconds <= measured.wall_s
        assert measured.limit.inference_s == pytest.approx(found[0].limit.inference_s)
        assert measured.limit.decoding_s == pytest.approx(found[0].limit.decoding_s)
        assert measured.limit.reading_s == pytest.approx(family.distinct_bytes / costs.bandwidth)
    shared, alone = (predicted(family, costs, s).measurement for s in (ALSATIAN, BASE))
    assert shared.limit is not None
    assert alone.limit is not None
    assert alone.limit.over(alone.wall_s) > shared.limit.over(shared.wall_s)  # type: ignore[operator]


@pytest.mark.parametrize("share", [0.2, 0.9, 0.99])
@pytest.mark.parametrize("item_s", [1.0, 0.01], ids=["much computing", "little"])
def test_reading_ahead_costs_computing_what_the_profile_says(family: ModelSet, share: float, item_s: float) -> None:
    """It never gives any, though a block comes while what was computed before is delayed."""
    times = {key: SegmentCost(((8, 4e-3 * item_s),)) for key in segment_keys(family).values()}
    free, lossy = (
        predicted(
            family, costs_of(family, segments=times, read_ahead_loss=loss), ALSATIAN, loader=AHEAD
        ).measurement
        for loss in ((), ((1e6, share),))
    )
    computing = [m.parts_s["inference"] for m in (free, lossy)]
    assert computing[0] < computing[1] <= computing[0] / (1 - share) + 1e-9


def test_models_that_exist_only_as_fingerprints(family: ModelSet) -> None:
    costs = costs_of(family)
    bare = [Candidate(c.id, c.blocks, None, c.preprocessing) for c in family.candidates]
    found = predict(bare, digits(FEW).batches(BATCH, len(bare)), costs, strategy=ALSATIAN)
    whole = predicted(family, costs, ALSATIAN)
    assert found.ranked == whole.ranked
    for name in ("wall_s", "parts_s", "counters", "peaks"):
        assert getattr(found.measurement, name) == getattr(whole.measurement, name)


def test_a_ranking_is_drawn_from_the_seed(family: ModelSet) -> None:
    rankings = {predicted(family, costs_of(family), ALSATIAN, seed=seed).ranked for seed in (0, 0, 1, 2)}
    assert 1 < len(rankings) <= 3


def test_a_budget_below_a_batch_is_refused_as_in_a_search(family: ModelSet) -> None:
    with pytest.raises(BudgetError, match=r"set cache\.budget="):
        predicted(family, costs_of(family), ALSATIAN, budget=1)


def test_architectures_without_times_are_named(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match=r"made up: has no times for "):
        costs_of(family, segments={})


def test_blocks_are_read_again_from_memory_where_the_page_cache_keeps_them(family: ModelSet) -> None:
    data = digits(40)
    cold = costs_of(family)
    cached = dataclasses.replace(cold, page_cache=True)
    slow, fast = (
        predict(family.candidates, data.batches(BATCH), costs, strategy=SHIFT, loader=SEQUENTIAL)
        for costs in (cold, cached)
    )
    assert fast.measurement.counters == slow.measurement.counters
    first_reads = {b.identity: cold.read_s(b) for c in family.candidates for b in c.blocks}
    parts = [one.measurement.parts_s["prepare_model"] for one in (slow, fast)]
    assert sum(first_reads.values()) < parts[1] < parts[0]
