"""What an order sees and returns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from alsatian.tree import NO_VERTEX, TaskTree


@dataclass(frozen=True)
class Shape:
    """A task tree reduced to what matters for ordering.

    Attributes:
        parent: parent of each vertex or ``NO_VERTEX``; a parent's number is smaller than its children's.
        size: cache content of each vertex while it is held, in any unit.
        outputs: vertices to reach (those with features), in the order in which their models were given.
        children: derived from ``parent``.
    """

    parent: Sequence[int]
    size: Sequence[int]
    outputs: Sequence[int]
    children: list[list[int]] = field(init=False)

    def __post_init__(self) -> None:
        children: list[list[int]] = [[] for _ in self.parent]
        for vertex, parent in enumerate(self.parent):
            if parent != NO_VERTEX:
                children[parent].append(vertex)
        object.__setattr__(self, "children", children)

    @classmethod
    def of(cls, tree: TaskTree, models: Sequence[str]) -> "Shape":
        """The shape of ``tree`` in bytes per item, with ``models`` in their given order."""
        outputs = dict.fromkeys(tree.vertex_of(model) for model in models)
        return cls(tree.parent, tree.all_cache_bytes(), list(outputs))

    def roots(self) -> list[int]:
        """Vertices without a parent."""
        return [v for v, parent in enumerate(self.parent) if parent == NO_VERTEX]


class Order(Protocol):
    """An execution order of the vertices."""

    name: ClassVar[str]

    def __call__(self, shape: Shape) -> list[int]:
        """Every vertex once, parents before children."""
        ...


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
