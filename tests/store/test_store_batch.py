"""Blocks and manifests go to disk together and in order, or an error says why and nothing has changed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alsatian.blocks.candidate import Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import StoreError
from alsatian.store.files.block_content import Content
from alsatian.store.files.tensor_index import FILE
from alsatian.store.store import BlockStore
from alsatian.store.verified import LASTING_S
from tests.stores import add_block, add_model

ROOT = Path(__file__).parents[2]


def loads(store: BlockStore, model_id: str) -> None:
    """Fail unless all blocks of the model can be read."""
    for block in store.model(model_id).blocks:
        store.load_block(block.identity, model_id)


def model(store: BlockStore, model_id: str, *values: float) -> Candidate:
    """Add a model of one block a value."""
    with store.adding() as adding:
        blocks = tuple(adding.add_block("code", [torch.full((9,), value)], 4) for value in values)
        made = Candidate(model_id, blocks, None, ImagePreprocessing(8))
        adding.add_model(made)
    return made


def contents(folder: Path) -> dict[Path, bytes]:
    """Of all files but the index, which can be made again."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != FILE}


def test_nothing_is_visible_before_all_of_it_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    flush, replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        events.append("flush " + Path(os.readlink(f"/proc/self/fd/{descriptor}")).name[:2])
        flush(descriptor)

    def rename(source: Path, target: Path) -> None:
        events.append(f"name {target.suffix}")
        replace(source, target)

    store = BlockStore(tmp_path)
    model(store, "first", 0.0)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    model(store, "m", 1.0, 2.0)
    manifest = events.index("name .json")
    names = [i for i, event in enumerate(events) if event == "name .safetensors"]
    assert len(names) == 2
    assert sum(event.startswith("flush .") for event in events[: names[0]]) == 2  # temporary files
    assert "flush bl" in events[names[1] : manifest]  # their folders
    assert "flush mo" in events[manifest:]


def test_an_abandoned_batch_leaves_nothing(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    model(store, "m", 1.0)
    before = contents(tmp_path)

    def interrupted() -> None:
        with store.adding() as adding:
            adding.add_block("code", [torch.ones(3)], 4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert contents(tmp_path) == before


def test_a_batch_writes_a_repeated_block_once_and_tensors_may_change_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []
    real = Content.write
    monkeypatch.setattr(Content, "write", lambda *a: (calls.append(a), real(*a))[1])
    store = BlockStore(tmp_path)
    tensor = torch.ones(1000)
    with store.adding() as adding:
        blocks = [adding.add_block("code", [tensor], 4) for _ in range(3)]
        tensor.zero_()
    assert len(calls) == len(set(blocks)) == 1
    assert store.load_block(blocks[0].identity, "m")[0].eq(1).all()
    add_block(store, "code", [torch.ones(1000)], 4)
    assert len(calls) == 1


@pytest.mark.parametrize("stage", ["write", "fsync", "replace"])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    store = BlockStore(tmp_path)
    model(store, "m", 1.0)
    before = contents(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((Content, "write") if stage == "write" else (os, stage)), full)
    for write in (
        lambda: add_block(store, "new", [torch.ones(3)], 4),
        lambda: model(store, "n", 1.0, 2.0),
        lambda: model(store, "m", 3.0),
    ):
        with pytest.raises(StoreError, match="No space left on device") as error:
            write()
        assert "the disk has space" in str(error.value)
        assert str(tmp_path) in str(error.value)
        assert "\n" not in str(error.value)
        assert contents(tmp_path) == before
    monkeypatch.undo()
    loads(store, "m")
    assert store.model_ids() == ["m"]


def test_a_file_that_may_not_grow_is_one_clear_error(tmp_path: Path) -> None:
    """The operating system's own refusal while a block is written."""
    code = (
        "import resource, signal, sys, torch\n"
        "from alsatian.store.store import BlockStore\n"
        "from alsatian.errors import StoreError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))\n"
        "from tests.stores import add_block\n"
        "try:\n    add_block(BlockStore(sys.argv[1]), 'code', [torch.ones(100_000)], 4)\n"
        "except StoreError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)
    assert "cannot write a block" in done.stdout
    assert "too large" in done.stdout
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda s: add_block(s, "code", [torch.zeros(1, dtype=torch.complex128)], 4), "complex128"),
        (lambda s: add_model(s, Candidate("x" * 300, (), None, ImagePreprocessing(8))), "File name too long"),
        (lambda s: add_block(BlockStore(s.root / "file" / "store"), "code", [], 4), "cannot write the folder"),
    ],
    ids=["type", "id", "folder"],
)
def test_what_cannot_be_written_is_named(tmp_path: Path, act: Callable[[BlockStore], object], message: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=message):
        act(BlockStore(tmp_path))
    assert contents(tmp_path) == {tmp_path / "file": b""}


def test_a_manifest_is_not_written_without_its_blocks(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    made = model(store, "m", 1.0)
    store.block_path(made.blocks[0].identity).unlink()
    with pytest.raises(StoreError, match="model 'n' needs this block") as error:
        add_model(store, Candidate("n", made.blocks, None, ImagePreprocessing(8)))
    assert str(store.block_path(made.blocks[0].identity)) in str(error.value)
    assert store.model_ids() == ["m"]


def test_tensors_that_share_memory_are_stored_as_they_are(tmp_path: Path) -> None:
    whole = torch.arange(24.0, dtype=torch.bfloat16)
    tensors = [whole, whole[3:9], whole[6:12], whole.reshape(4, 6).T, whole.view(torch.uint8), whole[:0]]
    store = BlockStore(tmp_path)
    block = add_block(store, "code", tensors, 4)
    for found, expected in zip(store.load_block(block.identity, "m"), tensors, strict=True):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


@pytest.mark.parametrize(("verify", "expected"), [("once", 1), ("always", 3)])
def test_blocks_are_verified_once_or_with_every_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verify: str, expected: int
) -> None:
    store = BlockStore(tmp_path, verify)
    block = add_block(store, "code", [torch.ones(9)], 4)
    path = store.block_path(block.identity)
    os.utime(path)  # it is not the file any more that was hashed as it was written
    time.sleep(LASTING_S)
    calls: list[object] = []
    place = "alsatian.store.store_files"
    real = sys.modules[place].parameter_fingerprint
    monkeypatch.setattr(f"{place}.parameter_fingerprint", lambda t: (calls.append(t), real(t))[1])
    for _ in range(3):
        store.load_block(block.identity, "m")
    assert len(calls) == expected
    path.write_bytes(path.read_bytes()[:-1] + b"x")  # a file that has changed is verified again
    with pytest.raises(StoreError, match="content does not match"):
        store.load_block(block.identity, "m")


def test_a_tokenizer_that_changed_is_not_kept_under_its_old_name(tmp_path: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(b"{}")
    made = Candidate("m", (), None, TextPreprocessing.of(file, 8))
    store = BlockStore(tmp_path / "store")
    file.write_bytes(b"[]")
    with pytest.raises(StoreError, match="has changed"):
        add_model(store, made)
    file.write_bytes(b"{}")
    add_model(store, made)
    (asset,) = store.assets.iterdir()
    asset.write_bytes(b"{")
    add_model(store, made)  # repairs it
    assert asset.read_bytes() == b"{}"
    file.unlink()
    with pytest.raises(StoreError, match=r"tokenizer\.json"):
        add_model(store, made)
