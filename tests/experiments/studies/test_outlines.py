"""The closed form for very many models is what the simulator adds up, and its workers do all of the work."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from alsatian.api import predict
from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost, StartCost
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.data.dataset import batches_of
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.schedules import Exhaustive, Halving, PaperHalving
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from experiments.configuration.setup import strategy_named
from experiments.studies.internet_scale.outlines import Outline, PositionCosts, outline

SHAPE = "made@1"
HARDWARE = Hardware(
    "made up",
    "made up",
    segments={f"{SHAPE}/{i}": SegmentCost(((8, 1e-3 * (i + 1)), (64, 5e-3))) for i in range(5)},
    load_fixed_s=0.01,
    load_bytes_per_s=1e8,
    store_fixed_s=0.003,
    prepare_s={"": 1e-3},
    prepare_start=StartCost(fixed_s=0.05, item_s=1e-4, items=64),
    score=ScoreCost(fixed_s=0.1, step_items=64, step_s=0.01, test_value_s=1e-9),
    step_s=2e-4,
)
STORAGE = Storage(bandwidth="200MB")
BATCHES = batches_of(100, 500, 64)
MODELS = GeneratedSet(count=60, blocks=12, models_per_family=25)
STRATEGIES = [
    strategy_named("base"),
    replace(strategy_named("shift"), schedule=PaperHalving()),
    Strategy(name="exhaustive", schedule=Exhaustive()),
    Strategy(name="halving", schedule=Halving()),
]
by_strategy = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)


def outlined(strategy: Strategy, budget: int | None = None, models: GeneratedSet = MODELS) -> Outline:
    example = next(iter(models))
    costs = PositionCosts.of(HARDWARE, example, SHAPE, STORAGE)
    tree = TaskTree.of(models)
    return outline(tree, strategy, BATCHES, costs, budget, scores(tree.all_models()))


def scores(models: list[str]) -> dict[str, float]:
    drawn = np.random.default_rng(1).permutation(len(models)).tolist()
    return dict(zip(models, map(float, drawn), strict=True))


@by_strategy
@pytest.mark.parametrize("budget", [None, 200_000_000], ids=["whole", "chunks"])
def test_it_is_what_the_simulator_adds_up(strategy: Strategy, budget: int | None) -> None:
    candidates = list(MODELS)
    costs = CostModel.of(HARDWARE, keys_for(HARDWARE, candidates, like=SHAPE), STORAGE)
    known = scores([c.id for c in candidates])
    loader = LoaderSettings(keep=False, read_ahead=False)
    settings: dict[str, Any] = {"strategy": strategy, "budget": budget, "loader": loader}
    found = predict(candidates, BATCHES, costs, scores=lambda model, items: known[model], **settings)
    expected = outlined(strategy, budget)
    assert expected.seconds == pytest.approx(found.measurement.wall_s, rel=1e-9)
    assert expected.bytes_read == pytest.approx(found.measurement.counters["bytes_read"], rel=1e-12)
    assert expected.cache_bytes == found.measurement.peaks.get("cache_bytes", 0)
    assert [r.chunks for r in expected.rounds] == [r.chunks for r in found.rounds]
    assert [r.models for r in expected.rounds] == [len(r.scores) for r in found.rounds]
    if budget and strategy.shares:
        assert expected.rounds[0].chunks > 1


@by_strategy
def test_workers_share_the_work(strategy: Strategy) -> None:
    found = outlined(strategy)
    times = [found.on_workers(workers) for workers in (1, 2, 5, 16)]
    assert times[0] == pytest.approx(found.seconds)
    assert times == sorted(times, reverse=True)
    for workers, seconds in zip((1, 2, 5, 16), times, strict=True):
        assert seconds >= found.seconds / workers * (1 - 1e-9)
    # A worker does its share and no more than a path of the tree beside it, or a model more than the others.
    longest = max((r.above + r.ranges).max() if len(r.ranges) else r.seconds / r.models for r in found.rounds)
    assert times[1] <= found.seconds / 2 + 2 * len(found.rounds) * longest


def test_a_range_begins_with_the_path_above_it() -> None:
    """A chain of 3 models below one another's prefix: the second of two workers computes the prefix again."""
    found = outlined(Strategy(schedule=Exhaustive()), models=GeneratedSet(count=3, blocks=12, unshared=0.0))
    (only,) = found.rounds
    assert only.above[0] == 0
    assert (only.above[1:] > 0).all()
    assert found.on_workers(2) > found.seconds / 2
    assert found.on_workers(1000) <= (only.ranges + only.above).max() + 1e-9
