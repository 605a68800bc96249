"""First in, first out."""

from collections import OrderedDict

from alsatian.runtime.cache.policies.base import CachePolicy


class Fifo(CachePolicy):
    """Evicts the intermediate that entered first, however much it is used."""

    name = "fifo"

    def __init__(self) -> None:
        self._entered: OrderedDict[int, None] = OrderedDict()

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        self._entered[vertex] = None

    def removed(self, vertex: int) -> None:
        del self._entered[vertex]

    def victim(self, pinned: frozenset[int]) -> int | None:
        return next((vertex for vertex in self._entered if vertex not in pinned), None)
