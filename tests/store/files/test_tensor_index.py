"""The index of tensors saves room where it can, and is never needed."""

import os
import sqlite3
from pathlib import Path

import pytest

from alsatian.store.files.block_file import Place
from alsatian.store.files.tensor_index import Holding, TensorIndex

CODE = "c" * 64
BLOCKS = ["a" * 64, "b" * 64]
DIGESTS = ["1" * 64, "2" * 64, "3" * 64]
FILES = [
    Holding(BLOCKS[0], {0: DIGESTS[0], 2: DIGESTS[1]}, False, CODE),
    Holding(BLOCKS[1], {1: DIGESTS[2]}, True, CODE),
]
PLACES = {DIGESTS[0]: Place(BLOCKS[0], 0), DIGESTS[1]: Place(BLOCKS[0], 2), DIGESTS[2]: Place(BLOCKS[1], 1)}


def index(path: Path, made_of: list[Holding] | None = None) -> TensorIndex:
    return TensorIndex(path / "index", lambda: made_of or [])


def test_what_is_entered_is_found_at_once_and_by_others_once_it_is_saved(tmp_path: Path) -> None:
    ours, others = index(tmp_path), index(tmp_path)
    assert others.find(DIGESTS) == {}
    for file in FILES:
        ours.enter(file)
    assert ours.find(DIGESTS) == PLACES
    assert others.find(DIGESTS) == {}
    ours.save()
    assert ours.find(DIGESTS) == others.find(DIGESTS) == PLACES
    assert others.borrowing() == {BLOCKS[1]}


def test_a_tensor_that_is_entered_again_lies_where_it_was_entered_last(tmp_path: Path) -> None:
    made = index(tmp_path, FILES)
    made.enter(Holding(BLOCKS[1], {7: DIGESTS[0]}, False, CODE))
    assert made.find(DIGESTS[:1]) == {DIGESTS[0]: Place(BLOCKS[1], 7)}
    made.save()
    made.close()
    assert index(tmp_path).find(DIGESTS[:1]) == {DIGESTS[0]: Place(BLOCKS[1], 7)}


def test_many_tensors_are_found_at_once(tmp_path: Path) -> None:
    digests = [f"{i:064x}" for i in range(1, 2001)]
    made = index(tmp_path, [Holding(BLOCKS[0], dict(enumerate(digests)), False, CODE)])
    assert made.find(digests) == {digest: Place(BLOCKS[0], i) for i, digest in enumerate(digests)}


@pytest.mark.parametrize("content", [b"", b"not a database" * 100, None], ids=["empty", "damaged", "gone"])
def test_it_is_made_again_of_what_is_there(tmp_path: Path, content: bytes | None) -> None:
    index(tmp_path, FILES[:1]).find(DIGESTS)
    if content is None:
        (tmp_path / "index").unlink()
    else:
        (tmp_path / "index").write_bytes(content)
    assert index(tmp_path, FILES).find(DIGESTS) == PLACES


def test_one_that_was_cut_off_in_the_middle_is_made_again(tmp_path: Path) -> None:
    made = index(tmp_path, FILES)
    made.enter(Holding(BLOCKS[0], {i: f"{i:064x}" for i in range(1, 3000)}, False, CODE))
    made.find(DIGESTS)
    made.save()
    made.close()
    os.truncate(tmp_path / "index", (tmp_path / "index").stat().st_size // 2)
    again = index(tmp_path, FILES)
    assert again.find([f"{i:064x}" for i in range(1, 3000)] + DIGESTS).items() >= PLACES.items()


def test_making_it_that_fails_leaves_none_that_lacks_something(tmp_path: Path) -> None:
    def broken() -> list[Holding]:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        TensorIndex(tmp_path / "index", broken).find(DIGESTS)
    assert index(tmp_path, FILES).find(DIGESTS) == PLACES


def test_where_there_can_be_none_nothing_is_found_and_nothing_fails(tmp_path: Path) -> None:
    made = TensorIndex(tmp_path / "no folder" / "index", lambda: FILES)
    assert made.find(DIGESTS) == {}
    assert made.borrowing() is None
    made.enter(FILES[0])
    assert made.find(DIGESTS[:1]) == {DIGESTS[0]: Place(BLOCKS[0], 0)}
    made.save()
    made.close()


def test_another_that_writes_is_waited_for_in_vain_only_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alsatian.store.files.tensor_index._WAIT_S", 0.01)
    index(tmp_path, FILES).find(DIGESTS)
    other = sqlite3.connect(tmp_path / "index", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    made = index(tmp_path, FILES)
    assert made.find(DIGESTS) == {}
    other.execute("ROLLBACK")
    assert made.find(DIGESTS) == PLACES
    other.close()


def test_blocks_with_one_code_are_told_as_they_were_entered_if_others_can_be_deltas_of_them(tmp_path: Path) -> None:
    made = index(tmp_path, FILES)
    assert made.alike(CODE) == BLOCKS
    made.enter(Holding("e" * 64, {0: "4" * 64}, True, ""))
    made.enter(Holding("0" * 64, {0: "5" * 64}, False, CODE))
    made.enter(FILES[0])
    made.save()
    assert made.alike(CODE) == [*BLOCKS, "0" * 64]
    assert made.alike("another") == []


def test_one_of_an_earlier_version_learns_of_codes(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "index") as old:
        old.execute("CREATE TABLE borrowing (block BLOB PRIMARY KEY) WITHOUT ROWID")
        old.execute("CREATE TABLE tensors (digest BLOB PRIMARY KEY, block BLOB NOT NULL, place INTEGER NOT NULL)")
    made = index(tmp_path, FILES)
    assert made.alike(CODE) == BLOCKS
    assert made.find(DIGESTS) == PLACES
