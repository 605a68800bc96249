"""Verification finds what is wrong, collection removes only what nobody needs, statistics add up."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alsatian.blocks import serialization
from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import StoreError
from alsatian.fingerprint import sealed
from alsatian.store.maintenance import Garbage, gc, open_store, verify
from alsatian.store.statistics import stats
from alsatian.store.store import BlockStore
from tests.stores import add_block, add_model


def add(store: BlockStore, model_id: str, *values: int) -> Candidate:
    """Add a model of one block a value; models share blocks as they share values."""
    with store.adding() as adding:
        blocks = tuple(adding.add_block("code", [torch.full((value + 1,), value)], 4) for value in values)
        made = Candidate(model_id, blocks, None, ImagePreprocessing(8))
        adding.add_model(made)
    return made


def add_text(store: BlockStore, model_id: str, file: Path) -> Candidate:
    file.write_text(model_id)
    made = Candidate(model_id, add(store, model_id, 9).blocks, None, TextPreprocessing.of(file, 8))
    add_model(store, made)
    return made


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    made = BlockStore(tmp_path / "store")
    add(made, "org/a", 1, 2, 3)
    add(made, "b", 1, 2, 4)
    made.add_set("both", ["org/a", "b"], {})
    return made


def block(store: BlockStore, model_id: str, position: int) -> Path:
    return store.block_path(store.model(model_id).blocks[position].identity)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(sealed(value) if "blocks" in value else value))


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


class Bomb:
    """Unpickling it makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_whole_store_has_no_problems(store: BlockStore, tmp_path: Path) -> None:
    add_text(store, "text", tmp_path / "tokenizer.json")
    assert verify(store) == []


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda path: flip(path, 20), "'org/a'"),
        (lambda path: flip(path, -1), "'org/a'"),
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "'org/a'"),
        (lambda path: path.write_bytes(b""), "'org/a'"),
        (lambda path: path.unlink(), "'org/a'"),
        (lambda path: torch.save({"0": Bomb(path.with_name("exploded"))}, path), "'org/a'"),
    ],
    ids=["header", "data", "truncated", "empty", "missing", "pickle"],
)
def test_a_damaged_block_is_one_line_that_names_file_and_model(
    store: BlockStore, damage: Callable[[Path], object], named: str
) -> None:
    path = block(store, "org/a", 2)
    damage(path)
    (problem,) = verify(store)
    assert str(path) in problem
    assert named in problem
    assert "\n" not in problem
    assert not path.with_name("exploded").exists()
    assert verify(BlockStore(store.root)) == [problem]
    add(store, "org/a", 1, 2, 3)
    assert verify(store) == []


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda value: value["blocks"][1].update(identity="../../../../etc/passwd"), "not a block identity"),
        (lambda value: value["blocks"][1].update(identity="0" * 64), "0" * 64),
        (lambda value: value["blocks"][1].update(parameter_bytes=10**15), "bytes, but it has 24"),
        (lambda value: value["blocks"][1].update(parameter_bytes=-1), "not numbers of bytes"),
        (lambda value: value["blocks"][1].update(output_bytes="4"), "not numbers of bytes"),
        (lambda value: value.update(id="another"), "another schema or model id"),
        (lambda value: value.update(preprocessing={"kind": "pickle"}), "preprocessing of kind 'pickle'"),
        (
            lambda value: value.update(preprocessing={"kind": "text", "tokenizer": "../x", "length": 8}),
            "not named by a digest",
        ),
        (
            lambda value: value.update(preprocessing={"kind": "text", "tokenizer": "0" * 64, "length": 8}),
            "tokenizer of model 'org/a'",
        ),
    ],
)
def test_a_wrong_manifest_is_one_line(store: BlockStore, change: Callable[[Any], object], named: str) -> None:
    edit(store.manifest_path("org/a"), change)
    (problem,) = verify(store)
    assert named in problem
    assert "'org/a'" in problem
    assert "\n" not in problem


