"""Models one after another, shuffled."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from alsatian.planning.orders.base import Shape, paths_in_turn


@dataclass(frozen=True)
class Random:
    """A shuffle of the models, the same for the same ``seed``."""

    seed: int = 0
    name: ClassVar[str] = "random"

    def __call__(self, shape: Shape) -> list[int]:
        shuffled = np.random.default_rng(self.seed).permutation(len(shape.outputs))
        return paths_in_turn(shape, [shape.outputs[i] for i in shuffled])
