"""Merging gives the same bits wherever it is done."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alsatian.blocks import low_rank
from alsatian.blocks.low_rank import LowRank, Merged


def drawn(rows: int, columns: int, rank: int, seed: int) -> tuple[torch.Tensor, LowRank]:
    generator = torch.Generator().manual_seed(seed)
    base, left, right = (
        torch.randn(shape, generator=generator) for shape in ((rows, columns), (rows, rank), (rank, columns))
    )
    return base, LowRank(left, right, 0.37)


def one_by_one(base: torch.Tensor, added: LowRank) -> np.ndarray:
    """Every value on its own, with exact products and every sum rounded to float32."""
    left, right, whole = added.left.double().numpy(), added.right.double().numpy(), base.numpy().copy()
    for i, j in np.ndindex(*whole.shape):
        total = np.float32(left[i, 0] * right[0, j])
        for k in range(1, len(right)):
            total = np.float32(float(total) + left[i, k] * right[k, j])
        whole[i, j] = np.float32(np.float32(total * np.float32(added.scale)) + whole[i, j])
    return whole


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 10**6))
def test_products_and_sums_are_taken_in_order_and_rounded_one_by_one(
    rows: int, columns: int, rank: int, seed: int
) -> None:
    base, added = drawn(rows, columns, rank, seed)
    assert np.array_equal(added.merged(base).numpy(), one_by_one(base, added))


def test_pieces_threads_and_the_device_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    base, added = drawn(70, 50, 7, 0)
    expected = added.merged(base)
    monkeypatch.setattr(low_rank, "_PIECE", 120)
    assert torch.equal(added.merged(base), expected)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert torch.equal(added.merged(base), expected)
    finally:
        torch.set_num_threads(before)
    # What a GPU does: PyTorch's operators, one by one.
    into = torch.empty_like(base)
    low_rank._merge(into, base, added.left.double(), added.right.double(), added.scale)
    assert torch.equal(into, expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_bits() -> None:
    base, added = drawn(300, 500, 8, 0)
    there = LowRank(added.left.cuda(), added.right.cuda(), added.scale)
    assert torch.equal(there.merged(base.cuda()).cpu(), added.merged(base))


def test_a_convolution_keeps_its_shape_and_the_base_stays() -> None:
    base, added = drawn(6, 12, 2, 3)
    kernel = base.reshape(6, 3, 2, 2)
    copy = kernel.clone()
    merged = added.merged(kernel)
    assert merged.shape == kernel.shape
    assert torch.equal(merged.reshape(6, 12), added.merged(base))
    assert torch.equal(kernel, copy)
    assert merged.untyped_storage().nbytes() == merged.nbytes


@pytest.mark.parametrize("shape", [(3, 4), (4, 5), (20,), ()])
def test_what_does_not_fit_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        LowRank(torch.ones(4, 2), torch.ones(2, 4), 1.0).merged(torch.ones(shape))
    with pytest.raises(ValueError, match="do not fit"):
        LowRank(torch.ones(4, 2), torch.ones(3, 4), 1.0).merged(torch.ones(4, 4))


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1.0])
def test_what_gives_other_bits_somewhere_is_not_kept_so(bad: float) -> None:
    base, added = drawn(4, 4, 2, 0)
    base[1, 1] = bad
    whole, made = Merged.of(base, added)
    assert made.gives(whole) is not math.isnan(bad)
    other = whole.clone()
    other[0, 0] += 1
    assert not made.gives(other)