def test_sets_tokenizers_and_stray_files_are_checked(store: BlockStore, tmp_path: Path) -> None:
    add_text(store, "text", tmp_path / "tokenizer.json")
    (asset,) = store.assets.iterdir()
    flip(asset, 0)
    store.manifest_path("b").unlink()
    (store.root / "sets" / "broken.json").write_text("{")
    stray = store.root / "blocks" / "model.safetensors"
    stray.write_bytes(b"")
    loose = store.block_path(add_block(store, "code", [torch.ones(2)], 4).identity)
    flip(loose, -1)
    problems = verify(store)
    assert len(problems) == 5
    for name in ("broken.json", "set 'both' names model 'b'", str(asset), str(stray), str(loose)):
        assert sum(name in problem for problem in problems) == 1


def test_collecting_removes_what_nobody_needs_once_it_is_old(store: BlockStore, tmp_path: Path) -> None:
    add_text(store, "text", tmp_path / "tokenizer.json")
    assert gc(store, grace_s=0) == Garbage((), 0, 0)
    (asset,) = store.assets.iterdir()
    gone = {block(store, "org/a", 2), block(store, "text", 0), asset}
    for name in (".half.safetensors.x.tmp", ".tmpXYZ"):
        left = block(store, "b", 0).with_name(name)
        left.write_bytes(b"half")
        gone.add(left)
    for model_id in ("org/a", "text"):
        store.manifest_path(model_id).unlink()
    size = sum(path.stat().st_size for path in gone)
    assert gc(store) == Garbage((), 0, 5)
    for path in gone:
        os.utime(path, (1e9, 1e9))
    planned = gc(store, dry_run=True)
    assert set(planned.files) == gone
    assert planned.bytes == size
    assert all(path.exists() for path in gone)
    assert gc(store) == planned
    assert not any(path.exists() for path in gone)
    assert [store.load_block(b.identity, "b")[0].numel() for b in store.model("b").blocks] == [2, 3, 5]
    assert gc(store, grace_s=0) == Garbage((), 0, 0)


def test_nothing_is_collected_while_a_manifest_cannot_be_read(store: BlockStore) -> None:
    store.manifest_path("org/a").write_text("{")
    add(store, "c", 7)
    store.manifest_path("c").unlink()
    before = sorted(store.root.rglob("*"))
    with pytest.raises(StoreError, match=r"org%2Fa\.json"):
        gc(store, grace_s=0)
    assert sorted(store.root.rglob("*")) == before


