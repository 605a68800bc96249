"""Tensors of a block that its file holds as another tensor and what was added to that."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch

from alsatian.blocks.delta import restored, unpack
from alsatian.blocks.low_rank import LowRank


class Made(NamedTuple):
    """A tensor that is made of ``base`` and what was ``added``: which of the block's tensors these are.

    With a ``scale`` what was added are the factors of a :class:`~alsatian.blocks.low_rank.LowRank`, without it a
    delta, see :mod:`alsatian.blocks.delta`, that is held in place of ``plain`` bytes.
    """

    base: int
    added: tuple[int, ...]
    scale: float | None = None
    plain: int = 0

    @property
    def sources(self) -> tuple[int, ...]:
        """All that it is made of."""
        return self.base, *self.added

    @property
    def is_delta(self) -> bool:
        """Whether a delta was added."""
        return self.scale is None

    def ready(self, added: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """What was added, on the CPU, as :meth:`whole` takes it on any device; see
        :func:`~alsatian.blocks.delta.unpack`."""
        return [unpack(tensor) for tensor in added] if self.is_delta else list(added)

    def whole(self, base: torch.Tensor, ready: Sequence[torch.Tensor]) -> torch.Tensor:
        """The tensor, in memory of its own, on the device of ``base``.

        Raises:
            ValueError: the shapes do not fit.
        """
        if self.scale is None:
            return restored(ready[0], base)
        return LowRank(ready[0], ready[1], self.scale).merged(base)


def described(made: Mapping[int, Made]) -> dict[str, Any]:
    """What the header of a file says of them, as plain data."""
    return {
        "made": {str(i): [*one.sources, one.scale] for i, one in made.items() if not one.is_delta},
        "deltas": {str(i): [*one.sources, one.plain] for i, one in made.items() if one.is_delta},
    }


def read(about: Mapping[str, Any]) -> dict[int, Made]:
    """The inverse of :func:`described`; earlier versions wrote no deltas.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    made = {
        int(i): Made(int(base), (int(left), int(right)), float(scale))
        for i, (base, left, right, scale) in about["made"].items()
    }
    if not all(math.isfinite(one.scale or 0.0) for one in made.values()):
        raise ValueError("not the header of a block")
    deltas = about.get("deltas", {}).items()
    return made | {int(i): Made(int(base), (int(packed),), None, int(plain)) for i, (base, packed, plain) in deltas}
