"""The strategy that plans by predicted time."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from alsatian.costs.estimate import Workload
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.errors import ConfigError
from alsatian.planning.choice import Chooser
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Shape
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree

# Larger trees are planned as usual: choosing would take longer than it saves.
MOST_VERTICES = 5_000


@dataclass(frozen=True, kw_only=True)
class Auto(Strategy):
    """Alsatian with every decision taken by predicted time, round by round.

    What is predicted faster than Alsatian's own plan by more than a margin is done: another order, other chunks,
    another division of the device's memory between blocks and intermediates, intermediates that are fused,
    recomputed or not spilled. The budgets of both are one: it keeps to their sum. Without ``costs`` its plans are
    the usual ones.
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

    def with_costs(self, costs: CostModel) -> "Auto":
        return replace(self, costs=costs)

    def plan(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits) -> Plan:
        if self.costs is None:
            plan = super().plan(tree, models, batches, limits)
            return replace(plan, note="; ".join(filter(None, ("as usual, since no times are known", plan.note))))
        if not batches or len(tree) > MOST_VERTICES:
            return super().plan(tree, models, batches, limits)
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
        note = "; ".join(filter(None, (reason, plan.note)))
        fastest, blocks = choice.limits.cache[0], choice.limits.blocks
        memory = None if fastest is None or blocks is None else (fastest, blocks)
        return replace(plan, note=note, memory=memory)
