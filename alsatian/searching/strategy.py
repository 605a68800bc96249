"""A strategy: schedule × sharing × order × cache policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from alsatian.blocks.candidate import Candidate
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.errors import ConfigError, nearest
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Order
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.planned import Planned
from alsatian.searching.schedules import Halving, Rounds, Schedule
from alsatian.tree import TaskTree

SHARING = ("none", "prefix")


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """How to search. The defaults are Alsatian's.

    A baseline is another combination of these; one that needs more is a subclass that overrides ``rounds`` (which
    models see which data) or ``plan`` (what is computed, kept and released).

    Attributes:
        name: for tables and figures.
        schedule: which models see how much of the data.
        sharing: ``"prefix"`` computes and reads what models share once, ``"none"`` never shares.
        order: in which order intermediates are computed.
        cache: which of them are kept.
    """

    name: str = "alsatian"
    schedule: Schedule = field(default_factory=Halving)
    sharing: str = "prefix"
    order: Order = field(default_factory=DfsPlus)
    cache: CachePolicy = field(default_factory=Planned)
    # Whether scores are a proxy's; if not, rounds take no data and scores are known.
    computes: ClassVar[bool] = True
    # Whether plans need a cost model, and divide the memory between blocks and intermediates.
    needs_costs: ClassVar[bool] = False
    divides_memory: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.sharing not in SHARING:
            raise ConfigError(f"sharing={self.sharing}: {nearest(self.sharing, SHARING)}")

    @property
    def shares(self) -> bool:
        """Whether blocks and intermediates are shared between models."""
        return self.sharing == "prefix"

    def settled(self, candidates: Sequence[Candidate], batches: Sequence[Batch], limits: Limits) -> bool:
        """Whether plans for ``candidates``, or some of them, and ``batches`` are the same whatever things take."""
        return not self.needs_costs

    def with_costs(self, costs: CostModel) -> "Strategy":
        """This strategy, knowing what everything takes, if it wants to know."""
        return self

    def known_scores(self, candidates: Sequence[Candidate]) -> Mapping[str, float]:
        """Scores by candidate of a strategy that computes nothing."""
        raise NotImplementedError

    @property
    def sees_all(self) -> bool:
        """Whether some model is scored on all training items in the end, whatever scores are."""
        return type(self).rounds is Strategy.rounds and getattr(self.schedule, "sees_all", False)

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        """See :class:`~alsatian.searching.schedules.Schedule`."""
        return self.schedule.rounds(models, train_items)

    def plan(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits) -> Plan:
        """Plan the features of ``models`` for ``batches`` on the compressed ``tree`` of just these models."""
        return make_plan(tree, models, batches, self.order, planned_releases=self.cache.planned, limits=limits)
