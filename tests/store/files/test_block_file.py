"""Block files are what safetensors reads, and anything else in their place is refused."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open

from alsatian.fingerprint import block_identity, parameter_fingerprint
from alsatian.store.files.block_content import content
from alsatian.store.files.block_file import TYPES, Header, Place, read_header

TENSORS = [torch.arange(6.0).reshape(2, 3), torch.tensor(7), torch.zeros(0, 4), torch.tensor([True, False, True])]


def identity_of(tensors: Sequence[torch.Tensor]) -> str:
    return block_identity("code", parameter_fingerprint(tensors))


def write(path: Path, tensors: Sequence[torch.Tensor], elsewhere: dict[int, Place] | None = None) -> str:
    identity = identity_of(tensors)
    digests = [parameter_fingerprint([tensor]) for tensor in tensors]
    made = content(identity, "code", tensors, digests, elsewhere or {})
    made.write(path)
    assert path.stat().st_size == made.nbytes
    return identity


def header_of(path: Path, identity: str) -> Header:
    data = path.read_bytes()
    return read_header(lambda offset, nbytes: data[offset : offset + nbytes], len(data), identity)


def tensor_in(path: Path, header: Header, index: int) -> torch.Tensor:
    held = header.held[index]
    raw = bytearray(path.read_bytes()[held.offset : held.offset + held.nbytes])
    flat = torch.frombuffer(raw, dtype=torch.uint8) if raw else torch.empty(0, dtype=torch.uint8)
    return flat.view(held.dtype).view(held.shape)


def test_what_is_written_is_read_by_the_library_and_by_the_header(tmp_path: Path) -> None:
    identity = write(tmp_path / "block", TENSORS)
    with safe_open(tmp_path / "block", framework="pt") as file:
        theirs = [file.get_tensor(str(i)) for i in range(len(TENSORS))]
    header = header_of(tmp_path / "block", identity)
    ours = [tensor_in(tmp_path / "block", header, i) for i in range(len(TENSORS))]
    for tensor, one, other in zip(TENSORS, theirs, ours, strict=True):
        assert one.dtype == other.dtype == tensor.dtype
        assert torch.equal(one, tensor)
        assert torch.equal(other, tensor)
    assert header.architecture == "code"
    assert header.digests == tuple(parameter_fingerprint([tensor]) for tensor in TENSORS)


@pytest.mark.parametrize("dtype", TYPES.values(), ids=str)
def test_every_type_of_the_library_comes_back(tmp_path: Path, dtype: torch.dtype) -> None:
    tensor = torch.arange(16, dtype=torch.uint8).view(dtype) if dtype != torch.bool else torch.tensor([True, False])
    identity = write(tmp_path / "block", [tensor])
    with safe_open(tmp_path / "block", framework="pt") as file:
        theirs = file.get_tensor("0")
    ours = tensor_in(tmp_path / "block", header_of(tmp_path / "block", identity), 0)
    assert theirs.dtype == ours.dtype == dtype
    assert parameter_fingerprint([theirs]) == parameter_fingerprint([ours]) == parameter_fingerprint([tensor])


def test_tensors_that_lie_elsewhere_are_named_and_not_written(tmp_path: Path) -> None:
    other = Place("a" * 64, 5)
    identity = write(tmp_path / "block", TENSORS, {0: other})
    header = header_of(tmp_path / "block", identity)
    assert header.elsewhere == {0: other}
    assert sorted(header.held) == [1, 2, 3]
    assert header.count == len(TENSORS)
    assert (tmp_path / "block").stat().st_size == header.nbytes + sum(t.nbytes for t in TENSORS[1:])


def test_large_tensors_lie_side_by_side_from_a_page_on(tmp_path: Path) -> None:
    large, small = torch.rand(200_000), torch.zeros(3)
    identity = write(tmp_path / "block", [small, large, small + 1, large + 1])
    header = header_of(tmp_path / "block", identity)
    assert header.nbytes % 4096 == 0
    assert [header.held[i].offset for i in (1, 3)] == [header.nbytes, header.nbytes + large.nbytes]


def test_the_file_of_another_block_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "block", TENSORS)
    with pytest.raises(ValueError, match="the file of block"):
        header_of(tmp_path / "block", identity_of([torch.zeros(1)]))


@pytest.mark.parametrize("size", [0, 7, 40, -1, 1])
def test_files_of_another_length_are_refused(tmp_path: Path, size: int) -> None:
    identity = write(tmp_path / "block", TENSORS)
    data = (tmp_path / "block").read_bytes()
    (tmp_path / "block").write_bytes(data[:size] if size < 1 or size > 1 else data + b"x")
    with pytest.raises(ValueError, match=r"header|cut off"):
        header_of(tmp_path / "block", identity)


@given(st.data())
def test_a_flipped_bit_of_the_header_is_an_error_or_changes_no_place(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("flips") / "block"
    identity = write(path, TENSORS[:2], {1: Place("b" * 64, 0)})
    before, whole = header_of(path, identity), bytearray(path.read_bytes())
    bit = data.draw(st.integers(0, 8 * before.nbytes - 1))
    whole[bit // 8] ^= 1 << bit % 8
    path.write_bytes(whole)
    try:
        after = header_of(path, identity)
    except ValueError:
        return
    # What may still differ is the type or shape of the same bytes, which the tensor's digest covers.
    assert (after.elsewhere, after.digests, after.architecture) == (before.elsewhere, before.digests, "code")
    assert after.held.keys() == before.held.keys()


@pytest.mark.parametrize(
    "change",
    [
        {"0": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 20]}},
        {"0": {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]}},
        {"0": {"dtype": "F31", "shape": [2, 3], "data_offsets": [0, 24]}},
        {"0": None},
        {"0": []},
        {"x": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}},
        {"__metadata__": 3},
        {"__metadata__": {"block": 3}},
        {"__metadata__": {"block": "3"}},
    ],
    ids=str,
)
def test_headers_that_say_nonsense_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    identity = write(tmp_path / "block", TENSORS[:1])
    data = (tmp_path / "block").read_bytes()
    length = int.from_bytes(data[:8], "little")
    text = json.dumps(json.loads(data[8 : 8 + length]) | change).encode()
    (tmp_path / "block").write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    with pytest.raises(ValueError, match=r"header|shape|content"):
        header_of(tmp_path / "block", identity)
