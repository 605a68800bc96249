"""Least recently used."""

from alsatian.runtime.cache.policies.fifo import Fifo


class Lru(Fifo):
    """Evicts the intermediate that was not read or written for the longest time: one that is used enters anew."""

    name = "lru"

    def used(self, vertex: int) -> None:
        self._entered.move_to_end(vertex)
