"""The least peak among all orders of a tree in which results stay, by search over sets of computed vertices.

Best first, by the peak so far. The search is cut in ways that do not lose the optimum. Steps that fit under the
peak so far and in the end leave no more content than before are taken at once: such steps are safe, see
``profiles``. They are looked for among single vertices and among all remaining children of a vertex, if these
are leaves. Of leaves under the same parent the largest goes first: what stays of a leaf is the same whenever it
comes, see ``dfs_min``. What reaches the peak of an order known already is dropped.
"""

import heapq
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

from alsatian.planning.orders.base import Shape
from alsatian.tree import NO_VERTEX


class DownSets:
    """Sets of vertices closed under parents, as bits of an integer."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._roots = sum(1 << v for v in shape.roots())
        self._below = [sum(1 << c for c in children) for children in shape.children]
        self._inner = [sum(1 << c for c in children if self._below[c]) for children in shape.children]
        self._leaves = [self._falling(children) for children in shape.children]
        self._leaf_before = {
            second: first
            for leaves in (self._falling(shape.roots()), *self._leaves)
            for first, second in pairwise(leaves)
        }

    def search(self, low: int, high: int, states: int, deadline: float) -> tuple[list[int] | None, bool]:
        """An order with the least peak below ``high``, or None; and whether the search came to its end.

        ``low`` bounds all peaks from below. The search ends early with ``states`` sets or at ``deadline``
        (``time.monotonic``).
        """
        everything = (1 << len(self._shape.parent)) - 1
        came: dict[int, tuple[int, int, int]] = {0: (low, -1, -1)}  # peak, set before, vertex
        queue = [(low, 0, 0, 0)]
        popped = 0
        while queue:
            popped += 1
            if popped % 256 == 1 and time.monotonic() > deadline:
                return None, False
            peak, left, done, content = heapq.heappop(queue)
            if peak > came[done][0]:
                continue  # reached at a lower peak meanwhile
            if done == everything:
                return self._path(came, done), True
            for following, vertex, step_peak, after in self._steps(done, content, peak, high):
                if following not in came or step_peak < came[following][0]:
                    if len(came) >= states:
                        return None, False
                    came[following] = (step_peak, done, vertex)
                    heapq.heappush(queue, (step_peak, left - 1, following, after))
        return None, True

    def _steps(self, done: int, content: int, peak: int, high: int) -> list[tuple[int, int, int, int]]:
        """What may follow: ``(set, vertex, peak, content)``; a single one if that is safe."""
        steps = []
        for vertex in self._available(done):
            if self._finishes(vertex, done, content, peak):
                after = content + self._shape.entering(vertex) - self._released(vertex, done | 1 << vertex)
                return [(done | 1 << vertex, vertex, peak, after)]
            within = content + self._shape.entering(vertex)
            following = done | 1 << vertex
            after = within - self._released(vertex, following)
            if after <= content and within <= peak:
                return [(following, vertex, peak, after)]
            if within < high:
                steps.append((following, vertex, max(peak, within), after))
        return steps

    def _finishes(self, leaf: int, done: int, content: int, peak: int) -> bool:
        """Whether the rest of the siblings, from ``leaf`` on, are leaves that safely release their parent."""
        parent = self._shape.parent[leaf]
        if parent == NO_VERTEX or self._inner[parent] & ~done or self._below[leaf]:
            return False
        after = content
        for vertex in self._leaves[parent]:
            if not done >> vertex & 1:
                if after + self._shape.entering(vertex) > peak:
                    return False
                after += self._shape.kept[vertex]
        return after - self._shape.size[parent] <= content

    def _released(self, vertex: int, done: int) -> int:
        released = 0 if self._below[vertex] else self._shape.size[vertex]
        parent = self._shape.parent[vertex]
        if parent != NO_VERTEX and not self._below[parent] & ~done:
            released += self._shape.size[parent]
        return released

    def _available(self, done: int) -> Iterator[int]:
        """Vertices that may come next."""
        bits = self._roots
        for vertex in _members(done):
            bits |= self._below[vertex]
        for vertex in _members(bits & ~done):
            before = self._leaf_before.get(vertex)
            if before is None or done >> before & 1:
                yield vertex

    def _falling(self, siblings: Sequence[int]) -> list[int]:
        """The leaves among ``siblings``, the largest first."""
        return sorted((v for v in siblings if not self._below[v]), key=lambda v: -self._shape.size[v])

    @staticmethod
    def _path(came: dict[int, tuple[int, int, int]], done: int) -> list[int]:
        order = []
        while done:
            _, done, vertex = came[done]
            order.append(vertex)
        return order[::-1]


def _members(bits: int) -> Iterator[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
