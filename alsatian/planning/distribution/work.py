"""A round's work as units that go to one worker whole, and what ranges of them cost.

A unit are the models that have their features in common. In depth-first order of the task tree, a range of units
needs the whole path to its first one; each further one adds what lies below the vertex where it leaves the path to
the one before. So a range costs what its first unit costs and the sum of what the others add, and cutting the order
anywhere computes and reads again just the path that both sides share.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from alsatian.planning.distribution.costs import Costs
from alsatian.tree import NO_VERTEX, TaskTree


class Cost(NamedTuple):
    """Of some work, on a worker of speed 1.

    Attributes:
        compute_s: seconds to prepare data and infer.
        score_s: seconds to score.
        load_s: seconds to load blocks beside reading their bytes.
        read_bytes: of these blocks.
        feature_bytes: of the features, per item.
    """

    compute_s: float
    score_s: float
    load_s: float
    read_bytes: float
    feature_bytes: float


ROWS = len(Cost._fields)
Time = Callable[[Cost], float]
"""Seconds that work of some cost takes."""


def numbered(tree: TaskTree) -> np.ndarray:
    """A number (B,) for each of the tree's blocks, the same for those of one identity."""
    known: dict[str, int] = {}
    identities = (block.identity for block in tree.blocks.items)
    found = (known.setdefault(identity, len(known)) for identity in identities)
    return np.fromiter(found, np.int64, len(tree.blocks.items))


