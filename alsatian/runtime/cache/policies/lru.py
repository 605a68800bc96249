"""Least recently used."""

from collections import OrderedDict

from alsatian.runtime.cache.policies.base import CachePolicy


class Lru(CachePolicy):
    """Evicts the intermediate that was not read or written for the longest time."""

    name = "lru"

    def __init__(self) -> None:
        self._age: OrderedDict[int, None] = OrderedDict()

    def fresh(self) -> "Lru":
        return Lru()

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        self._age[vertex] = None

    def used(self, vertex: int) -> None:
        self._age.move_to_end(vertex)

    def removed(self, vertex: int) -> None:
        del self._age[vertex]

    def victim(self, pinned: frozenset[int]) -> int | None:
        return next((vertex for vertex in self._age if vertex not in pinned), None)
