"""How two blocks differ: the reasons and the ranks."""

import pytest
import torch

from alsatian.models.overlap.differences import (
    BATCH_NORM,
    DIFFERENT,
    DTYPE,
    LOW_RANK,
    OPERATORS,
    difference,
    low_rank,
)


def product(rows, columns, rank, seed=0):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(rows, rank, generator=generator)
    return left @ torch.randn(rank, columns, generator=generator)


@pytest.mark.parametrize("rank", [1, 3, 16])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_low_rank(rank, scale):
    base = torch.randn(96, 64) * 0.05
    merged = base + scale * product(96, 64, rank)
    assert low_rank(base, merged) == low_rank(merged, base) == rank


def test_low_rank_of_merges_in_half_precision():
    base = torch.randn(256, 256) * 0.05
    merged = (base + 0.2 * product(256, 256, 4)).to(torch.bfloat16).float()
    assert low_rank(base, merged) == 4


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (torch.zeros(64, 64), torch.randn(64, 64)),
        (torch.zeros(64, 64), product(64, 64, 17)),  # above a quarter
        (torch.zeros(3, 64), product(3, 64, 1)),  # too small to tell
        (torch.zeros(64), torch.ones(64)),
        (torch.zeros(64, 64), torch.full((64, 64), torch.nan)),
        (torch.zeros(8, 8, dtype=torch.int64), torch.ones(8, 8, dtype=torch.int64)),
    ],
)
def test_not_low_rank(ours, theirs):
    assert low_rank(ours, theirs) is None


def test_convolutions_are_matrices_of_their_outputs():
    assert low_rank(torch.zeros(16, 4, 3, 3), product(16, 36, 2).view(16, 4, 3, 3)) == 2


def reason(ours, theirs, **options):
    return difference(ours, theirs, **options).reason


def test_reasons():
    weight, mean = torch.randn(32, 32), torch.randn(32)
    names = ("conv.weight", "bn.running_mean")
    assert reason([weight, mean], [weight, mean]) is None
    assert reason([weight, mean], [weight, mean], same_operators=False) == OPERATORS
    assert reason([weight, mean], [weight, mean + 1], names=names) == BATCH_NORM
    assert reason([weight, mean], [weight, mean + 1]) == DIFFERENT  # nothing says what it is
    assert reason([weight, mean], [weight + 1e-3 * torch.randn(32, 32), mean]) == DIFFERENT
    found = difference([weight, mean], [weight + product(32, 32, 2), mean], names)
    assert (found.reason, found.rank, found.tensors) == (LOW_RANK, 2, 1)
    assert reason([weight, mean], [weight + product(32, 32, 2), mean + 1], names=names) == DIFFERENT


@pytest.mark.parametrize("lower", [torch.bfloat16, torch.float16])
def test_dtypes_are_seen_even_if_both_are_read_in_float32(lower):
    weight = torch.randn(32, 32)
    for copy in (weight.to(lower), weight.to(lower).float()):
        found = difference([weight], [copy])
        assert (found.reason, found.detail) == (DTYPE, str(lower).removeprefix("torch."))
        assert reason([copy], [weight], same_operators=copy.dtype == weight.dtype) == DTYPE
    assert reason([weight], [(weight * 1.1).to(lower)]) == DIFFERENT
