"""A large store is opened without reading every manifest again; what is remembered is never trusted over files."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian import contents
from alsatian.blocks.candidate import ArchitectureSpec, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import StoreError
from alsatian.models.reading.origins import Origins
from alsatian.store import headers, manifest
from alsatian.store.files.tensor_index import FILE
from alsatian.store.store import BlockStore
from alsatian.store.summaries import ORIGIN, Summaries, origin_of

MODELS = 50


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlockStore:
    """Fifty models of three blocks, of which they share the first; files just written count as settled."""
    monkeypatch.setattr(contents, "_SAME_STAMP_NS", -1)
    made = BlockStore(tmp_path / "store")
    with made.adding() as adding:
        for i in range(MODELS):
            add(adding, f"m{i:02}", float(i))
    made.add_set("few", ["m07", "m31"], {})
    return BlockStore(made.root)


def add(adding: Any, model_id: str, value: float) -> None:
    tensors = ([torch.zeros(9)], [torch.full((9,), value)], [torch.full((5,), value)])
    blocks = tuple(adding.add_block("code", t, 4) for t in tensors)
    place = {"path": f"/gone/{model_id}", "id": model_id, "statement": None}
    origin = {**place, "kind": "saved", "key": f"key {value}"}
    spec = ArchitectureSpec("torchvision", "resnet18")
    adding.add_model(Candidate(model_id, blocks, spec, ImagePreprocessing(8), {ORIGIN: origin}))


@pytest.fixture
def manifests(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The models whose manifests are read, from here on."""
    return counted(monkeypatch, manifest, "candidate_of", 1)


def counted(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, which: int) -> list[str]:
    """What function ``name`` of ``module`` is given as argument ``which``, call by call."""
    seen: list[str] = []
    work: Callable[..., Any] = getattr(module, name)

    def told(*given: Any) -> Any:
        seen.append(given[which])
        return work(*given)

    monkeypatch.setattr(module, name, told)
    return seen


def test_a_set_of_few_models_reads_their_manifests_alone(store: BlockStore, manifests: list[str]) -> None:
    assert len(store.model_ids()) == MODELS
    assert store.known_set("few") == ["m07", "m31"]
    assert Counter(manifests) == {"m07": 1, "m31": 1}


def test_all_models_are_read_once_and_then_what_is_new(store: BlockStore, manifests: list[str]) -> None:
    found = Summaries(store).all()
    assert (len(found), len(manifests)) == (MODELS, MODELS)
    assert [one.id for one in found] == store.model_ids()
    whole = store.model("m07")
    assert (found[7].architecture, found[7].parameter_bytes) == ("resnet18", whole.parameter_bytes)
    assert found[7].blocks == tuple((b.identity, b.parameter_bytes) for b in whole.blocks)
    assert found[7].origin == origin_of(whole)
    manifests.clear()
    assert Summaries(BlockStore(store.root)).all() == found
    assert manifests == []
    with store.adding() as adding:
        add(adding, "new", 99.0)
    store.manifest_path("m03").unlink()
    again = Summaries(store).all()
    assert {one.id for one in again} == {one.id for one in found} - {"m03"} | {"new"}
    assert manifests == ["new"]


@pytest.mark.parametrize("damage", ["missing", "cut off", "another content"])
def test_what_is_remembered_is_made_again(store: BlockStore, manifests: list[str], damage: str) -> None:
    found = Summaries(store).all()
    (place,) = (store.root / "contents").iterdir()
    whole = place.read_bytes()
    if damage == "missing":
        place.unlink()
    else:
        place.write_bytes(whole[:-9] if damage == "cut off" else whole.replace(b"resnet18", b"resnet34"))
    manifests.clear()
    assert Summaries(store).all() == found
    assert len(manifests) == MODELS
    assert place.read_bytes() == whole


def test_a_manifest_that_changed_is_read_again_whatever_it_looks_like(
    store: BlockStore, manifests: list[str]
) -> None:
    found = Summaries(store).all()
    path = store.manifest_path("m03")
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"resnet18", b"resnet34"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    manifests.clear()
    with pytest.raises(StoreError, match="'m03'"):
        Summaries(store).all()
    assert [one.id for one in Summaries(store).readable()] == [one.id for one in found if one.id != "m03"]
    assert set(manifests) == {"m03"}


def test_where_models_came_from_is_found_without_reading_the_others(
    store: BlockStore, manifests: list[str]
) -> None:
    Summaries(store).all()
    manifests.clear()
    copy = Origins(store).copy_of("key 7.0")
    assert copy is not None
    assert copy.id == "m07"
    assert Origins(store).copy_of("another key") is None
    assert Origins(store).files() == []  # their folders have gone
    assert manifests == ["m07"]


def test_a_search_of_few_models_reads_the_headers_of_their_blocks_alone(
    store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the index is missing that says which blocks share tensors with others."""
    (store.root / FILE).unlink()
    read = counted(monkeypatch, headers, "read_header", 2)
    blocks = {block.identity for model_id in ("m07", "m31") for block in store.model(model_id).blocks}
    assert store.borrowing(blocks) == blocks
    for identity in blocks:
        store.tensors(identity)
    assert sorted(read) == sorted(blocks)
    assert not (store.root / FILE).exists()
