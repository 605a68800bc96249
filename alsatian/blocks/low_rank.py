"""A tensor as another one plus a product of two thin factors, which is what a LoRA adapter does to a weight.

Whoever merges, when an adapter is read, when a block is loaded, on whichever device and with however many
threads, gets the same bits: products, which float64 has exactly, are added one after the other over the rank, and
each sum is rounded to float32. That is what processors with fused operations do, so that merged weights are mostly
those of other libraries. A matrix product would not do: how it sums depends on the processor and on threads.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from alsatian.fingerprint import parameter_fingerprint

# Values that are worked on at once: so few that they stay in a core's cache, and on a GPU take little room.
_PIECE, _GPU_PIECE = 65_536, 524_288


@dataclass(frozen=True)
class LowRank:
    """``scale`` · ``left`` · ``right``, float32.

    Attributes:
        left: of shape (rows, rank), rank at least 1.
        right: of shape (rank, columns).
        scale: a number of float32.
    """

    left: torch.Tensor
    right: torch.Tensor
    scale: float

    @property
    def nbytes(self) -> int:
        """Bytes of the factors."""
        return self.left.nbytes + self.right.nbytes

    def merged(self, base: torch.Tensor) -> torch.Tensor:
        """``base`` plus the product, of shape (rows, …) with as many values in a row as there are columns;
        memory of its own, where ``base`` and the factors lie.

        Raises:
            ValueError: the shapes do not fit.
        """
        rows, columns = self.left.shape[0], self.right.shape[-1]
        fits = self.left.dim() == self.right.dim() == 2 and 0 < self.left.shape[1] == self.right.shape[0]
        if not fits or base.dim() < 1 or base.shape[0] != rows or base.numel() != rows * columns:
            raise ValueError("factors do not fit the tensor that they are added to")
        whole = torch.empty(base.shape, dtype=torch.float32, device=base.device)
        into, onto = whole.view(rows, columns), base.detach().contiguous().view(rows, columns)
        left, right = self.left.detach(), self.right.detach()
        if base.device.type == "cpu":  # NumPy's work: PyTorch would start threads; a GPU's operators round alike
            wide = [t.numpy().astype(np.float64) for t in (left, right)]
            _merge(into.numpy(), onto.numpy(), wide[0], wide[1], self.scale)
        else:
            _merge(into, onto, left.double(), right.double(), self.scale)
        return whole


def _merge(into: Any, base: Any, left: Any, right: Any, scale: float) -> None:
    """With ``left`` and ``right`` in float64, the others in float32. Operators one by one, as each rounds once."""
    piece = _PIECE if isinstance(into, np.ndarray) else _GPU_PIECE
    step = max(1, piece // max(1, into.shape[1]))
    for first in range(0, into.shape[0], step):
        part, own = into[first : first + step], left[first : first + step]
        part[...] = own[:, :1] * right[:1]
        for k in range(1, right.shape[0]):
            wide = own[:, k : k + 1] * right[k : k + 1]
            wide += part
            part[...] = wide
        part *= scale
        part += base[first : first + step]


@dataclass(frozen=True)
class Merged:
    """What was ``added`` to ``base`` to make a tensor with this ``digest``."""

    base: torch.Tensor
    added: LowRank
    digest: str

    @classmethod
    def of(cls, base: torch.Tensor, added: LowRank) -> tuple[torch.Tensor, "Merged"]:
        """The merged tensor, and how it is made."""
        whole = added.merged(base)
        return whole, cls(base, added, parameter_fingerprint([whole]))

    def gives(self, tensor: torch.Tensor) -> bool:
        """Whether that gives every bit of ``tensor`` on every device, which is not so where it is no number."""
        made = self.added.merged(self.base)
        same = tensor.dtype == made.dtype and torch.equal(made.view(torch.int32), tensor.view(torch.int32))
        return same and math.isfinite(self.added.scale) and not bool(torch.isnan(tensor).any())
