"""The strategy that plans by predicted time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from alsatian.blocks.candidate import Candidate
from alsatian.costs.estimate import Workload
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError, ConfigError
from alsatian.planning.choice import Chooser
from alsatian.planning.chunks import cut
from alsatian.planning.computation import inference_steps
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Shape, arrange
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.parts import NO_PARTS, unit_bytes
from alsatian.tree import TaskTree

# Larger trees are planned as usual: choosing would take longer than it saves.
MOST_VERTICES = 5_000


@dataclass(frozen=True, kw_only=True)
class Auto(Strategy):
    """Alsatian with every decision taken by predicted time, round by round.

    What is predicted faster than Alsatian's own plan by more than a margin is done: another order, other chunks,
    another division of the device's memory between blocks and intermediates, intermediates that are fused,
    recomputed or not spilled. The budgets of both are one: it keeps to their sum, and intermediates may take what
    all blocks do not need. Where everything fits there is nothing to decide: the plan is the usual one, as it is
    without ``costs``.
    """

    name: str = "auto"
    costs: CostModel | None = field(default=None, compare=False, repr=False)
    needs_costs: ClassVar[bool] = True
    divides_memory: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.shares and self.cache.planned):
            raise ConfigError(
                "strategy=auto: plans what is shared and kept; it takes sharing=prefix and cache=planned"
            )

    def settled(self, candidates: Sequence[Candidate], batches: Sequence[Batch], limits: Limits) -> bool:
        tree = TaskTree.of(candidates).compress()
        models = [candidate.id for candidate in candidates]
        return len(tree) > MOST_VERTICES or self._all_fits(tree, models, batches, limits)

    def _all_fits(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits) -> bool:
        """Whether, as usual, all blocks stay and all intermediates are in the fastest tier in one chunk."""
        parts = self.costs.parts if self.costs else NO_PARTS
        if limits.blocks is not None and unit_bytes(tree.blocks.items, parts) > limits.blocks:
            return False
        shape = Shape.of(tree, models)
        order = arrange(self.order, shape).order
        try:
            chunks, peaks = cut(batches, shape, lambda: inference_steps(shape, order), limits)
        except BudgetError:
            return False
        return len(chunks) == 1 and not any(peaks[1:])

    def with_costs(self, costs: CostModel) -> "Auto":
        return replace(self, costs=costs)

    def plan(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits) -> Plan:
        if not batches:
            return super().plan(tree, models, batches, limits)
        if len(tree) > MOST_VERTICES:
            plan = super().plan(tree, models, batches, limits)
            return _told(plan, "as usual, since choosing would take longer than it saves", limits)
        fits = self._all_fits(tree, models, batches, limits)
        if fits or self.costs is None:
            plan = super().plan(tree, models, batches, limits)
            why = "all blocks and intermediates fit" if fits else "no times are known"
            return _told(plan, f"as usual, since {why}", limits)
        last = len(models) == 1 or isinstance(self.schedule, Exhaustive)
        work = Workload.of(tree, batches, self.costs, later=0.0 if last else 0.5)
        shape = Shape.of(tree, models)
        choice, reason = Chooser(work, shape, batches, limits, self.order).choose()
        plan = make_plan(
            tree,
            models,
            batches,
            choice.arrangement,
            planned_releases=True,
            limits=choice.limits,
            fused=choice.fused,
            recomputed=choice.recomputed,
            spilled=choice.spilled,
        )
        return _told(plan, reason, choice.limits)


def _told(plan: Plan, reason: str, limits: Limits) -> Plan:
    """``plan`` with the division of the memory that it is made for, and why."""
    fastest, blocks = limits.cache[0], limits.blocks
    memory = None if fastest is None or blocks is None else (fastest, blocks)
    return replace(plan, note="; ".join(filter(None, (reason, plan.note))), memory=memory)
