"""Large task trees in few rows: which vertices are drawn, and which are summed up."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

from alsatian.records.schema import Vertex


@dataclass(eq=False)
class Node:
    """Something to draw: a vertex, siblings that are summed up, or the models that end at an inner vertex.

    Attributes:
        vertices: one; all of the siblings and of what is below them; or none, for models that end at the parent.
        models: that end here and nowhere below.
        children: below it, in the order of computing.
        siblings: how many are summed up here, one if it is a vertex of its own.
        alone: whether these are all siblings there are.
        row, level: where it is drawn.
    """

    vertices: tuple[Vertex, ...]
    models: tuple[str, ...]
    children: list["Node"] = field(default_factory=list)
    siblings: int = 1
    alone: bool = False
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


def laid_out(tree: Sequence[Vertex], rows: int) -> list[Node]:
    """The nodes to draw of ``tree`` in at most so many ``rows``, each before its children.

    What takes a row is a vertex without children, or models that end at a vertex with children. Until the rows
    suffice siblings that take one row each are summed up, those that hide least first: leaves where there are
    most of them, then the smallest and deepest subtrees.
    """
    nodes = [Node((vertex,), vertex.models) for vertex in tree]
    data = Node((), ())
    for node, vertex in zip(nodes, tree, strict=True):
        (data if vertex.parent is None else nodes[vertex.parent]).children.append(node)
    for node in (data, *nodes):
        node.children.sort(key=lambda child: child.orders or (len(tree) + 1, 0))
        if node.children and node.models:
            node.children.insert(0, Node((), node.models))
            node.models = ()
    _fold(data, rows)
    return _placed(data.children)


@dataclass(eq=False)
class _Site:
    """A node whose children may be summed up.

    Attributes:
        node: with its children.
        above: the site of its parent, None for the data.
        place: among the parent's children.
        depth: number of nodes above.
        leaves: children without children.
        single: children that take one row: their size in nodes, their place from behind, and they themselves.
        hidden: children that were summed up.
        size: of them in nodes.
    """

    node: Node
    above: "_Site | None"
    place: int
    depth: int
    leaves: int
    single: list[tuple[int, int, Node]] = field(default_factory=list)
    hidden: list[Node] = field(default_factory=list)
    size: int = 0

    @property
    def key(self) -> tuple[int, int, int] | None:
        """How much summing up one more row would hide, the least first; None if none could be."""
        taken = 1 if self.hidden else 2
        if len(self.single) < taken:
            return None
        # The second smallest of a heap is one of the two below its first.
        size = self.single[0][0] + (min(self.single[1:3])[0] if taken == 2 else 0)
        return size, -self.leaves, -self.depth

    def add(self, child: Node, place: int, size: int) -> None:
        """The child at ``place`` takes one row."""
        heapq.heappush(self.single, (size, -place, child))

    def fold(self) -> bool:
        """Save a row; returns whether the node takes one row now."""
        for _ in range(1 if self.hidden else 2):
            size, _, child = heapq.heappop(self.single)
            self.hidden.append(child)
            self.size += size
        return len(self.hidden) == len(self.node.children)

    def finish(self) -> None:
        """Put the sum in the place of what is hidden."""
        gone = {id(child) for child in self.hidden}
        inside = _below([child for child in self.node.children if id(child) in gone])
        self.node.children = [child for child in self.node.children if id(child) not in gone]
        vertices = tuple(vertex for node in inside for vertex in node.vertices)
        models = tuple(model for node in inside for model in node.models)
        self.node.children.append(Node(vertices, models, [], len(gone), alone=not self.node.children))


def _fold(data: Node, rows: int) -> None:
    """Sum up siblings below ``data`` until ``rows`` suffice. Every turn saves one row."""
    sites = _sites(data)
    excess = sum(site.leaves for site in sites) - rows
    if excess <= 0:
        return
    sizes: dict[int, int] = {}
    for site in reversed(sites):  # children first
        for place, child in enumerate(site.node.children):
            size = sizes.get(id(child), 0) if child.children else 1
            if size:
                site.add(child, place, size)
        if len(site.node.children) == len(site.single) == 1:
            sizes[id(site.node)] = 1 + site.single[0][0]
    waiting = [(key, number) for number, site in enumerate(sites) if (key := site.key)]
    heapq.heapify(waiting)
    numbers = {id(site): number for number, site in enumerate(sites)}
    while excess > 0:
        key, number = heapq.heappop(waiting)
        site = sites[number]
        if key != site.key:
            continue  # it has changed since, and waits again
        excess -= 1
        changed = [site]
        above = site
        if site.fold():
            size = site.size
            while above.above is not None:
                size += 1
                place, above = above.place, above.above
                above.add(above.node.children[place], place, size)
                changed.append(above)
                if len(above.node.children) > 1:
                    break
        for one in changed:
            if new := one.key:
                heapq.heappush(waiting, (new, numbers[id(one)]))
    for site in reversed(sites):
        if site.hidden:
            site.finish()


def _sites(data: Node) -> list[_Site]:
    """All nodes with children, each before those below it."""
    found: list[_Site] = []
    stack: list[tuple[Node, _Site | None, int]] = [(data, None, 0)]
    while stack:
        node, above, place = stack.pop()
        leaves = sum(not child.children for child in node.children)
        site = _Site(node, above, place, above.depth + 1 if above else 0, leaves)
        found.append(site)
        stack.extend((child, site, i) for i, child in enumerate(node.children) if child.children)
    return found


def _below(nodes: Sequence[Node]) -> list[Node]:
    """``nodes`` and all that is below them."""
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