@dataclass(frozen=True)
class Work:
    """All units of a round, in depth-first order.

    Attributes:
        tree: the compressed task tree.
        numbers: of all blocks; see :func:`numbered`.
        vertex: of each unit's features.
        path: costs (5, N) of each unit alone, in the rows of :class:`Cost`.
        shared: costs (5, N) of what each unit shares with the one before; nothing for the first.
        data: the root of each unit, which is its data.
        prepare_s: seconds to prepare the data of each root.
        low, high: first unit below each vertex of the tree, and the one behind the last.
    """

    tree: TaskTree
    numbers: np.ndarray
    vertex: Sequence[int]
    path: np.ndarray
    shared: np.ndarray
    data: Sequence[int]
    prepare_s: Mapping[int, float]
    low: Sequence[int]
    high: Sequence[int]

    @classmethod
    def of(cls, tree: TaskTree, costs: Costs, items: int) -> "Work":
        """The work of the compressed ``tree`` on so many items."""
        numbers = numbered(tree)
        distinct = [tree.blocks.items[place] for place in np.unique(numbers, return_index=True)[1].tolist()]
        each = [(items * costs.infer_s(block), costs.load_s(block), block.parameter_bytes) for block in distinct]
        owner = np.repeat(np.arange(len(tree)), tree.blocks.sizes)
        own = np.array([np.bincount(owner, row[numbers], len(tree)) for row in np.array(each).reshape(-1, 3).T])
        if not items:
            own[:] = 0.0  # scores of known features need no block
        start_s = costs.start_s if items else 0.0
        prepare_s = {v: start_s + items * costs.prepare_s(tree.preprocessing[v]) for v in tree.roots()}
        sizes = {size: costs.score_s(size) for size in set(tree.output_bytes)}
        score_s = np.array([sizes[size] for size in tree.output_bytes])
        return cls.from_vertices(tree, own, score_s, prepare_s, numbers)

    @classmethod
    def from_vertices(
        cls,
        tree: TaskTree,
        own: np.ndarray,
        score_s: np.ndarray,
        prepare_s: Mapping[int, float],
        numbers: np.ndarray,
    ) -> "Work":
        """From the costs of every vertex's edge (3, V) (seconds to infer and to load, bytes), the seconds of its
        score (V,), those to prepare the data of every root, and :func:`numbered` blocks."""
        sums = own.T.tolist()
        low, high = [0] * len(tree), [0] * len(tree)
        units: list[int] = []
        data: list[int] = []
        branch: list[int] = []  # where each unit leaves the path to the one before
        order: list[int] = []
        children, models = tree.children, tree.models.sizes.tolist()
        last, root = -1, NO_VERTEX  # place in the order of the last unit
        stack = tree.roots()[::-1]
        while stack:
            vertex = stack.pop()
            order.append(vertex)
            if (parent := tree.parent[vertex]) == NO_VERTEX:
                root = vertex
                sums[root][0] += prepare_s[root]
            else:
                sums[vertex] = [a + b for a, b in zip(sums[vertex], sums[parent], strict=True)]
            low[vertex] = len(units)
            if models[vertex]:
                branch.append(tree.parent[order[last + 1]])
                units.append(vertex)
                data.append(root)
                last = len(order) - 1
            high[vertex] = len(units)
            stack.extend(reversed(children[vertex]))
        for vertex in reversed(order):
            if (parent := tree.parent[vertex]) != NO_VERTEX:
                high[parent] = max(high[parent], high[vertex])
        along = np.zeros((ROWS, len(tree) + 1))  # the last one is that of NO_VERTEX
        along[[0, 2, 3], :-1] = np.array(sums).reshape(-1, 3).T
        path, shared = along[:, units], along[:, branch]
        path[1] = score_s[units]
        path[4] = np.array(tree.output_bytes)[units]
        return cls(tree, numbers, units, path, shared, data, prepare_s, low, high)

    def __len__(self) -> int:
        return len(self.vertex)

    @cached_property
    def block_bytes(self) -> np.ndarray:
        """Of the parameters of all blocks (B,)."""
        return np.array([block.parameter_bytes for block in self.tree.blocks.items], np.int64)

    def distinct_bytes(self, units: Sequence[int]) -> int:
        """Of the blocks on all paths to ``units``, each once."""
        seen: set[int] = set()
        for unit in units:
            vertex = self.vertex[unit]
            while vertex != NO_VERTEX and vertex not in seen:
                seen.add(vertex)
                vertex = self.tree.parent[vertex]
        vertices = np.fromiter(seen, np.int64, len(seen))
        bounds = np.frombuffer(self.tree.blocks.starts, np.int64)
        starts = bounds[vertices]
        sizes = bounds[vertices + 1] - starts
        places = np.arange(sizes.sum()) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
        _, first = np.unique(self.numbers[places], return_index=True)
        return int(self.block_bytes[places[first]].sum())

    def models(self, units: Sequence[int]) -> tuple[str, ...]:
        """Ids of the models of ``units``."""
        return tuple(model for unit in units for model in self.tree.models[self.vertex[unit]])


class Line:
    """Units in some order, for costs of ranges of it. Where the order goes back, nothing is taken to be shared."""

    def __init__(self, work: Work, units: np.ndarray) -> None:
        """``units``: numbers (N,) of different units of ``work``."""
        self.units = units
        shared = np.zeros((ROWS, len(units)))
        bounds = [0, *(np.flatnonzero(np.diff(units) < 0) + 1).tolist(), len(units)]
        for start, stop in pairwise(bounds):
            run = units[start:stop]
            if len(run) > 1:  # two units share the least of what neighbours between them do
                known = work.shared[:, : run[-1] + 1]
                shared[:, start + 1 : stop] = np.minimum.reduceat(known, run[:-1] + 1, axis=1)
        first = work.path[:, units]
        self.shared = shared
        self._first = first.T.tolist()
        self._sums = np.concatenate([np.zeros((ROWS, 1)), np.cumsum(first - shared, axis=1)], axis=1).T.tolist()

    def __len__(self) -> int:
        return len(self.units)

    def cost(self, start: int, stop: int) -> Cost:
        """Of a range, not empty."""
        (a, b, c, d, e), (f, g, h, i, j), (k, m, n, o, p) = (
            self._first[start], self._sums[stop], self._sums[start + 1]
        )  # fmt: skip
        return Cost(a + f - k, b + g - m, c + h - n, d + i - o, e + j - p)
