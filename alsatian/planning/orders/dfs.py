"""Depth first, children as they come."""

from dataclasses import dataclass
from typing import ClassVar

from alsatian.planning.orders.base import Shape, depth_first


@dataclass(frozen=True)
class Dfs:
    """Depth-first search in the order in which branches were added to the tree."""

    name: ClassVar[str] = "dfs"

    def __call__(self, shape: Shape) -> list[int]:
        return depth_first(shape, shape.roots(), shape.children)
