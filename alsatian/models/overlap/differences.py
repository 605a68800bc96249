"""In what way the parameters of two blocks differ."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

BATCH_NORM = "batch-norm statistics differ"
DTYPE = "equal up to dtype"
LOW_RANK = "low-rank difference"
OPERATORS = "parameters equal, operators differ"
PREPROCESSING = "preprocessing differs"
DIFFERENT = "different parameters"

# A difference counts as of low rank up to this share of its full rank, and up to this rank.
RANK_SHARE = 1 / 4
MAX_RANK = 256
# Singular values below this share of the largest one do not count.
RANK_TOLERANCE = 1e-5
# Matrices with more elements are not examined: a search for low rank reads them several times.
MAX_ELEMENTS = 2**27
_OVERSAMPLING = 8
_LOWER = (torch.bfloat16, torch.float16)
_STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Difference:
    """How two lists of tensors differ.

    Attributes:
        reason: one of the texts above; None if nothing differs.
        tensors: how many tensors differ.
        rank: the largest rank of a tensor's difference, if the reason is ``LOW_RANK``.
        detail: what else there is to say, possibly empty.
    """

    reason: str | None
    tensors: int = 0
    rank: int | None = None
    detail: str = ""


def difference(
    ours: Sequence[torch.Tensor],
    theirs: Sequence[torch.Tensor],
    names: Sequence[str] | None = None,
    same_operators: bool = True,
) -> Difference:
    """How ``ours`` and ``theirs``, lists of tensors of equal shapes, differ.

    Args:
        ours: parameters and buffers of a block.
        theirs: those of the other block.
        names: of the tensors in the model; without them batch-norm statistics are not recognised.
        same_operators: whether both blocks compute the same.
    """
    pairs = [(i, a, b) for i, (a, b) in enumerate(zip(ours, theirs, strict=True)) if not _equal(a, b)]
    if not pairs:
        return Difference(None if same_operators else OPERATORS)
    count = len(pairs)
    if lower := next((t for t in _LOWER if all(_equal_in(a, b, t) for _, a, b in pairs)), None):
        return Difference(DTYPE, count, detail=str(lower).removeprefix("torch."))
    # What is computed differs where dtypes do, too; anything else would be another model.
    if not same_operators and all(a.dtype == b.dtype for _, a, b in pairs):
        return Difference(DIFFERENT, count, detail="operators differ as well")
    if names and all(names[i].rsplit(".", 1)[-1] in _STATISTICS for i, _, _ in pairs):
        return Difference(BATCH_NORM, count)
    ranks = []
    for _, a, b in pairs:
        if a.numel() > MAX_ELEMENTS:
            return Difference(DIFFERENT, count, detail="not examined for low rank: too large")
        rank = low_rank(a, b)
        if rank is None:
            return Difference(DIFFERENT, count)
        ranks.append(rank)
    return Difference(LOW_RANK, count, max(ranks))


def low_rank(ours: torch.Tensor, theirs: torch.Tensor) -> int | None:
    """Rank of ``ours - theirs`` if it is clearly below full rank, None otherwise.

    Tensors of more dimensions are matrices (first dimension, all others). A random subspace of a few more
    dimensions than the largest rank that counts holds the whole difference if its rank is that low (Halko,
    Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53, 2011), so the cost is that of a
    thin product, whatever the matrix's size. Singular values count above ``RANK_TOLERANCE`` of the largest
    and above what rounding the weights to their precision leaves behind.
    """
    if ours.dim() < 2 or not ours.is_floating_point() or not theirs.is_floating_point():
        return None
    a, b = ours.flatten(1).double(), theirs.flatten(1).double()
    change = a - b
    if not torch.isfinite(change).all():
        return None
    rows, columns = change.shape
    limit = min(int(min(rows, columns) * RANK_SHARE), MAX_RANK)
    if limit < 1:
        return None
    generator = torch.Generator().manual_seed(0)  # the same answer every time
    probe = torch.randn(columns, min(limit + _OVERSAMPLING, columns), generator=generator, dtype=torch.float64)
    basis = torch.linalg.qr(change @ probe).Q
    values = torch.linalg.svdvals(basis.T @ change)
    root_mean_square = float(torch.maximum(a.square().mean(), b.square().mean()).sqrt())
    # The largest singular value of a random matrix: deviation × (√rows + √columns).
    noise = max(_precision(ours), _precision(theirs)) * root_mean_square * (math.sqrt(rows) + math.sqrt(columns))
    rank = int((values > max(RANK_TOLERANCE * float(values[0]), noise)).sum())
    return rank if 1 <= rank <= limit else None


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and torch.equal(a, b)


def _equal_in(a: torch.Tensor, b: torch.Tensor, lower: torch.dtype) -> bool:
    """Whether one tensor is the other, rounded to ``lower``, or both are the same in two dtypes."""
    if not a.is_floating_point() or not b.is_floating_point():
        return False
    if not _held_by(a, lower) and not _held_by(b, lower):
        return False
    return torch.equal(a.to(lower), b.to(lower))


def _held_by(tensor: torch.Tensor, lower: torch.dtype) -> bool:
    """Whether ``lower`` holds every value of ``tensor``. A checkpoint in it still does, once read in float32."""
    return tensor.dtype == lower or torch.equal(tensor.to(lower).to(tensor.dtype), tensor)


def _precision(tensor: torch.Tensor) -> float:
    """Relative spacing of the values that ``tensor`` may hold."""
    lower = next((dtype for dtype in _LOWER if _held_by(tensor, dtype)), tensor.dtype)
    return torch.finfo(lower).eps
