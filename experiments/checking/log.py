"""What a strategy is asked for and answers while it is checked."""

import functools
from collections.abc import Sequence
from typing import Any

from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan
from alsatian.searching.schedules import Round, Rounds
from alsatian.searching.strategy import Strategy
from alsatian.searching.watcher import Watcher
from alsatian.tree import TaskTree


class Log(Watcher):
    """What a strategy was asked for and answered in one search."""

    def __init__(self) -> None:
        self.round = 0  # plans that are made before the first one are for predictions
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
        if isinstance(made, Plan) and log.round:
            log.plans.append((log.round, made, tuple(models), tuple(batches)))
        return made

    return _twin(strategy, plan=plan)


def with_rounds(strategy: Strategy, known: Sequence[Round]) -> Strategy:
    """``strategy`` with rounds that are ``known``, as of a search that it is compared with."""

    def rounds(self: Strategy, models: Sequence[str], train_items: int) -> Rounds:
        yield from (one for one in known)  # a generator, since it is sent scores

    return _twin(strategy, rounds=rounds)


def _twin(strategy: Strategy, **methods: Any) -> Strategy:
    """``strategy`` with other methods; all else, whatever it is, is its own."""
    kind = type(strategy)
    twin: Strategy = object.__new__(type(kind.__name__, (kind,), methods))
    twin.__dict__.update(strategy.__dict__)
    return twin
