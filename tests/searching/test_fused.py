"""Fused and recomputed intermediates: the same bits, the planned peak, the planned work."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alsatian.budgets import Budgets
from alsatian.data.dataset import Batch
from alsatian.models.model_set import ModelSet
from alsatian.planning.computation import vertices_to_compute
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Infer, Plan
from alsatian.planning.planner import make_plan
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.searching.schedules import Exhaustive, Schedule
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from tests.searching.tiny_search import BATCH, Known, check, outcomes, search


@dataclass(frozen=True, kw_only=True)
class Uncached(Strategy):
    """Fuses and recomputes vertices with children in turn, as ``ways`` says; keeps the plans it made."""

    name: str = "uncached"
    ways: tuple[str, ...] = ()
    schedule: Schedule = field(default_factory=Exhaustive)
    plans: list[Plan] = field(default_factory=list)

    def plan(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits) -> Plan:
        inner = [v for v in range(len(tree)) if tree.children[v]]
        way = dict(zip(inner, itertools.cycle(self.ways), strict=False))
        plan = make_plan(
            tree,
            models,
            batches,
            self.order,
            planned_releases=True,
            limits=limits,
            fused=frozenset(v for v in inner if way[v] == "fuse"),
            recomputed=frozenset(v for v in inner if way[v] == "again"),
        )
        self.plans.append(plan)
        return plan


WAYS = list(itertools.product(("keep", "fuse", "again"), repeat=3))


def executions(plan: Plan) -> Iterator[int]:
    """Blocks times items of every step, from the definitions."""
    kept, chunk = set[int](), -1
    for step in plan.steps:
        if isinstance(step, Infer):
            if step.chunk != chunk:
                kept, chunk = set(), step.chunk
            way = vertices_to_compute(plan.tree, step.vertex, kept, plan.fused, plan.recomputed)
            kept.update(v for v in way if v not in plan.fused | plan.recomputed)
            items = sum(batch.items for batch in plan.chunks[chunk])
            yield items * sum(len(plan.tree.blocks[v]) for v in way)


@pytest.mark.parametrize("ways", WAYS, ids="-".join)
def test_what_is_not_kept_changes_nothing(family: ModelSet, truth: Known, ways: tuple[str, ...]) -> None:
    strategy = Uncached(ways=ways)
    result = search(family, strategy=strategy)
    check(result, truth)
    assert len(outcomes(result)) == len(family.candidates)
    (plan,) = strategy.plans
    assert result.measurement.counters["block_items"] == sum(executions(plan))
    assert plan.peaks is not None
    assert result.measurement.peaks.get("cache_bytes", 0) == plan.peaks[0]


@pytest.mark.parametrize(
    "ways", [("fuse",), ("again",), ("fuse", "again", "keep"), ("again", "fuse")], ids="-".join
)
@pytest.mark.parametrize("ahead", [True, False], ids=["read ahead", "sequential"])
@pytest.mark.parametrize("blocks", [None, 1 << 30, 1], ids=str)
def test_with_chunks_and_few_resident_blocks(
    family: ModelSet, truth: Known, ways: tuple[str, ...], ahead: bool, blocks: int | None, tmp_path: Path
) -> None:
    strategy = Uncached(ways=ways)
    search(family, strategy=strategy)
    (whole,) = strategy.plans
    assert whole.peaks is not None
    passing = BATCH * sum(whole.tree.cache_bytes(v) for v in whole.fused)  # in the device's memory only
    budget = max(whole.peaks[0] // 2, passing, 1)
    tight = search(
        family,
        strategy=strategy,
        budget=Budgets(budget=budget, ssd_budget="100%", block_budget=blocks, ssd_dir=tmp_path),
        loader=LoaderSettings(read_ahead=ahead),
    )
    check(tight, truth)
    plan = strategy.plans[-1]
    assert plan.peaks is not None
    peaks = tight.measurement.peaks
    assert (peaks.get("cache_bytes", 0), peaks.get("cache_ssd_bytes", 0)) == plan.peaks
    assert plan.peaks[0] <= budget


def test_all_fused_needs_a_batch_where_all_kept_needs_all_items(family: ModelSet) -> None:
    kept, fused = Uncached(ways=("keep",)), Uncached(ways=("fuse",))
    whole = search(family, strategy=kept)
    passed_on = search(family, strategy=fused)
    items = sum(batch.items for batch in kept.plans[0].chunks[0])
    assert items > 4 * BATCH
    assert passed_on.measurement.peaks["cache_bytes"] < whole.measurement.peaks["cache_bytes"] / 2
    assert passed_on.measurement.counters["block_items"] == whole.measurement.counters["block_items"]
    assert len(list(executions(fused.plans[0]))) < len(list(executions(kept.plans[0])))
