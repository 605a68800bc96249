"""Breadth first."""

from dataclasses import dataclass
from typing import ClassVar

from alsatian.planning.orders.base import Shape


@dataclass(frozen=True)
class Bfs:
    """Level by level, siblings as added: everything that branches is held at once. A yardstick."""

    name: ClassVar[str] = "bfs"

    def __call__(self, shape: Shape) -> list[int]:
        order = shape.roots()
        for vertex in order:  # grows meanwhile
            order.extend(shape.children[vertex])
        return order
