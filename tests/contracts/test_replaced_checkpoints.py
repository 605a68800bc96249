"""A checkpoint whose files were replaced under their names is read again, even if sizes and times are the same."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.contents import Contents
from alsatian.models.sets import ingest
from alsatian.models.sets.folder import add_path
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import RESNET, bert, resnet, save_bert, save_vit, vit, write_lora

LAYER = "vit.encoder.layer.0.attention.attention.query"


def make_models(root: Path) -> None:
    """One of every kind, and an adapter of one of them."""
    save_vit(vit(), root / "vit")
    (root / "vit" / "alsatian.json").write_text(json.dumps({"pooling": "mean_tokens"}))
    save_bert(bert(), root / "bert")
    (root / "bert" / "alsatian.json").write_text(json.dumps({"length": 12}))
    vit(seed=1).save_pretrained(root / "shards", max_shard_size="20KB")
    (root / "shards" / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 32, "width": 32}}))
    torch.save(resnet().state_dict(), root / "resnet.pt")
    (root / "resnet.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))
    write_lora(root / "adapter", "vit", [LAYER])


def last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def instead(old: str, new: str) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        assert content.count(old.encode()) >= 1
        return content.replace(old.encode(), new.encode(), 1)

    return change


def other_numbers(content: bytes) -> bytes:
    """In the middle of the file, among a layer's weights."""
    middle = len(content) // 2
    return content[:middle] + bytes(byte ^ 1 for byte in content[middle : middle + 4]) + content[middle + 4 :]


# The file, what happens to it, and the models that are others then.
CASES: dict[str, tuple[str, Callable[[bytes], bytes], set[str]]] = {
    "weights": ("vit/model.safetensors", other_numbers, {"vit", "adapter"}),
    "configuration": ("vit/config.json", instead("gelu", "relu"), {"vit", "adapter"}),
    "processor": ("vit/preprocessor_config.json", instead("0.25", "0.75"), {"vit", "adapter"}),
    "statement": ("vit/alsatian.json", instead("mean_tokens", "class_token"), {"vit", "adapter"}),
    "tokenizer": ("bert/tokenizer.json", instead('"a"', '"z"'), {"bert"}),
    "statement of a text model": ("bert/alsatian.json", instead("12", "11"), {"bert"}),
    "weights of a text model": ("bert/model.safetensors", other_numbers, {"bert"}),
    "shard": ("shards/model-00001-of-*.safetensors", other_numbers, {"shards"}),
    "PyTorch's weights": ("resnet.pt", other_numbers, {"resnet"}),
    "their statement": ("resnet.json", instead("32", "16"), {"resnet"}),
    "adapter": ("adapter/adapter_model.safetensors", last_bit, {"adapter"}),
    "settings of an adapter": ("adapter/adapter_config.json", instead('alpha": 4', 'alpha": 8'), {"adapter"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    make_models(root)
    return root


@pytest.fixture(scope="module")
def store(models: Path, tmp_path_factory: pytest.TempPathFactory) -> BlockStore:
    made = BlockStore(tmp_path_factory.mktemp("store"))
    assert add_path(made, models) == ["adapter", "bert", "resnet", "shards", "vit"]
    return made


@pytest.fixture
def replaced(models: Path) -> Iterator[Callable[..., Path]]:
    """Call to replace a file; afterwards it is as before."""
    undo: list[tuple[Path, bytes]] = []

    def replace(pattern: str, change: Callable[[bytes], bytes]) -> Path:
        (path,) = models.glob(pattern)
        content, status = path.read_bytes(), path.stat()
        undo.append((path, content))
        path.write_bytes(change(content))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert path.read_bytes() != content
        assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
        return path

    yield replace
    for path, content in undo:
        path.write_bytes(content)


def what(store: BlockStore) -> dict[str, Any]:
    """What every model is, apart from when and from where it was read."""
    read = {model_id: store.model(model_id) for model_id in store.model_ids()}
    return {name: (m.blocks, m.architecture, m.preprocessing) for name, m in read.items()}


@pytest.mark.parametrize("case", CASES)
def test_a_replaced_file_is_read_again(
    case: str, models: Path, store: BlockStore, replaced: Callable[..., Path], tmp_path: Path
) -> None:
    """What is stored is what a new store would hold."""
    pattern, change, others = CASES[case]
    add_path(store, models)
    before = what(store)
    replaced(pattern, change)
    add_path(store, models)
    after = what(store)
    assert {name for name in after if after[name] != before[name]} == others
    fresh = BlockStore(tmp_path)
    add_path(fresh, models)
    assert after == what(fresh)


def test_nothing_is_read_again_without_a_reason(
    models: Path, store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A touched file, and one that was written again with the same content, are none."""
    add_path(store, models)
    os.utime(models / "vit" / "model.safetensors")
    path = models / "bert" / "tokenizer.json"
    path.write_bytes(path.read_bytes())
    monkeypatch.setattr(ingest, "_read", lambda *_: pytest.fail("read again"))
    assert len(add_path(store, models)) == 5


def test_what_has_not_changed_is_not_even_opened_by_a_later_process(models: Path, store: BlockStore) -> None:
    add_path(store, models)
    kept = Contents(store.root / "contents" / "digests")._kept
    assert {Path(name).name for name in kept} >= {"model.safetensors", "tokenizer.json", "resnet.pt"}
