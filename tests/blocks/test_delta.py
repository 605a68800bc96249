"""Deltas of tensors: no bit is another one afterwards, whatever the bits mean."""

import contextlib
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alsatian.blocks import delta
from alsatian.blocks.delta import pack, restored, share_of_bits, unpack
from alsatian.errors import ConfigError
from alsatian.fingerprint import tensor_bytes
from alsatian.store.files.block_file import TYPES

pytest.importorskip("zstandard")


def random_bits(dtype: torch.dtype, shape: tuple[int, ...], seed: int, changed: float = 1.0) -> torch.Tensor:
    """Any bits at all, or zeros but for a share of the values; of bool only what is one."""
    generator = torch.Generator().manual_seed(seed)
    width, count = torch.empty(0, dtype=dtype).element_size(), torch.Size(shape).numel()
    raw = torch.randint(
        0, 2 if dtype == torch.bool else 256, (count, width), dtype=torch.uint8, generator=generator
    )
    raw[torch.rand(count, generator=generator) > changed] = 0
    return raw.view(-1).view(dtype).view(shape)


@settings(max_examples=60, deadline=None)
@given(
    dtype=st.sampled_from(sorted(TYPES.values(), key=str)),
    shape=st.lists(st.integers(1, 40), max_size=3).map(tuple),
    seed=st.integers(0, 10**6),
    changed=st.floats(0, 1),
)
def test_every_bit_of_every_type_comes_back(
    dtype: torch.dtype, shape: tuple[int, ...], seed: int, changed: float
) -> None:
    tensor, base = random_bits(dtype, shape, seed, changed), random_bits(dtype, shape, seed + 1)
    before = bytes(tensor_bytes(base))
    again = restored(unpack(pack(tensor, base)), base)
    assert (again.dtype, again.shape) == (tensor.dtype, tensor.shape)
    assert tensor_bytes(again) == tensor_bytes(tensor)
    assert tensor_bytes(base) == before
    # Kernels choose their code by that.
    assert again.untyped_storage().nbytes() == tensor.nbytes
    assert again.untyped_storage().data_ptr() % 64 == 0


def test_values_that_are_no_numbers_and_zeros_of_either_sign() -> None:
    payloads = torch.tensor([0x7FC00001, 0x7F800001, -0x3FFFFF, 0x7F800000, 0, 1, -(2**31)], dtype=torch.int32)
    tensor = payloads.view(torch.float32)
    for base in (torch.zeros(7), -torch.zeros(7), tensor.flip(0), torch.full((7,), float("nan"))):
        assert torch.equal(restored(unpack(pack(tensor, base)), base).view(torch.int32), payloads)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", sorted(TYPES.values(), key=str), ids=str)
def test_a_gpu_gives_the_same_bits(dtype: torch.dtype) -> None:
    tensor, base = random_bits(dtype, (333, 7), 0), random_bits(dtype, (333, 7), 1)
    again = restored(unpack(pack(tensor, base)).cuda(), base.cuda())
    assert tensor_bytes(again) == tensor_bytes(tensor)


def test_several_pieces_and_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delta, "_PIECE", 4096)
    base = torch.randn(5000)
    tensor = base + 1e-4 * torch.randn(5000)
    packed = pack(tensor, base)
    assert torch.equal(restored(unpack(packed), base), tensor)
    assert torch.equal(pack(tensor, base), packed)


def test_a_small_change_takes_less_and_the_entropy_says_about_how_much() -> None:
    base = torch.randn(200_000)
    for change in (1e-5, 1e-3, 1e-1):
        tensor = base * (1 + change * torch.rand(200_000))
        share = share_of_bits(*(t.view(torch.uint8).numpy() for t in (tensor, base)), 4)
        assert pack(tensor, base).nbytes / tensor.nbytes == pytest.approx(share, rel=0.15)
    assert share_of_bits(*(t.view(torch.uint8).numpy() for t in (base, base)), 4) == 0


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300))
def test_what_is_no_delta_is_refused(noise: bytes, at: int) -> None:
    base = torch.arange(1000.0)
    whole = bytearray(tensor_bytes(pack(base + 1, base)))
    whole[at : at + len(noise)] = noise
    with contextlib.suppress(ValueError):  # nothing else, and no memory without end
        assert restored(unpack(torch.frombuffer(whole, dtype=torch.uint8)), base).shape == base.shape


def test_without_its_package_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    packed = pack(torch.ones(9), torch.zeros(9))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ConfigError, match=r"pip install 'alsatian\[deltas\]'"):
        unpack(packed)
