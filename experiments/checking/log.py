"""What a strategy is asked for and answers while it is checked."""

import functools
from collections.abc import Sequence
from typing import Any

from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan
from alsatian.searching.strategy import Strategy
from alsatian.searching.watcher import Watcher
from alsatian.tree import TaskTree


class Log(Watcher):
    """What a strategy was asked for and answered in one search."""

    def __init__(self) -> None:
        self.round = 0
        self.plans: list[tuple[int, Plan, tuple[str, ...], tuple[Batch, ...]]] = []
        self.refused = False  # whether the last plan was, for lack of memory

    def round_begins(self, number: int, models: Sequence[str], items: int) -> None:
        self.round = number

    def facts(self) -> list[Any]:
        """All that the plans say, so that two searches can be compared."""
        return [
            (number, plan.chunks, tuple(plan.steps), plan.fused, plan.recomputed, plan.spilled, plan.memory)
            for number, plan, _, _ in self.plans
        ]


def watched(strategy: Strategy, log: Log) -> Strategy:
    """``strategy``, whose plans go to ``log``."""
    kind = type(strategy)

    @functools.wraps(kind.plan)
    def plan(
        self: Strategy, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits
    ) -> Plan:
        try:
            made = kind.plan(self, tree, models, batches, limits)
        except BudgetError:
            log.refused = True
            raise
        log.refused = False
        if isinstance(made, Plan):
            log.plans.append((log.round, made, tuple(models), tuple(batches)))
        return made

    twin: Strategy = object.__new__(type(kind.__name__, (kind,), {"plan": plan}))
    twin.__dict__.update(strategy.__dict__)
    return twin
