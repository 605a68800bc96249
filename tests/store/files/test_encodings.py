"""Smaller forms of tensors give back every bit, or are not used."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.low_rank import LowRank, Merged
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import StoreError
from alsatian.fingerprint import parameter_fingerprint
from alsatian.progress import unheard
from alsatian.store.files import encodings
from alsatian.store.files.block_content import content
from alsatian.store.files.encodings import NARROW, narrowed, widened
from alsatian.store.files.made import Made
from alsatian.store.maintenance import gc, verify
from alsatian.store.statistics import stats
from alsatian.store.store import BlockStore
from alsatian.store.upgrade import upgrade
from tests.store.test_sharing import as_before, check
from tests.stores import add_block, add_model, share_small_tensors

types = pytest.mark.parametrize("kind", NARROW, ids=str)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    share_small_tensors(monkeypatch)
    monkeypatch.setattr(encodings, "NARROW_BYTES", 4)


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    return BlockStore(tmp_path / "store")


def bits(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous().view(torch.int32)


def all_of(kind: torch.dtype) -> torch.Tensor:
    """Every value of a type, without those that are no numbers, as float32."""
    codes = np.arange(256**kind.itemsize).astype(f"u{kind.itemsize}")
    values = torch.from_numpy(codes).view(kind).to(torch.float32)
    return values[~values.isnan()]


@types
def test_every_value_comes_back(kind: torch.dtype) -> None:
    values = all_of(kind)
    small = narrowed(values)
    assert small is not None
    assert small.dtype == kind
    assert torch.equal(bits(widened(small)), bits(values))
    assert torch.equal(bits(small.to(torch.float32)), bits(values))  # as a GPU does it
    assert (values == 0).sum() == 2  # of which one is negative


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@types
def test_a_gpu_gives_the_same_bits(kind: torch.dtype) -> None:
    values = all_of(kind)
    small = narrowed(values)
    assert small is not None
    assert torch.equal(bits(widened(small.cuda()).cpu()), bits(values))


_any = st.integers(0, 2**32 - 1)
_halves = st.integers(0, 2**16 - 1).map(lambda code: int(np.array(code, "u2").view("f2").astype("f4").view("u4")))
_brains = st.integers(0, 2**16 - 1).map(lambda code: code << 16)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(_any, _halves, _brains), min_size=1, max_size=9) | st.lists(_halves, min_size=1))
def test_whatever_the_bits_are_they_come_back_or_are_left(codes: list[int]) -> None:
    before, encodings.NARROW_BYTES = encodings.NARROW_BYTES, 4
    try:
        tensor = torch.from_numpy(np.array(codes, "u4").view("f4"))
        small = narrowed(tensor)
    finally:
        encodings.NARROW_BYTES = before
    if small is not None:
        assert small.nbytes < tensor.nbytes
        assert torch.equal(bits(widened(small)), bits(tensor))
    if np.isnan(tensor.numpy()).any():
        assert small is None


def test_one_value_among_many_is_seen() -> None:
    values = torch.ones(100_000)
    values[77_777] = 0.1
    assert narrowed(values) is None
    values[77_777] = float("nan")
    assert narrowed(values) is None


def test_small_tensors_and_other_types_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert narrowed(torch.ones(4, dtype=torch.float64)) is None
    assert narrowed(torch.ones(4, dtype=torch.float16)) is None
    monkeypatch.setattr(encodings, "NARROW_BYTES", 17)
    assert narrowed(torch.ones(4)) is None


@types
def test_a_block_holds_them_so_and_gives_them_back(store: BlockStore, kind: torch.dtype) -> None:
    tensors = [
        all_of(kind),
        torch.tensor(3.0),
        torch.rand(7, 3) / 3,
        torch.zeros(0),
        all_of(kind)[:240].reshape(4, 60),
    ]
    block = add_block(store, "code", tensors, 4)
    assert block.parameter_bytes == sum(tensor.nbytes for tensor in tensors)
    held = store.header(block.identity).held
    assert [held[i].narrow for i in range(3)] == [True, True, False]
    assert held[0].nbytes == tensors[0].numel() * kind.itemsize
    check(store, block, tensors)
    # Another block finds them there.
    other = add_block(store, "other", [tensors[2], tensors[0]], 4)
    assert not store.header(other.identity).held
    check(store, other, [tensors[2], tensors[0]])


def flips(path: Path, refused: Callable[[], None]) -> int:
    """Every byte of a file is changed once; how many changes were refused."""
    whole, count = path.read_bytes(), 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        try:
            refused()
        except StoreError:
            count += 1
    path.write_bytes(whole)
    return count


def adapted(rows: int = 12, columns: int = 10) -> tuple[torch.Tensor, torch.Tensor, Merged]:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(rows, columns, generator=generator)
    left, right = torch.randn(rows, 2, generator=generator), torch.randn(2, columns, generator=generator).half()
    whole, made = Merged.of(base, LowRank(left, right.float(), 0.5))
    return base, whole, made


def add_merged(store: BlockStore, tensors: list[torch.Tensor], made: Merged, code: str = "code"):
    with store.adding() as adding:
        return adding.add_block(code, tensors, 4, [made])


@pytest.mark.parametrize("first", [True, False], ids=["base first", "adapter first"])
def test_a_merged_tensor_is_kept_as_base_and_factors(store: BlockStore, first: bool) -> None:
    base, whole, made = adapted()
    bias = torch.rand(5)
    kept = [add_block(store, "code", [base, bias], 4)] if first else []
    tuned = add_merged(store, [whole, bias + 1], made)
    kept += [] if first else [add_block(store, "code", [base, bias], 4)]
    header = store.header(tuned.identity)
    assert list(header.made) == [0]
    assert header.count == 2
    check(store, kept[0], [base, bias])
    check(store, tuned, [whole, bias + 1])
    held = sum(h.nbytes for b in (*kept, tuned) for h in store.header(b.identity).held.values())
    assert held == base.nbytes + 2 * bias.nbytes + made.added.left.nbytes + made.added.right.nbytes // 2
    assert add_block(store, "code", [whole, bias + 1], 4) == tuned  # as a whole model has it
    # What a block needs of another is not removed.
    add_model(store, Candidate("tuned", (tuned,), None, ImagePreprocessing(8)))
    assert verify(store) == []
    gc(store, grace_s=0)
    check(store, tuned, [whole, bias + 1])
    found = stats(store)
    assert (found.distinct_bytes, found.factor_bytes) == (whole.nbytes + bias.nbytes, made.added.left.nbytes + 40)
    assert upgrade(store, unheard).files == 0


def test_where_it_saves_nothing_or_gives_other_bits_it_is_kept_whole(store: BlockStore) -> None:
    base, whole, made = adapted(4, 3)
    block = add_merged(store, [whole], made)  # the factors are larger
    assert not store.header(block.identity).made
    check(store, block, [whole])
    base, whole, made = adapted()
    wrong = Merged(base + 1, made.added, made.digest)
    block = add_merged(store, [whole], wrong)
    assert not store.header(block.identity).made
    check(store, block, [whole])
    # Nor where it lies whole already.
    block = add_merged(store, [whole, base], made, "other")
    assert not store.header(block.identity).made


def test_the_same_merged_tensor_twice_in_a_block(store: BlockStore) -> None:
    _, whole, made = adapted()
    block = add_merged(store, [whole, whole.clone()], made)
    assert len(store.header(block.identity).made) == 2
    check(store, block, [whole, whole])


def test_flipped_bits_are_found(store: BlockStore) -> None:
    base, whole, made = adapted()
    first = add_block(store, "code", [base], 4)
    tuned = add_merged(store, [whole, torch.arange(9.0)], made)
    add_model(store, Candidate("tuned", (tuned,), None, ImagePreprocessing(8)))

    def read() -> None:
        found = BlockStore(store.root, "always", kept=False).load_block(tuned.identity, "m")
        assert torch.equal(found[0], whole)
        assert torch.equal(found[1], torch.arange(9.0))

    path = store.block_path(tuned.identity)
    header, size = store.header(tuned.identity), path.stat().st_size
    assert flips(path, read) >= size - 64  # but for spaces behind the header
    base_path = store.block_path(first.identity)
    data = base_path.stat().st_size - base.nbytes
    assert header.elsewhere
    assert flips(base_path, read) >= base.nbytes
    whole_file = base_path.read_bytes()
    base_path.write_bytes(whole_file[:data] + bytes([whole_file[data] ^ 1]) + whole_file[data + 1 :])
    assert any(base_path.name in line for line in verify(store))
    with pytest.raises(StoreError, match=f"{first.identity}.*content does not match its name"):
        read()


def test_files_of_the_first_version_get_smaller_forms(store: BlockStore) -> None:
    tensors = [all_of(torch.float16), torch.rand(3)]
    block = as_before(store, "code", tensors)
    add_model(store, Candidate("m", (block,), None, ImagePreprocessing(8)))
    done = upgrade(store, unheard)
    assert done.before - done.after > tensors[0].nbytes // 2 - 2000
    check(store, block, tensors)
    assert store.header(block.identity).held[0].narrow


@pytest.mark.parametrize(
    ("made", "extra"),
    [
        ({0: Made(5, (6, 7), 1.0)}, 0),
        ({0: Made(0, (2, 3), 1.0)}, 3),
        ({0: Made(1, (2, 3), float("nan"))}, 3),
        ({0: Made(1, (2, 3), 1.0)}, 4),
        ({0: Made(1, (2, 3), 1.0)}, -1),
    ],
)
def test_a_header_that_makes_no_sense_is_refused(store: BlockStore, made: dict[int, Made], extra: int) -> None:
    """Although it proves itself."""
    tensors = [torch.rand(4, 4), torch.rand(4, 4), torch.rand(4, 1), torch.rand(1, 4)]
    block = add_block(store, "code", tensors, 4)
    digests = [parameter_fingerprint([tensor]) for tensor in tensors]
    content(block.identity, "code", tensors, digests, {}, made, extra).write(store.block_path(block.identity))
    with pytest.raises(StoreError, match=rf"{block.identity}.*damaged block of model 'm'"):
        store.load_block(block.identity, "m")


def test_factors_that_do_not_fit_are_refused(store: BlockStore) -> None:
    tensors = [torch.rand(4, 4), torch.rand(4, 4), torch.rand(4, 1), torch.rand(1, 3)]
    block = add_block(store, "code", tensors, 4)
    digests = [parameter_fingerprint([tensor]) for tensor in tensors]
    made = {0: Made(1, (2, 3), 1.0)}
    content(block.identity, "code", tensors, digests, {}, made, 3).write(store.block_path(block.identity))
    with pytest.raises(StoreError, match=r"damaged block of model 'm'.*factors do not fit"):
        store.load_block(block.identity, "m")
