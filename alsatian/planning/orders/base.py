"""What an order sees and returns."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from alsatian.errors import StrategyError, said
from alsatian.tree import NO_VERTEX, TaskTree


@dataclass(frozen=True)
class Shape:
    """A task tree reduced to what matters for ordering.

    Attributes:
        parent: parent of each vertex or ``NO_VERTEX``; a parent's number is smaller than its children's.
        size: cache content of each vertex while it is held, in any unit.
        outputs: vertices to reach (those with features), in the order in which their models were given.
        kept: content that each vertex adds for good once it is computed, such as features that stay in memory,
            besides ``size``; by default none.
        children: derived from ``parent``.
    """

    parent: Sequence[int]
    size: Sequence[int]
    outputs: Sequence[int]
    kept: Sequence[int] = ()
    children: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kept", self.kept or [0] * len(self.parent))
        children: list[list[int]] = [[] for _ in self.parent]
        for vertex, parent in enumerate(self.parent):
            if parent != NO_VERTEX:
                children[parent].append(vertex)
        object.__setattr__(self, "children", children)

    @classmethod
    def of(cls, tree: TaskTree, models: Sequence[str], keep_features: bool = False) -> "Shape":
        """The shape of ``tree`` in bytes per item, with ``models`` in their given order.

        With ``keep_features`` the features of all models count from when they are computed to the end.
        """
        outputs = dict.fromkeys(tree.vertex_of(model) for model in models)
        if not keep_features:
            return cls(tree.parent, tree.all_cache_bytes(), list(outputs))
        kept = [tree.output_bytes[v] if v in outputs else 0 for v in range(len(tree))]
        return cls(tree.parent, tree.all_cache_bytes(), list(outputs), kept)

    def roots(self) -> list[int]:
        """Vertices without a parent."""
        return [v for v, parent in enumerate(self.parent) if parent == NO_VERTEX]

    def entering(self, vertex: int) -> int:
        """Content that computing ``vertex`` adds, before anything is released."""
        return self.size[vertex] + self.kept[vertex]

    def least_possible(self) -> int:
        """A bound that no order stays below: every vertex meets its parent, and in the end all is kept."""
        meetings = (
            self.entering(v) + (0 if p == NO_VERTEX else self.entering(p)) for v, p in enumerate(self.parent)
        )
        return max(sum(self.kept), *meetings) if self.parent else 0


class Order(Protocol):
    """An execution order of the vertices."""

    name: ClassVar[str]

    def __call__(self, shape: Shape) -> list[int]:
        """Every vertex once, parents before children."""
        ...


@dataclass(frozen=True)
class Arrangement:
    """An execution order with what a reader of the plan should know about it.

    Attributes:
        order: every vertex once, parents before children.
        note: that the order is not what its name promises, and why; None if it is.
    """

    order: list[int]
    note: str | None = None


def arrange(order: Order | Arrangement, shape: Shape) -> Arrangement:
    """The arrangement of ``shape`` by ``order``, whose method ``arrange`` says so if it gave up on its promise.

    Raises:
        StrategyError: the order gives something else.
    """
    if isinstance(order, Arrangement):
        return order
    noted: Callable[[Shape], Arrangement] | None = getattr(order, "arrange", None)
    found = noted(shape) if noted else Arrangement(order(shape))
    vertices = found.order if isinstance(found, Arrangement) else found
    if not isinstance(found, Arrangement) or isinstance(vertices, str) or not isinstance(vertices, Collection):
        raise StrategyError(f"order={order.name}: returns {said(vertices)}; a list of vertices is expected")
    return found


def min_cache_size(shape: Shape, order: Sequence[int]) -> int:
    """C_min of ``order``: the largest cache content over all its vertices, in the unit of ``shape.size``.

    A vertex enters when it is computed, and leaves when its last child has been; one without children leaves at
    once. What ``shape.kept`` says stays.
    """
    waiting = [len(children) for children in shape.children]
    content = peak = 0
    for vertex in order:
        content += shape.entering(vertex)
        peak = max(peak, content)
        if not waiting[vertex]:
            content -= shape.size[vertex]
        parent = shape.parent[vertex]
        if parent != NO_VERTEX:
            waiting[parent] -= 1
            if not waiting[parent]:
                content -= shape.size[parent]
    return peak


def paths_in_turn(shape: Shape, outputs: Sequence[int]) -> list[int]:
    """Vertices in the order in which walking down to one output after another meets them first."""
    seen = [False] * len(shape.parent)
    order: list[int] = []
    for output in outputs:
        path = []
        vertex = output
        while vertex != NO_VERTEX and not seen[vertex]:
            seen[vertex] = True
            path.append(vertex)
            vertex = shape.parent[vertex]
        order.extend(reversed(path))
    return order


def depth_first(shape: Shape, roots: Sequence[int], children: Sequence[Sequence[int]]) -> list[int]:
    """Depth-first order that takes ``children`` and ``roots`` in the order given."""
    order: list[int] = []
    stack = list(reversed(roots))
    while stack:
        vertex = stack.pop()
        order.append(vertex)
        stack.extend(reversed(children[vertex]))
    return order
