"""The task tree: chains of blocks merged by common prefix.

A vertex is an intermediate result, the edge into it the blocks that compute it from its parent. A vertex
without a parent starts from prepared data. Everything is near-linear in the number of blocks and
iterative, so depth costs no stack.
"""

from collections.abc import Collection, Iterable, Iterator

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError

NO_VERTEX = -1


class TaskTree:
    """A forest over the vertices ``0 … len(tree) - 1``; a parent's number is smaller than its children's.

    Attributes:
        parent: parent of each vertex, or ``NO_VERTEX``.
        children: children of each vertex, in the order in which they were added.
        blocks: the blocks between parent and vertex; empty only for prepared data itself.
        output_bytes: bytes of the intermediate result, per item.
        models: ids of the models whose features the vertex is.
        preprocessing: how the data above the first blocks is prepared, for each vertex.
    """

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.children: list[list[int]] = []
        self.blocks: list[tuple[Block, ...]] = []
        self.output_bytes: list[int] = []
        self.models: list[list[str]] = []
        self.preprocessing: list[Preprocessing] = []
        self._vertex_of: dict[str, int] = {}
        self._root_of: dict[str, int] = {}
        self._child_by_block: dict[tuple[int, str], int] = {}

    @classmethod
    def of(cls, candidates: Iterable[Candidate], share: bool = True) -> "TaskTree":
        """The uncompressed tree of ``candidates``; without ``share`` every model has a path of its own."""
        tree = cls()
        for candidate in candidates:
            tree.add(candidate, share)
        return tree

    def __len__(self) -> int:
        return len(self.parent)

    def add(self, candidate: Candidate, share: bool = True) -> int:
        """Add a model's chain along what is there already and return the vertex of its features.

        Only for trees that were neither compressed nor pruned.

        Raises:
            ConfigError: its id is in the tree already.
        """
        if candidate.id in self._vertex_of:
            raise ConfigError(f"two models have the id '{candidate.id}'; every model needs an id of its own")
        preprocessing = candidate.preprocessing
        root_key = preprocessing.fingerprint if share else f"{preprocessing.fingerprint}/{candidate.id}"
        vertex = self._root_of.get(root_key, NO_VERTEX)
        if vertex == NO_VERTEX:
            vertex = self._new(NO_VERTEX, (), preprocessing.output_bytes, preprocessing)
            self._root_of[root_key] = vertex
        for block in candidate.blocks:
            key = (vertex, block.identity)
            child = self._child_by_block.get(key, NO_VERTEX)
            if child == NO_VERTEX:
                child = self._new(vertex, (block,), block.output_bytes, preprocessing)
                self._child_by_block[key] = child
            vertex = child
        self._own(vertex, candidate.id)
        return vertex

    def prune(self, keep: Collection[str]) -> "TaskTree":
        """The tree of the models in ``keep`` only."""
        needed = [False] * len(self)
        for model in keep:
            vertex = self.vertex_of(model)
            while vertex != NO_VERTEX and not needed[vertex]:
                needed[vertex] = True
                vertex = self.parent[vertex]
        kept = set(keep)
        tree, new = TaskTree(), {NO_VERTEX: NO_VERTEX}
        for vertex in (v for v in range(len(self)) if needed[v]):
            new[vertex] = tree._copy(self, vertex, new[self.parent[vertex]], self.blocks[vertex], kept)
        return tree._listed_like(self)

    def compress(self) -> "TaskTree":
        """The same tree without vertices that have one child and are no model's features.

        What remains is where something is decided: branches, features, and data with several readers.
        """
        tree, new = TaskTree(), {NO_VERTEX: NO_VERTEX}
        pending: dict[int, list[Block]] = {}
        for vertex in range(len(self)):
            parent = self.parent[vertex]
            edge = pending.pop(parent, [])
            edge.extend(self.blocks[vertex])
            if len(self.children[vertex]) == 1 and not self.models[vertex]:
                pending[vertex] = edge
                new[vertex] = new[parent]
            else:
                new[vertex] = tree._copy(self, vertex, new[parent], tuple(edge), None)
        return tree._listed_like(self)

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
        found, stack = [], [vertex]
        while stack:
            below = stack.pop()
            found.extend(self.models[below])
            stack.extend(self.children[below])
        return found

    def cache_bytes(self, vertex: int) -> int:
        """Bytes per item while the vertex waits in the cache: none if only scoring follows.

        Features leave the cache as they are computed and are accounted for on their own.
        """
        return self.output_bytes[vertex] if self.children[vertex] else 0

    def block_count(self) -> int:
        """Number of distinct (prefix, block) pairs: block executions a full sharing needs, per batch."""
        return sum(len(blocks) for blocks in self.blocks)

    def _new(self, parent: int, blocks: tuple[Block, ...], output_bytes: int, preprocessing: Preprocessing) -> int:
        vertex = len(self.parent)
        self.parent.append(parent)
        self.children.append([])
        self.blocks.append(blocks)
        self.output_bytes.append(output_bytes)
        self.models.append([])
        self.preprocessing.append(preprocessing)
        if parent != NO_VERTEX:
            self.children[parent].append(vertex)
        return vertex

    def _own(self, vertex: int, model: str) -> None:
        self.models[vertex].append(model)
        self._vertex_of[model] = vertex

    def _listed_like(self, source: "TaskTree") -> "TaskTree":
        """Put the models in the order of ``source``."""
        self._vertex_of = {model: self._vertex_of[model] for model in source._vertex_of if model in self._vertex_of}
        return self

    def _copy(
        self, source: "TaskTree", vertex: int, parent: int, blocks: tuple[Block, ...], keep: set[str] | None
    ) -> int:
        copy = self._new(parent, blocks, source.output_bytes[vertex], source.preprocessing[vertex])
        for model in source.models[vertex]:
            if keep is None or model in keep:
                self._own(copy, model)
        return copy