@settings(max_examples=20)
@given(
    models=st.lists(st.lists(st.integers(0, 7), max_size=5), max_size=6),
    removed=st.sets(st.integers(0, 5)),
    loose=st.lists(st.integers(5, 9), max_size=3),
    again=st.lists(st.integers(0, 9), max_size=4),
)
def test_collecting_never_removes_a_block_that_is_needed(
    models: list[list[int]], removed: set[int], loose: list[int], again: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = BlockStore(folder)
        kept = {}
        for i, values in enumerate(models):
            made = add(store, f"m{i}", *values)
            if i in removed:
                store.manifest_path(made.id).unlink()
            else:
                kept[made.id] = values
        for value in loose:
            add_block(store, "code", [torch.full((value + 1,), value)], 4)
        (store.root / "models").mkdir(exist_ok=True)
        gc(store, grace_s=0)
        # What was known to be there may be gone now, and is written again.
        add(store, "again", *again)
        kept["again"] = again
        assert store.model_ids() == sorted(kept)
        for model_id, values in kept.items():
            loaded = [store.load_block(b.identity, model_id)[0] for b in store.model(model_id).blocks]
            assert [t.tolist() for t in loaded] == [[value] * (value + 1) for value in values]
        found = stats(store)
        needed = {value for values in kept.values() for value in values}
        assert found.unreferenced_blocks == 0
        assert found.blocks == len(list(store.root.rglob("*.safetensors"))) == len(needed)
        assert found.distinct_bytes == sum(8 * (value + 1) for value in needed)
        assert found.total_bytes == sum(8 * (value + 1) for values in kept.values() for value in values)
        assert verify(store) == []


def test_statistics_add_up(store: BlockStore) -> None:
    loose = store.block_path(add_block(store, "code", [torch.ones(100)], 4).identity)
    found = stats(store)
    assert (found.models, found.sets, found.blocks) == (2, 1, 4)
    assert found.distinct_bytes == 8 * (2 + 3 + 4 + 5)
    assert found.total_bytes == 8 * (2 + 3 + 4) + 8 * (2 + 3 + 5)
    assert found.sharing_factor == found.total_bytes / found.distinct_bytes
    assert (found.unreferenced_blocks, found.unreferenced_bytes) == (1, loose.stat().st_size)
    files = sum(path.stat().st_size for path in (store.root / "blocks").rglob("*.safetensors"))
    assert found.file_bytes + found.unreferenced_bytes == files
    assert replace(found, distinct_bytes=0).sharing_factor == 1


def test_only_a_store_is_opened(store: BlockStore, tmp_path: Path) -> None:
    assert open_store(store.root).model_ids() == ["b", "org/a"]
    with pytest.raises(StoreError, match="not a store of models"):
        open_store(tmp_path)
    with pytest.raises(StoreError, match="no such folder"):
        open_store(tmp_path / "nowhere")
    with pytest.raises(StoreError, match="cannot lock"):
        gc(BlockStore(tmp_path / "nowhere"))


def test_a_block_listed_with_two_sizes_is_found(store: BlockStore) -> None:
    first = store.model("b").blocks[0]
    wrong = Block(first.identity, first.parameter_bytes + 1, first.output_bytes)
    add_model(store, Candidate("c", (wrong,), None, ImagePreprocessing(8)))
    (problem,) = verify(store)
    assert str(store.manifest_path("c")) in problem


def test_what_only_saves_time_is_checked(store: BlockStore) -> None:
    built = split(torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU()), (torch.zeros(2, 3),))
    for name in ("whole", "damaged", "older", "without", "not finished"):
        serialization.write(store.architectures / name, built)
    edit(store.architectures / "damaged.json", lambda value: value["segments"][0].update(output_bytes=7))
    edit(store.architectures / "older.json", lambda value: value.pop("digest"))
    (store.architectures / "without.safetensors").unlink()
    (store.architectures / "not finished.json").unlink()
    profiles = store.root / "profiles"
    profiles.mkdir()
    for name, value in (("known", sealed({"load": 1})), ("changed", {**sealed({"load": 1}), "load": 2}), ("no", 5)):
        (profiles / f"{name}.json").write_text(json.dumps(value))
    problems = verify(store)
    named = [store.architectures / f"{name}.json" for name in ("damaged", "older", "without")]
    named += [profiles / f"{name}.json" for name in ("changed", "no")]
    assert sorted(problem.partition(": ")[0] for problem in problems) == sorted(map(str, named))


def test_models_and_sets_of_early_versions_are_a_line_each(store: BlockStore) -> None:
    """They had no digests."""
    paths = [store.manifest_path("org/a"), store.root / "sets" / "both.json"]
    for path in paths:
        value = json.loads(path.read_text())
        del value["digest"]
        path.write_text(json.dumps(value))
    problems = verify(store)
    assert len(problems) == 2
    for path in paths:
        (line,) = (problem for problem in problems if problem.startswith(f"{path}: "))
        assert "no digest" in line
        assert "again, or delete the file" in line


def test_features_of_models_that_are_gone_are_counted_and_collected(store: BlockStore) -> None:
    """What they hold is of no interest here: any search checks and makes them again."""
    kept, gone = (store.features / store.model(model_id).content / "x.safetensors" for model_id in ("b", "org/a"))
    layout, half = store.features / "layouts" / "y.json", kept.with_name(".x.safetensors.z.tmp")
    for path in (kept, gone, layout, half):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"123")
    assert stats(store).feature_bytes == 12
    store.manifest_path("org/a").unlink()
    assert set(gc(store, grace_s=0).files) >= {gone, half}
    assert kept.exists()
    assert layout.exists()
    assert stats(store).feature_bytes == 6
    assert not [line for line in verify(store) if str(store.features) in line]
