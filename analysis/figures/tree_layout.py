"""Large task trees in few rows: which vertices are drawn, and which are summed up."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field

from alsatian.records import Vertex


@dataclass(eq=False)
class Node:
    """Something to draw: a vertex, siblings that are summed up, or the models that end at an inner vertex.

    Attributes:
        vertices: one; all of the siblings and of what is below them; or none, for models that end at the parent.
        models: that end here and nowhere below.
        children: below it, in the order of computing.
        siblings: how many are summed up here, one if it is a vertex of its own.
        alone: whether these are all siblings there are.
        size: number of nodes in its subtree before any were summed up.
        row, level: where it is drawn.
    """

    vertices: tuple[Vertex, ...]
    models: tuple[str, ...]
    children: list["Node"] = field(default_factory=list)
    siblings: int = 1
    alone: bool = False
    size: int = 1
    row: float = 0.0
    level: int = 0

    @property
    def orders(self) -> tuple[int, int] | None:
        """First and last place in the order of computing; None if nothing here is computed."""
        places = [vertex.order for vertex in self.vertices if vertex.order is not None]
        return (min(places), max(places)) if places else None

    @property
    def ways(self) -> set[str]:
        """What becomes of its vertices."""
        return {vertex.way for vertex in self.vertices}


def layout(tree: Sequence[Vertex], rows: int) -> list[Node]:
    """The nodes to draw of ``tree`` in at most so many ``rows``, each before its children.

    What takes a row is a vertex without children, or models that end at a vertex with children. Until the rows
    suffice, ever fewer leaves of a vertex are drawn and the others summed up behind them, then ever larger
    subtrees.
    """
    data = _whole(tree)
    # Steps from everything to nothing: first so many leaves of a vertex less, then subtrees of so many nodes more.
    steps = range(rows + data.size)
    step = bisect.bisect_left(steps, True, key=lambda step: _rows(data, *_detail(step, rows)) <= rows)
    small, named = _detail(step, rows)
    for node in _below([data]):
        shown, hidden = _chosen(node, small, named)
        if hidden:
            inside = _below(hidden)
            vertices = tuple(vertex for one in inside for vertex in one.vertices)
            models = tuple(model for one in inside for model in one.models)
            shown.append(Node(vertices, models, siblings=len(hidden), alone=not shown))
        node.children = shown
    return _placed(data.children)


def _whole(tree: Sequence[Vertex]) -> Node:
    """The data, with all of ``tree`` below."""
    nodes = [Node((vertex,), vertex.models) for vertex in tree]
    data = Node((), ())
    for node, vertex in zip(nodes, tree, strict=True):
        (data if vertex.parent is None else nodes[vertex.parent]).children.append(node)
    for node in (*reversed(nodes), data):  # children first
        node.children.sort(key=lambda child: child.orders or (len(tree) + 1, 0))
        if node.children and node.models:
            node.children.insert(0, Node((), node.models))
            node.models = ()
        node.size += sum(child.size for child in node.children)
    return data


def _detail(step: int, rows: int) -> tuple[int, int]:
    """Up to how many nodes a subtree is small, and how many leaves of a vertex are drawn all the same."""
    return (1, rows - step) if step <= rows else (step - rows + 1, 0)


def _chosen(node: Node, small: int, named: int) -> tuple[list[Node], list[Node]]:
    """Children of ``node`` that are drawn, and two or more that are summed up; see :func:`_detail`."""
    hidden = [child for child in node.children if child.size <= small][named:]
    if len(hidden) < 2:
        return node.children, []
    gone = set(map(id, hidden))
    return [child for child in node.children if id(child) not in gone], hidden


def _rows(data: Node, small: int, named: int) -> int:
    """How many rows that takes."""
    number, stack = 0, [data]
    while stack:
        shown, hidden = _chosen(stack.pop(), small, named)
        inner = [child for child in shown if child.children]
        number += len(shown) - len(inner) + bool(hidden)
        stack += inner
    return number


def _below(nodes: Sequence[Node]) -> list[Node]:
    """``nodes`` and all that is below them, each before its children."""
    found, stack = [], list(reversed(nodes))
    while stack:
        node = stack.pop()
        found.append(node)
        stack.extend(reversed(node.children))
    return found


def _placed(roots: Sequence[Node]) -> list[Node]:
    """All nodes, leaves in rows of their own, the others between their children."""
    order = _below(roots)
    row = 0
    for node in order:
        for child in node.children:
            child.level = node.level + 1
        if not node.children:
            node.row = row
            row += 1
    for node in reversed(order):
        if node.children:
            node.row = (node.children[0].row + node.children[-1].row) / 2
    return order
