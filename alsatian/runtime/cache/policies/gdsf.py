"""Greedy-Dual-Size-Frequency (Cherkasova, HP Labs report HPL-98-69R1, 1998)."""

from collections import OrderedDict
from dataclasses import dataclass

from alsatian.runtime.cache.policies.base import CachePolicy


@dataclass(slots=True)
class _Entry:
    """What an intermediate is worth: work saved by a byte of it on every use, and how often it was used."""

    worth: float
    uses: int
    priority: float


class Gdsf(CachePolicy):
    """Evicts the lowest priority: clock + frequency × cost / size; of several, the least recently used.

    Priorities are set on entry and on use. The clock rises to the priority of every victim, so that what
    was valuable long ago loses against what is used now. Frequency counts from 1 on entry and is forgotten
    on eviction.
    """

    name = "gdsf"

    def __init__(self) -> None:
        self._clock = 0.0
        self._entries: OrderedDict[int, _Entry] = OrderedDict()  # least recently used first

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        worth = cost / nbytes
        self._entries[vertex] = _Entry(worth, 1, self._clock + worth)

    def used(self, vertex: int) -> None:
        entry = self._entries[vertex]
        entry.uses += 1
        entry.priority = self._clock + entry.uses * entry.worth
        self._entries.move_to_end(vertex)

    def removed(self, vertex: int) -> None:
        del self._entries[vertex]

    def victim(self, pinned: frozenset[int]) -> int | None:
        free = (v for v in self._entries if v not in pinned)
        lowest = min(free, key=lambda v: self._entries[v].priority, default=None)
        if lowest is not None:
            # A pinned intermediate of lower priority may be evicted later; the clock never goes back.
            self._clock = max(self._clock, self._entries[lowest].priority)
        return lowest
