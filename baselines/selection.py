"""What the baselines have in common that choose, before a round, which intermediates to keep for all of its data.

All that is kept fits the budget at once; every other intermediate is computed again for each that starts from it.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from alsatian.costs.estimate import Workload
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.errors import ConfigError
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.searching.strategy import Strategy
from alsatian.tree import NO_VERTEX, TaskTree


@dataclass(frozen=True)
class Work:
    """One round, as the choice sees it.

    Attributes:
        tree: the compressed task tree of the round's models.
        seconds: to compute each vertex from its parent, or from the raw data, for all items.
        nbytes: of each vertex, for all items; 0 for one that nothing starts from.
        costs: what reading and writing a tier takes; None if it is not known.
    """

    tree: TaskTree
    seconds: Sequence[float]
    nbytes: Sequence[int]
    costs: CostModel | None = None

    @classmethod
    def of(cls, tree: TaskTree, batches: Sequence[Batch], costs: CostModel | None) -> Self:
        """Of ``tree`` on ``batches``; without ``costs`` each block, and preparing the data, counts as a second."""
        items = sum(batch.items for batch in batches)
        seconds = [float(max(1, len(blocks))) for blocks in tree.blocks]
        if costs is not None:
            load = Workload.of(tree, batches, costs)
            seconds = [
                computing + (preparing if parent == NO_VERTEX else 0.0)
                for computing, preparing, parent in zip(load.compute_s, load.prepare_s, tree.parent, strict=True)
            ]
        return cls(tree, seconds, [size * items for size in tree.all_cache_bytes()], costs)

    def starts(self, kept: Collection[int]) -> list[int]:
        """How many computations start from each vertex, or lead through it if it is not ``kept``.

        A vertex that is kept is computed once; another one with children so many times; one without children once.
        """
        starts = [0] * len(self.tree)
        for vertex in reversed(range(len(self.tree))):  # children first
            if (parent := self.tree.parent[vertex]) != NO_VERTEX:
                once = vertex in kept or not self.tree.children[vertex]
                starts[parent] += 1 if once else starts[vertex]
        return starts

    def total_s(self, kept: Collection[int]) -> float:
        """Seconds of computing for the round if just ``kept`` vertices are kept."""
        once = [vertex in kept or not self.tree.children[vertex] for vertex in range(len(self.tree))]
        return sum(s * (1 if o else n) for s, n, o in zip(self.seconds, self.starts(kept), once, strict=True))


@dataclass(frozen=True)
class Choice:
    """The vertices to keep, those of them to keep in a lower tier, and a note for the plan."""

    kept: frozenset[int]
    spilled: frozenset[int] = frozenset()
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class Selection(Strategy, ABC):
    """A strategy whose plans keep what :meth:`choose` says, and compute everything else again when it is needed.

    An intermediate leaves the cache when nothing starts from it any more, so that budgets hold whatever was chosen.
    """

    costs: CostModel | None = field(default=None, compare=False, repr=False)
    needs_costs: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.shares and self.cache.planned):
            raise ConfigError(
                f"strategy={self.name}: chooses what is kept; it takes sharing=prefix and cache=planned"
            )

    def with_costs(self, costs: CostModel) -> Self:
        return replace(self, costs=costs)

    @abstractmethod
    def choose(self, work: Work, limits: Limits) -> Choice:
        """What to keep of ``work`` within ``limits.cache``."""

    def plan(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits) -> Plan:
        choice = self.choose(Work.of(tree, batches, self.costs), limits)
        again = frozenset(v for v in range(len(tree)) if tree.children[v]) - choice.kept
        plan = make_plan(
            tree,
            models,
            batches,
            self.order,
            planned_releases=True,
            limits=limits,
            recomputed=again,
            spilled=choice.spilled,
        )
        kept = f"kept: {len(choice.kept)} of {len(choice.kept) + len(again)} intermediates"
        return replace(plan, note="; ".join(filter(None, (kept, choice.note, plan.note))))
