"""The order with the smallest peak of all, depth first or not."""

import time
from dataclasses import dataclass
from typing import ClassVar

from alsatian.errors import ConfigError
from alsatian.planning.orders.base import Arrangement, Shape, min_cache_size
from alsatian.planning.orders.dfs_min import DfsMin
from alsatian.planning.orders.down_sets import DownSets
from alsatian.planning.orders.profiles import Profile, flatten, profile_of


@dataclass(frozen=True)
class Optimal:
    """The least C_min among all orders in which parents come before children.

    Exact unless a limit ends the search: then the best order found, never worse than ``dfs_min``'s, and a note
    that says so. Where nothing stays in memory, as in the trees that are planned, thousands of vertices take
    less than a second (see :mod:`alsatian.planning.orders.profiles`). Where features stay, 40 vertices do, and
    60 may come to the limit (see :mod:`alsatian.planning.orders.down_sets`).

    Attributes:
        time_limit: seconds, about. Where it ends a search, another machine may find another order.
        states: states that a single search may hold, about 0.4 KB each.
    """

    time_limit: float = 60.0
    states: int = 500_000
    name: ClassVar[str] = "optimal"

    def __post_init__(self) -> None:
        if self.time_limit < 0 or self.states < 1:
            raise ConfigError(
                f"order: time_limit={self.time_limit} must be at least 0 and states={self.states} at least 1"
            )

    def __call__(self, shape: Shape) -> list[int]:
        return self.arrange(shape).order

    def arrange(self, shape: Shape) -> Arrangement:
        """The order, and a note if it may not be the best."""
        order, bound = DfsMin()(shape), shape.least_possible()
        deadline = time.monotonic() + self.time_limit
        if min_cache_size(shape, order) > bound:
            # What stays only adds to the content of every step, so the least peak without it is a bound.
            passing = Shape(shape.parent, shape.size, shape.outputs)
            other, exact = self._passing(passing, deadline)
            if exact:
                bound = max(bound, min_cache_size(passing, other))
            order = min(order, other, key=lambda o: min_cache_size(shape, o))
        peak = min_cache_size(shape, order)
        if peak > bound and any(shape.kept):
            better, ended = DownSets(shape).search(bound, peak, self.states, deadline)
            order = better or order
            peak = min_cache_size(shape, order)
            bound = peak if ended else bound
        if peak == bound:
            return Arrangement(order)
        limit = f"{self.time_limit:g} s" if time.monotonic() > deadline else f"{self.states} states"
        return Arrangement(order, f"optimal gave up at {limit}: its C_min is {peak}, the least is {bound} or more")

    def _passing(self, shape: Shape, deadline: float) -> tuple[list[int], bool]:
        """The best order of a shape in which nothing stays, and whether that is certain."""
        profiles: dict[int, Profile] = {}
        exact = True
        for vertex in reversed(range(len(shape.parent))):
            children = [profiles.pop(child) for child in shape.children[vertex]]
            if time.monotonic() > deadline:  # quick from here on; whatever would be searched is not certain
                children = [child.coarse() for child in children]
            profiles[vertex], proved = profile_of(shape.size[vertex], vertex, children, self.states, deadline)
            exact = exact and proved
        return flatten([record for profile in profiles.values() for record in profile.records]), exact
