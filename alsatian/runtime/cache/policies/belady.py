"""The offline oracle (Belady, A study of replacement algorithms, IBM Systems Journal 5(2), 1966)."""

from collections.abc import Sequence

from alsatian.runtime.cache.policies.base import CachePolicy


class Belady(CachePolicy):
    """Evicts what the plan comes back to last; what it never comes back to goes first.

    A step may be served by several vertices, and takes the nearest at hand. So the next use of a vertex is
    the next step that finds nothing nearer among what is kept: behind a kept child, its parent waits.

    A newcomer is turned away if it is itself what the plan comes back to last. Without that, a single
    request would drive out what is needed sooner, and the policy would not be optimal where the cache may
    also pass something by. For vertices of equal size and steps with one vertex each it has the most hits
    that any cache can have. It looks at neither size nor cost, so where these differ it is no bound.
    """

    name = "belady"
    foresees = True

    def __init__(self) -> None:
        self._needs: Sequence[Sequence[int]] = ()
        self._step = -1
        self._bytes: dict[int, int] = {}  # by vertex, first entered first

    def expect(self, needs: Sequence[Sequence[int]]) -> None:
        self._needs, self._step = needs, -1

    def advance(self) -> None:
        self._step += 1

    def admits(self, vertex: int, short: int, pinned: frozenset[int]) -> bool:
        for kept in self._last_first({*self._bytes, vertex}):
            if kept == vertex:
                return False
            if kept not in pinned:
                short -= self._bytes[kept]
                if short <= 0:
                    return True
        return False  # too much is pinned

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        self._bytes[vertex] = nbytes

    def removed(self, vertex: int) -> None:
        del self._bytes[vertex]

    def victim(self, pinned: frozenset[int]) -> int | None:
        return next((v for v in self._last_first(set(self._bytes)) if v not in pinned), None)

    def _last_first(self, kept: set[int]) -> list[int]:
        """``kept`` by falling next use, what is never used again first; ties by vertex."""
        waiting, soonest = set(kept), list[int]()
        for step in range(self._step + 1, len(self._needs)):
            if not waiting:
                break
            server = next((v for v in self._needs[step] if v in kept), None)
            if server in waiting:
                waiting.remove(server)
                soonest.append(server)
        return [*sorted(waiting), *reversed(soonest)]
