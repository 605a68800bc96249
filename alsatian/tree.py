"""The task tree: chains of blocks merged by common prefix.

A vertex is an intermediate result, the edge into it the blocks that compute it from its parent. A vertex
without a parent starts from prepared data. Everything is near-linear in the number of blocks and
iterative, so depth costs no stack; what belongs to a vertex lies in flat lists, so that trees of millions
of models fit the memory.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import compress

import numpy as np

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError
from alsatian.groups import Groups

NO_VERTEX = -1


class TaskTree:
    """A forest over the vertices ``0 … len(tree) - 1``; a parent's number is smaller than its children's.

    Attributes:
        parent: parent of each vertex, or ``NO_VERTEX``.
        blocks: the blocks between parent and vertex; empty only for prepared data itself.
        output_bytes: bytes of the intermediate result, per item.
        preprocessing: how the data above the first blocks is prepared, for each vertex.
    """

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.blocks: Groups[Block] = Groups()
        self.output_bytes: list[int] = []
        self.preprocessing: list[Preprocessing] = []
        self._vertex_of: dict[str, int] = {}
        self._root_of: dict[object, int] = {}
        self._later_children: dict[tuple[int, str], int] = {}

    @classmethod
    def of(cls, candidates: Iterable[Candidate], share: bool = True) -> "TaskTree":
        """The uncompressed tree of ``candidates``; without ``share`` every model has a path of its own."""
        tree = cls()
        for candidate in candidates:
            tree.add(candidate, share)
        return tree

    def __len__(self) -> int:
        return len(self.parent)

    @cached_property
    def children(self) -> Groups[int]:
        """Children of each vertex, in the order in which they were added."""
        parent = np.array(self.parent, np.int64)
        below = np.flatnonzero(parent != NO_VERTEX)
        return Groups.by(parent[below], below.tolist(), len(self))

    @cached_property
    def models(self) -> Groups[str]:
        """Ids of the models whose features each vertex is, in the order in which they were added."""
        return Groups.by(self._features(), list(self._vertex_of), len(self))

    def add(self, candidate: Candidate, share: bool = True) -> int:
        """Add a model's chain along what is there already and return the vertex of its features.

        Only for trees that were neither compressed nor pruned.

        Raises:
            ConfigError: its id is in the tree already.
        """
        if candidate.id in self._vertex_of:
            raise ConfigError(f"two models have the id '{candidate.id}'; every model needs an id of its own")
        for derived in ("children", "models"):
            self.__dict__.pop(derived, None)
        vertex = self._root(candidate, share)
        known, starts = self.blocks.items, self.blocks.starts
        for depth, block in enumerate(candidate.blocks):
            # The first chain through a vertex goes on with the next number; only later children are looked up.
            child = vertex + 1
            if (
                child == len(self.parent)
                or self.parent[child] != vertex
                or known[starts[child]].identity != block.identity
            ):
                child = self._later_children.get((vertex, block.identity), NO_VERTEX)
                if child == NO_VERTEX:
                    vertex = self._grow(vertex, candidate.blocks[depth:], candidate.preprocessing)
                    break
            vertex = child
        self._vertex_of[candidate.id] = vertex
        return vertex

    def prune(self, keep: Collection[str]) -> "TaskTree":
        """The tree of the models in ``keep`` only."""
        needed = bytearray(len(self))
        for model in keep:
            vertex = self.vertex_of(model)
            while vertex != NO_VERTEX and not needed[vertex]:
                needed[vertex] = True
                vertex = self.parent[vertex]
        kept, sizes = np.frombuffer(needed, bool), self.blocks.sizes
        blocks = Groups(compress(self.blocks.items, np.repeat(kept, sizes).tobytes()), sizes[kept])
        chosen = set(keep)
        models = {model: vertex for model, vertex in self._vertex_of.items() if model in chosen}
        return self._part(kept, np.array(self.parent, np.int64)[kept], blocks, models)

    def compress(self) -> "TaskTree":
        """The same tree without vertices that have one child and are no model's features.

        What remains is where something is decided: branches, features, and data with several readers.
        """
        parent = np.array(self.parent, np.int64)
        vertices = np.arange(len(self))
        below = np.flatnonzero(parent != NO_VERTEX)
        kept = np.bincount(parent[below], minlength=len(self)) != 1
        kept[self._features()] = True
        # Where the edge through each vertex ends: its only child, or that one's, and so on. Each turn doubles
        # the distance, so that long chains take few.
        end = vertices.copy()
        inner = below[~kept[parent[below]]]
        end[parent[inner]] = inner
        while not np.array_equal(further := end[end], end):
            end = further
        first = np.ones(len(self), bool)
        first[inner] = False  # the others are where an edge begins
        above = np.empty_like(parent)
        above[end[first]] = parent[first]
        number = np.cumsum(kept) - 1
        owner = np.repeat(number[end], self.blocks.sizes)
        blocks = Groups.by(owner, self.blocks.items, int(kept.sum()))
        return self._part(kept, above[kept], blocks, self._vertex_of)

    def vertex_of(self, model: str) -> int:
        """The vertex of a model's features."""
        return self._vertex_of[model]

    def all_models(self) -> list[str]:
        """Ids of all models, in the order in which they were added."""
        return list(self._vertex_of)

    def roots(self) -> list[int]:
        """Vertices without a parent."""
        return [v for v, parent in enumerate(self.parent) if parent == NO_VERTEX]

    def path(self, vertex: int) -> Iterator[int]:
        """``vertex``, its parent, and so on up to a root."""
        while vertex != NO_VERTEX:
            yield vertex
            vertex = self.parent[vertex]

    def models_below(self, vertex: int) -> list[str]:
        """Ids of the models whose chains lead through ``vertex``."""
        models: list[str] = []
        stack = [vertex]
        while stack:
            below = stack.pop()
            models.extend(self.models[below])
            stack.extend(self.children[below])
        return models

    def cache_bytes(self, vertex: int) -> int:
        """Bytes per item while the vertex waits in the cache: none if only scoring follows.

        Features leave the cache as they are computed and are accounted for on their own.
        """
        return self.output_bytes[vertex] if self.children[vertex] else 0

    def all_cache_bytes(self) -> list[int]:
        """The same of every vertex."""
        counts = self.children.sizes.tolist()
        return [size if count else 0 for size, count in zip(self.output_bytes, counts, strict=True)]

    def _root(self, candidate: Candidate, share: bool) -> int:
        """The vertex of the data prepared for ``candidate``."""
        preprocessing = candidate.preprocessing
        # Equal preprocessing means an equal fingerprint, and is cheaper to compare.
        key = preprocessing if share else (preprocessing, candidate.id)
        vertex = self._root_of.get(key, NO_VERTEX)
        if vertex == NO_VERTEX:
            vertex = self._root_of[key] = len(self.parent)
            self.parent.append(NO_VERTEX)
            self.blocks.starts.append(len(self.blocks.items))
            self.output_bytes.append(preprocessing.output_bytes)
            self.preprocessing.append(preprocessing)
        return vertex

    def _grow(self, vertex: int, blocks: Sequence[Block], preprocessing: Preprocessing) -> int:
        """Add a new chain of ``blocks`` below ``vertex``; returns the last vertex of it."""
        first = len(self.parent)
        if vertex != first - 1:
            self._later_children[vertex, blocks[0].identity] = first
        self.parent.append(vertex)
        self.parent.extend(range(first, first + len(blocks) - 1))
        start = len(self.blocks.items) + 1
        self.blocks.items.extend(blocks)
        self.blocks.starts.extend(range(start, start + len(blocks)))
        self.output_bytes.extend([block.output_bytes for block in blocks])
        self.preprocessing.extend([preprocessing] * len(blocks))
        return len(self.parent) - 1

    def _features(self) -> np.ndarray:
        """The vertex of each model's features, in the order in which the models were added."""
        return np.fromiter(self._vertex_of.values(), np.int64, len(self._vertex_of))

    def _part(
        self, kept: np.ndarray, parent: np.ndarray, blocks: Groups[Block], models: dict[str, int]
    ) -> "TaskTree":
        """A tree of the vertices ``kept`` (N,), numbered anew, below the ``parent`` of each, by its old number."""
        number = np.append(np.cumsum(kept) - 1, NO_VERTEX)  # so that NO_VERTEX, the last, stays what it is
        mask = kept.tobytes()
        tree = TaskTree()
        tree.parent = number[parent].tolist()
        tree.blocks = blocks
        tree.output_bytes = list(compress(self.output_bytes, mask))
        tree.preprocessing = list(compress(self.preprocessing, mask))
        tree._vertex_of = {model: int(number[vertex]) for model, vertex in models.items()}
        return tree
