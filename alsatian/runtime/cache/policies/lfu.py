"""Least frequently used."""

from collections import OrderedDict

from alsatian.runtime.cache.policies.base import CachePolicy


class Lfu(CachePolicy):
    """Evicts the intermediate that was used least often since it entered; of several, the least recent.

    Entering counts as the first use. What was evicted is forgotten: it starts over when it comes back.
    """

    name = "lfu"

    def __init__(self) -> None:
        self._uses: OrderedDict[int, int] = OrderedDict()  # least recently used first

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        self._uses[vertex] = 1

    def used(self, vertex: int) -> None:
        self._uses[vertex] += 1
        self._uses.move_to_end(vertex)

    def removed(self, vertex: int) -> None:
        del self._uses[vertex]

    def victim(self, pinned: frozenset[int]) -> int | None:
        # min takes the first of several smallest, which is the least recent.
        return min((v for v in self._uses if v not in pinned), key=self._uses.__getitem__, default=None)
