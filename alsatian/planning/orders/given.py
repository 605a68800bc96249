"""Models one after another, as given."""

from dataclasses import dataclass
from typing import ClassVar

from alsatian.planning.orders.base import Shape, paths_in_turn


@dataclass(frozen=True)
class Given:
    """The order in which the model set lists its models."""

    name: ClassVar[str] = "given"

    def __call__(self, shape: Shape) -> list[int]:
        return paths_in_turn(shape, shape.outputs)
