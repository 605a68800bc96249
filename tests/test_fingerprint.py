"""Equal digests mean equal bytes, shapes and dtypes, in order; anything else shows."""

import numpy as np
import pytest
import torch
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alsatian.fingerprint import (
    DIGEST_LENGTH,
    block_identity,
    digest_json,
    features_fingerprint,
    parameter_fingerprint,
    set_digest,
    tensor_bytes,
)

BASE = torch.arange(6, dtype=torch.float32).reshape(2, 3)
DTYPES = [np.dtype(name) for name in ("float32", "float64", "float16", "int64", "uint8", "bool")]
arrays = st.sampled_from(DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)


def digest(*tensors: torch.Tensor) -> str:
    return parameter_fingerprint(tensors)


def test_a_digest_is_the_blake3_of_dtype_shape_and_bytes() -> None:
    """Stores outlive versions, so the format must not change unnoticed."""
    expected = blake3(b"float32[2, 3];" + BASE.numpy().tobytes() + b"int64[];" + (7).to_bytes(8, "little"))
    assert digest(BASE, torch.tensor(7)) == expected.hexdigest()
    assert len(digest(BASE)) == DIGEST_LENGTH
    assert block_identity("a", "b") == blake3(b"a:b").hexdigest()
    assert digest_json({"b": [1, None], "a": "x"}) == blake3(b'{"a":"x","b":[1,null]}').hexdigest()


def test_json_that_has_no_canonical_form_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest_json({"a": float("nan")})


@pytest.mark.parametrize(
    "other",
    [
        BASE + torch.tensor([0.0, 0, 0]).index_fill(0, torch.tensor([2]), 1e-6),
        BASE.reshape(3, 2),
        BASE.reshape(6),
        BASE.reshape(1, 2, 3),
        BASE.view(torch.int32),
        BASE.double(),
        BASE.half(),
        BASE.bfloat16(),
        BASE.T,
        -BASE,
    ],
    ids=["one bit", "3x2", "6", "1x2x3", "int32", "float64", "float16", "bfloat16", "transposed", "sign"],
)
def test_bytes_shape_and_dtype_all_matter(other: torch.Tensor) -> None:
    assert digest(other) != digest(BASE)


def test_types_of_equal_size_and_bits_differ() -> None:
    zeros = [torch.zeros(4, dtype=t) for t in (torch.float16, torch.bfloat16, torch.int16)]
    zeros += [torch.zeros(4, dtype=t) for t in (torch.bool, torch.uint8, torch.int8)]
    assert len({digest(t) for t in zeros}) == len(zeros)


def test_signed_zeros_differ_and_nan_equals_itself() -> None:
    assert digest(torch.tensor([0.0])) != digest(torch.tensor([-0.0]))
    assert digest(torch.tensor([float("nan")])) == digest(torch.tensor([float("nan")]))


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float64, torch.bool, torch.int64, torch.uint8], ids=str
)
def test_every_type_has_its_own_bytes(dtype: torch.dtype) -> None:
    tensor = torch.tensor([[0, 1], [1, 1]], dtype=dtype)
    assert digest(tensor) == digest(tensor.clone())
    assert digest(tensor) != digest(tensor.flip(0))
    assert len(tensor_bytes(tensor)) == tensor.nbytes


def test_empty_and_scalar_tensors() -> None:
    shapes = [(), (0,), (0, 3), (3, 0), (1,), (1, 1)]
    assert len({digest(torch.zeros(shape)) for shape in shapes}) == len(shapes)
    assert digest() != digest(torch.zeros(0))
    assert digest(torch.tensor(1.0)) != digest(torch.tensor(2.0))


def test_layout_in_memory_does_not_matter() -> None:
    wide = torch.zeros(2, 6)
    wide[:, ::2] = BASE
    strided, expanded = wide[:, ::2], BASE[:1].expand(4, 3)
    assert not strided.is_contiguous()
    assert digest(strided) == digest(BASE)
    assert digest(BASE.T.contiguous().T) == digest(BASE)
    assert digest(expanded) == digest(expanded.clone())
    images = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert digest(images.to(memory_format=torch.channels_last)) == digest(images)


def test_what_is_not_in_the_numbers_does_not_matter() -> None:
    assert digest(torch.nn.Parameter(BASE)) == digest(BASE)
    assert digest(BASE.clone().requires_grad_() * 1) == digest(BASE)


def test_order_and_borders_matter() -> None:
    one, other = torch.ones(2), torch.zeros(2)
    assert digest(one, other) != digest(other, one)
    assert len({digest(one, one), digest(torch.ones(4)), digest(one), digest(one, one, torch.zeros(0))}) == 4
    assert features_fingerprint([one, other]) != features_fingerprint([torch.cat([one, other])])


@given(arrays, arrays)
def test_digests_are_equal_exactly_if_the_arrays_are(one: np.ndarray, other: np.ndarray) -> None:
    equal = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    assert (digest(torch.tensor(one)) == digest(torch.tensor(other))) == equal
    assert digest(torch.tensor(one)) == digest(torch.tensor(one.copy()))


@given(arrays.filter(lambda a: a.nbytes > 0), st.data())
def test_every_single_bit_matters(array: np.ndarray, data: st.DataObject) -> None:
    raw = bytearray(array.tobytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= 1 << (0 if array.dtype == bool else data.draw(st.integers(0, 7)))
    changed = np.frombuffer(bytes(raw), array.dtype).reshape(array.shape).copy()
    assert digest(torch.tensor(changed)) != digest(torch.tensor(array))


def test_identity_joins_architecture_and_parameters() -> None:
    assert len({block_identity("a", "p"), block_identity("b", "p"), block_identity("a", "q")}) == 3
    assert block_identity("a", "p") == block_identity("a", "p")


def test_the_digest_of_a_set_ignores_the_order_of_models_but_not_of_blocks() -> None:
    m, n = ("m", "p", ["a", "b"]), ("n", "p", ["c"])
    assert set_digest([m, n]) == set_digest([n, m])
    assert set_digest([m]) != set_digest([("m", "p", ["b", "a"])])
    assert set_digest([("m", "p", ["a"])]) != set_digest([("n", "p", ["a"])])
    assert set_digest([("m", "p", ["a"])]) != set_digest([("m", "q", ["a"])])
