"""Blocks and manifests come back as they were, or an error names the file and the model."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.blocks.candidate import ArchitectureSpec, Block, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import StoreError
from alsatian.fingerprint import sealed
from alsatian.store.files.tensor_index import FILE
from alsatian.store.store import BlockStore
from tests.stores import add_block, add_model

TENSORS = [torch.arange(6, dtype=torch.float32).reshape(2, 3), torch.tensor([1, 2])]
SPEC = ArchitectureSpec("torchvision", "resnet18", {"num_classes": 10})


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    return BlockStore(tmp_path / "store")


@pytest.fixture
def block(store: BlockStore) -> Block:
    return add_block(store, "code", TENSORS, 12)


@pytest.fixture
def candidate(store: BlockStore, block: Block) -> Candidate:
    made = Candidate("org/model", (block, block), SPEC, ImagePreprocessing(32), {"parent": None, "epochs": 2})
    add_model(store, made)
    return made


def files(store: BlockStore) -> list[Path]:
    """All but the index, which can be made again."""
    return sorted(path for path in store.root.rglob("*") if path.is_file() and path.name != FILE)


def refused(store: BlockStore, block: Block, *, match: str | None = None) -> str:
    """The message with which the block cannot be loaded, which names its file and the model."""
    with pytest.raises(StoreError, match=match) as error:
        store.load_block(block.identity, "org/model")
    message = str(error.value)
    assert str(store.block_path(block.identity)) in message
    assert "'org/model'" in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "tensors",
    [
        TENSORS,
        [],
        [torch.zeros(0, 3)],
        [torch.tensor(1.5), torch.tensor(True), torch.tensor([1.5, -2], dtype=torch.bfloat16)],
        [torch.arange(6.0).reshape(2, 3).T, torch.arange(4.0).expand(3, 4), torch.arange(9.0)[1::2]],
        [torch.nn.Parameter(torch.ones(3)), torch.ones(3, dtype=torch.float16)],
        [torch.full((), float(i)) for i in range(12)],
    ],
    ids=["usual", "none", "empty", "scalars", "strided", "types", "many"],
)
def test_a_block_comes_back_as_it_was(store: BlockStore, tensors: list[torch.Tensor]) -> None:
    block = add_block(store, "code", tensors, 7)
    assert block.parameter_bytes == sum(t.nbytes for t in tensors)
    assert block.output_bytes == 7
    loaded = store.load_block(block.identity, "m")
    assert len(loaded) == len(tensors)
    for found, expected in zip(loaded, tensors, strict=True):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)


def test_tied_tensors_are_stored_as_often_as_they_are_used(store: BlockStore) -> None:
    block = add_block(store, "code", [TENSORS[0], TENSORS[0]], 4)
    assert block.parameter_bytes == 48
    assert all(torch.equal(t, TENSORS[0]) for t in store.load_block(block.identity, "m"))


def test_equal_blocks_are_one_file_written_once(store: BlockStore, block: Block) -> None:
    path = store.block_path(block.identity)
    os.utime(path, ns=(1, 1))
    before = path.stat()
    assert add_block(store, "code", [t.clone() for t in TENSORS], 12) == block
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns, after.st_size) == (before.st_ino, before.st_mtime_ns, before.st_size)
    assert files(store) == [path]


def test_other_code_or_numbers_are_another_file(store: BlockStore, block: Block) -> None:
    others = [
        add_block(store, "other code", TENSORS, 12),
        add_block(store, "code", [TENSORS[0], TENSORS[1] + 1], 12),
    ]
    assert len({block.identity, *(other.identity for other in others)}) == 3
    assert len(files(store)) == 3


def test_nothing_written_is_a_pickle_and_everything_is_readable(store: BlockStore, candidate: Candidate) -> None:
    store.add_set("set", [candidate.id], {})
    for path in files(store):
        assert path.suffix in (".safetensors", ".json")
        assert path.stat().st_mode & 0o777 == 0o644


def test_a_missing_file_is_named(store: BlockStore, block: Block) -> None:
    store.block_path(block.identity).unlink()
    refused(store, block)


@pytest.mark.parametrize("left", [0, 4, 8, 50, -8, -1])
def test_a_truncated_file_is_named(store: BlockStore, block: Block, left: int) -> None:
    path = store.block_path(block.identity)
    path.write_bytes(path.read_bytes()[:left])
    refused(store, block)


def test_every_flipped_bit_is_found(store: BlockStore, block: Block) -> None:
    """In the length of the header, in the header (names, types, shapes, padding) and in the data."""
    path = store.block_path(block.identity)
    whole = path.read_bytes()
    for at in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[at // 8] ^= 1 << at % 8
        path.write_bytes(damaged)
        refused(store, block)
    path.write_bytes(whole)
    store.load_block(block.identity, "org/model")


def test_a_pickle_in_disguise_is_not_opened(store: BlockStore, block: Block, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
            return os.mkdir, (str(tmp_path / "exploded"),)

    torch.save({"0": TENSORS[0], "1": Bomb()}, store.block_path(block.identity))
    refused(store, block)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    ("code", "tensors"),
    [("code", [TENSORS[0] + 1, TENSORS[1]]), ("other code", TENSORS), ("code", TENSORS[:1])],
    ids=["numbers", "code", "fewer"],
)
def test_another_block_under_its_name_is_found(
    store: BlockStore, block: Block, code: str, tensors: list[torch.Tensor]
) -> None:
    other = add_block(store, code, tensors, 12)
    store.block_path(block.identity).write_bytes(store.block_path(other.identity).read_bytes())
    refused(store, block, match=f"the file of block {other.identity[:12]}")


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_adding_a_damaged_block_again_repairs_it(store: BlockStore, block: Block, damage: str) -> None:
    """As the error message advises."""
    path = store.block_path(block.identity)
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(whole[:-1] if damage == "truncated" else whole[:-1] + bytes([whole[-1] ^ 1]))
    assert "add the model again" in refused(store, block)
    add_block(store, "code", TENSORS, 12)
    assert torch.equal(store.load_block(block.identity, "org/model")[0], TENSORS[0])


@pytest.mark.parametrize("identity", ["", "../../etc/passwd", "0" * 63, "0" * 65, "G" * 64, "0" * 64 + "\n"])
def test_an_identity_that_is_no_digest_is_refused(store: BlockStore, identity: str) -> None:
    with pytest.raises(StoreError, match="not a block identity"):
        store.block_path(identity)


def test_a_model_comes_back_as_it_was(store: BlockStore, candidate: Candidate) -> None:
    assert store.model(candidate.id) == candidate
    assert store.model_ids() == [candidate.id]
    bare = Candidate("bare", (), None, ImagePreprocessing(8, (0.0, 0.5, 1.0), (1.0, 1.0, 0.25)))
    add_model(store, bare)
    assert store.model("bare") == bare
    assert store.model_ids() == ["bare", candidate.id]


@pytest.mark.parametrize("model_id", ["..", "../../x", "a/b", "ünï", "a b%2F", "."])
def test_any_id_stays_inside_the_store(store: BlockStore, block: Block, model_id: str) -> None:
    add_model(store, Candidate(model_id, (block,), None, ImagePreprocessing(8)))
    assert store.model(model_id).id == model_id
    assert store.model_ids() == [model_id]
    assert all(path.resolve().is_relative_to(store.root.resolve()) for path in store.root.parent.rglob("*.json"))


def test_an_unknown_model_brings_the_nearest_name(store: BlockStore, candidate: Candidate) -> None:
    with pytest.raises(StoreError, match=r"did you mean 'org/model'\?") as error:
        store.model("org/modle")
    assert "'org/modle'" in str(error.value)
    with pytest.raises(StoreError, match="valid are: none"):
        BlockStore(store.root / "elsewhere").model("x")


def manifest(store: BlockStore) -> Path:
    (path,) = (store.root / "models").iterdir()
    return path


def refused_manifest(store: BlockStore) -> str:
    with pytest.raises(StoreError) as error:
        store.model("org/model")
    message = str(error.value)
    assert str(manifest(store)) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b'"text"'])
def test_a_manifest_that_is_no_json_object_is_named(
    store: BlockStore, candidate: Candidate, content: bytes
) -> None:
    manifest(store).write_bytes(content)
    refused_manifest(store)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", 2),
        ("id", "another"),
        ("blocks", 5),
        ("blocks", [{"identity": "0" * 64}]),
        ("blocks", [{"identity": 5, "parameter_bytes": 1, "output_bytes": 1}]),
        ("preprocessing", {"size": 8}),
        ("preprocessing", None),
        ("preprocessing", {"kind": "image", "size": 8, "mean": [0, 0, 0], "std": [1, 0, 1]}),
        ("preprocessing", {"kind": "image", "size": "8", "mean": [0, 0, 0], "std": [1, 1, 1]}),
        ("preprocessing", {"kind": "text", "tokenizer": "0" * 64, "length": 1}),
        ("architecture", {"source": "torchvision"}),
        ("architecture", {"source": "torchvision", "name": 5}),
        ("architecture", {"source": "torchvision", "name": "resnet18", "options": [1]}),
        ("metadata", [1]),
        ("metadata", {"note": "of another model"}),
    ],
)
def test_a_manifest_with_a_wrong_entry_is_named(
    store: BlockStore, candidate: Candidate, key: str, value: object
) -> None:
    path = manifest(store)
    changed = {**json.loads(path.read_text()), key: value}
    path.write_text(json.dumps(changed))
    assert "'org/model'" in refused_manifest(store)
    path.write_text(json.dumps(sealed(changed)))  # by somebody who knows how
    if key != "metadata" or not isinstance(value, dict):
        assert "'org/model'" in refused_manifest(store)


@pytest.mark.parametrize("key", ["schema", "id", "blocks", "preprocessing", "architecture", "metadata"])
def test_a_manifest_without_an_entry_is_named(store: BlockStore, candidate: Candidate, key: str) -> None:
    path = manifest(store)
    path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k != key}))
    assert "'org/model'" in refused_manifest(store)


def test_no_flipped_bit_of_a_manifest_changes_the_model(store: BlockStore, candidate: Candidate) -> None:
    path = manifest(store)
    content = path.read_bytes()
    noticed = 0
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            found = store.model("org/model")
        except StoreError:
            noticed += 1
        else:
            assert found == candidate  # a blank, or the name of the digest
    assert noticed > 7 * len(content)


@pytest.mark.parametrize("digest", [None, 5, "", "0" * 64], ids=str)
def test_a_manifest_that_does_not_prove_itself_is_refused_and_made_again(
    store: BlockStore, candidate: Candidate, digest: object, caplog: pytest.LogCaptureFixture
) -> None:
    """As those of early versions, which had no digest."""
    path = manifest(store)
    value = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in {**value, "digest": digest}.items() if v is not None}))
    message = refused_manifest(store)
    assert ("no digest" if digest is None else "another content") in message
    assert "add the model again, or delete the file" in message
    assert store.known("org/model") is None
    assert store.known("org/model") is None
    assert caplog.messages == [f"{message} (made again)"]
    add_model(store, candidate)
    assert store.known("org/model") == candidate


def test_a_model_that_is_not_there_is_no_reason_to_warn(
    store: BlockStore, candidate: Candidate, caplog: pytest.LogCaptureFixture
) -> None:
    assert store.known("other") is None
    assert store.known_set("other") is None
    assert not caplog.messages


def test_a_damaged_manifest_does_not_hide_the_other_models(store: BlockStore, candidate: Candidate) -> None:
    manifest(store).write_bytes(b"{")
    assert store.model_ids() == ["org/model"]
    add_model(store, candidate)
    assert store.model("org/model") == candidate


@pytest.mark.parametrize("members", [None, 5, "ab", [1]])
def test_a_set_without_a_list_of_models_is_named(store: BlockStore, candidate: Candidate, members: object) -> None:
    store.add_set("s", ["org/model"], {})
    (path,) = (store.root / "sets").iterdir()
    path.write_text(json.dumps(sealed({"name": "s", "models": members})))
    with pytest.raises(StoreError, match="set 's' has no list of models") as error:
        store.model_set("s")
    assert str(path) in str(error.value)


def test_an_identity_that_leaves_the_store_is_named(store: BlockStore, candidate: Candidate) -> None:
    path = manifest(store)
    value = json.loads(path.read_text())
    value["blocks"][1]["identity"] = "../../../etc/passwd"
    path.write_text(json.dumps(sealed(value)))
    message = refused_manifest(store)
    assert "not a block identity" in message
    assert "'org/model'" in message


def test_a_failed_write_leaves_nothing_behind(
    store: BlockStore, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in files(store)}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    for write in (
        lambda: add_block(store, "new code", TENSORS, 12),
        lambda: add_model(store, Candidate("org/model", (), None, ImagePreprocessing(8))),
        lambda: store.add_set("set", ["org/model"], {}),
    ):
        with pytest.raises((OSError, StoreError), match="No space left"):
            write()
    assert {path: path.read_bytes() for path in files(store)} == before
    assert store.model("org/model") == candidate


def test_a_set_is_complete_once_it_is_listed(store: BlockStore, candidate: Candidate) -> None:
    assert store.model_set("digits") is None
    store.add_set("digits", ["b", "a"], {"seed": 1})
    assert store.model_set("digits") == ["b", "a"]
    (path,) = (store.root / "sets").iterdir()
    path.write_text("{")
    with pytest.raises(StoreError, match="digits"):
        store.model_set("digits")


def described(store: BlockStore, **changes: object) -> Path:
    """The file of a set, with other entries; None leaves one out."""
    store.add_set("s", ["org/model"], {"seed": 1})
    path = store.root / "sets" / "s.json"
    value = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: entry for key, entry in value.items() if entry is not None}))
    return path


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"digest": None}, "no digest"),
        ({"digest": "0" * 64}, "another content"),
        ({"models": ["org/other"]}, "another content"),
        ({"models": ["org/model", "org/model"]}, "another content"),
        ({"metadata": {"seed": 2}}, "another content"),
        ({"name": "t"}, "another content"),
        ({"more": 1}, "another content"),
    ],
    ids=str,
)
def test_a_set_that_does_not_prove_itself_is_refused_and_made_again(
    store: BlockStore, candidate: Candidate, changes: dict[str, Any], named: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = described(store, **changes)
    with pytest.raises(StoreError, match=named) as error:
        store.model_set("s")
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "make the set again, or delete the file" in message
    assert "\n" not in message
    assert store.known_set("s") is None
    assert caplog.messages == [f"{message} (made again)"]
    store.add_set("s", ["org/model"], {"seed": 1})
    assert store.known_set("s") == ["org/model"]


def test_the_description_of_another_set_is_refused(store: BlockStore, candidate: Candidate) -> None:
    described(store).rename(store.root / "sets" / "t.json")
    with pytest.raises(StoreError, match="describes another set than 't'"):
        store.model_set("t")


def test_a_set_with_a_model_that_is_not_valid_is_made_again(store: BlockStore, candidate: Candidate) -> None:
    store.add_set("s", ["org/model"], {})
    manifest(store).write_text("{}")
    assert store.model_set("s") == ["org/model"]
    assert store.known_set("s") is None


def test_no_flipped_bit_of_a_set_changes_its_models(store: BlockStore, candidate: Candidate) -> None:
    path = described(store)
    content = path.read_bytes()
    noticed = 0
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            assert store.model_set("s") == ["org/model"]  # a blank
        except StoreError:
            noticed += 1
    assert noticed > 7 * len(content)
