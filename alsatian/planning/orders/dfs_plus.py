"""DFS+: depth first, children by increasing minimum cache requirement (Alsatian, SIGMOD 2025)."""

from dataclasses import dataclass
from typing import ClassVar

from alsatian.planning.orders.base import Shape, depth_first


@dataclass(frozen=True)
class DfsPlus:
    """Depth-first search that visits the child with the smallest requirement first, ties as added.

    The child that needs most comes last, when its parent has been released already.
    """

    name: ClassVar[str] = "dfs_plus"

    def __call__(self, shape: Shape) -> list[int]:
        need = requirements(shape)
        children = [sorted(siblings, key=need.__getitem__) for siblings in shape.children]
        return depth_first(shape, sorted(shape.roots(), key=need.__getitem__), children)


def requirements(shape: Shape) -> list[int]:
    """Minimum cache requirement of every vertex's subtree under DFS+, the vertex included.

    A vertex is held next to the subtrees of all its children but the last; next to the last child it is
    held only until that child itself is computed.
    """
    need = list(shape.size)
    for vertex in reversed(range(len(need))):
        held = shape.size[vertex]
        ordered = sorted(shape.children[vertex], key=need.__getitem__)
        for child in ordered[:-1]:
            need[vertex] = max(need[vertex], held + need[child])
        for child in ordered[-1:]:
            need[vertex] = max(need[vertex], held + shape.size[child], need[child])
    return need
