"""Folders of checkpoints become model sets."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import alsatian
from alsatian.errors import ConfigError
from alsatian.models.reading.architectures import architecture, build
from alsatian.models.reading.discovery import ModelFiles
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.sets import ingest
from alsatian.models.sets.folder import FolderSet, add_path
from alsatian.models.sets.ingest import add_models
from alsatian.progress import unheard
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from experiments.configuration.setup import strategy_named
from tests.models.reading.checkpoint_files import (
    RESNET,
    bert,
    features,
    identities,
    resnet,
    save_bert,
    save_vit,
    shared,
    vit,
    write_lora,
)  # fmt: skip


@pytest.fixture
def store(tmp_path):
    return BlockStore(tmp_path / "store")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def test_every_layout_is_found_and_computes_what_its_library_does(root, store):
    pixels = torch.randn(3, 3, 32, 32)
    ids = torch.randint(0, 50, (3, 16))
    mask = torch.ones(3, 16, dtype=torch.int64)
    models = {"vit": vit(), "bert": bert(), "resnet": resnet()}
    save_vit(models["vit"], root / "team" / "vit")
    save_bert(models["bert"], root / "team" / "bert")
    save_file(models["resnet"].state_dict(), root / "cnn.safetensors")
    (root / "cnn.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))
    (root / "notes.txt").write_text("not a model")
    assert add_path(store, root) == ["cnn", "team/bert", "team/vit"]

    models["resnet"].fc = torch.nn.Identity()
    with torch.no_grad():
        expected = {
            "team/vit": models["vit"].vit(pixels).last_hidden_state[:, 0],
            "team/bert": models["bert"].bert(ids, attention_mask=mask).last_hidden_state.mean(1),
            "cnn": models["resnet"](pixels),
        }
    for model_id, wanted in expected.items():
        inputs = (ids, mask) if model_id == "team/bert" else (pixels,)
        torch.testing.assert_close(features(store, model_id, *inputs), wanted, rtol=1e-5, atol=1e-6)
    processed = store.model("team/vit").preprocessing.settings()
    assert (processed["name"], processed["height"], processed["width"]) == ("ViTImageProcessorPil", 32, 32)
    assert (processed["given"]["image_mean"], processed["given"]["image_std"]) == ([0.5] * 3, [0.25] * 3)
    assert store.model("team/bert").preprocessing.settings()["length"] == 16
    assert store.model("team/vit").architecture.pooling == "head_input"


def test_task_models_and_base_models_share_everything(root, store):
    module = bert()
    save_bert(module, root / "task")
    save_bert(module.bert, root / "base")
    add_path(store, root)
    assert identities(store, "task") == identities(store, "base")


def test_frozen_first_layers_are_shared_whatever_the_head(root, store):
    save_vit(vit(labels=3), root / "base")
    other = vit(labels=7)
    with torch.no_grad():
        other.vit.layers[1].mlp.fc1.weight.add_(1)
    save_vit(other, root / "tuned")
    add_path(store, root)
    blocks = identities(store, "base")
    changed = [i for i, (a, b) in enumerate(zip(blocks, identities(store, "tuned"), strict=True)) if a != b]
    assert len(changed) == 1
    assert 0 < shared(store, "base", "tuned") == changed[0]
    assert store.model("base").architecture == store.model("tuned").architecture


def test_shards_half_precision_and_files_of_pytorch(root, store):
    module = vit()
    save_vit(module, root / "whole")
    save_vit(module, root / "sharded", max_shard_size="20KB")
    assert (root / "sharded" / "model.safetensors.index.json").exists()
    save_vit(module, root / "torch")
    torch.save(load_file(root / "torch" / "model.safetensors"), root / "torch" / "pytorch_model.bin")
    (root / "torch" / "model.safetensors").unlink()
    save_vit(vit().to(torch.bfloat16), root / "half")
    add_path(store, root)
    assert identities(store, "whole") == identities(store, "sharded") == identities(store, "torch")
    assert len(identities(store, "half")) == len(identities(store, "whole"))  # it runs in float32 as well


def test_what_is_stated_for_a_folder_holds_for_its_files(root, store):
    state = {f"module.{name}": tensor for name, tensor in resnet().state_dict().items()}
    (root / "sub").mkdir()
    torch.save({"state_dict": state, "epoch": 1}, root / "sub" / "a.pt")
    torch.save(resnet().state_dict(), root / "sub" / "b.pth")
    (root / "alsatian.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))
    assert add_path(store, root) == ["sub/a", "sub/b"]
    assert identities(store, "sub/a") == identities(store, "sub/b")
    other = BlockStore(root.parent / "other")
    lines: list[str] = []
    assert add_path(other, root / "sub", refused=lambda _, line: lines.append(line)) == ["a", "b"]
    assert store.model("sub/a").preprocessing != other.model("a").preprocessing  # nothing states a size from there


def test_models_are_read_once_and_again_when_they_change(root, store):
    save_vit(vit(), root / "a")
    seen = []
    add_path(store, root, progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(0, 1), (1, 1)]
    manifest = next((store.root / "models").iterdir())
    before, blocks = manifest.stat().st_mtime_ns, identities(store, "a")
    add_path(store, root)
    assert manifest.stat().st_mtime_ns == before
    os.utime(root / "a" / "model.safetensors", ns=(1, 1))
    add_path(store, root)
    assert manifest.stat().st_mtime_ns == before
    save_vit(vit(seed=1), root / "a")
    add_path(store, root)
    assert identities(store, "a") != blocks


def test_a_block_that_was_lost_is_made_again(root, store):
    save_vit(vit(), root / "a")
    add_path(store, root)
    path = store.block_path(identities(store, "a")[0])
    path.unlink()
    add_path(store, root)
    assert path.exists()


def test_a_manifest_that_was_damaged_is_made_again(root, store):
    save_vit(vit(), root / "a")
    add_path(store, root)
    before = store.model("a")
    store.manifest_path("a").write_bytes(b"{")
    add_path(store, root)
    assert store.model("a") == before


def test_a_moved_folder_is_known(root, store, tmp_path):
    save_vit(vit(), root / "a")
    add_path(store, root)
    shutil.move(root, tmp_path / "moved")
    assert add_path(store, tmp_path / "moved") == ["a"]


@pytest.mark.parametrize("kind", ["folders", "files", "adapters"])
def test_models_of_one_id_in_different_folders_are_different_models(kind, root, store, tmp_path):
    """Over several calls, in any order, and again when one of them has changed."""
    places, base = [root / name for name in ("one", "two", "three")], vit()
    save_vit(base, tmp_path / "bases" / "base")
    add_path(store, tmp_path / "bases")

    def save(place, seed):
        if kind == "folders":
            save_vit(vit(seed=seed), place / "m")
        elif kind == "files":
            place.mkdir(parents=True, exist_ok=True)
            torch.save(resnet(seed=seed).state_dict(), place / "m.pt")
            (place / "m.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))
        else:
            shutil.rmtree(place / "m", ignore_errors=True)
            write_lora(place / "m", "base", [f"vit.layers.{seed % 2}.attention.{'qkv'[seed % 3]}_proj"])

    for seed, place in enumerate(places):
        save(place, seed)
    ids = [add_path(store, place) for place in places]
    assert ids[0] == ["m"]
    assert len({model_id for (model_id,) in ids}) == 3
    assert all(model_id.startswith("m~") for (model_id,) in ids[1:])
    assert [add_path(store, place) for place in reversed(places)] == ids[::-1]
    alone = BlockStore(tmp_path / "alone")
    add_path(alone, tmp_path / "bases")
    add_path(alone, places[1])
    assert identities(store, ids[1][0]) == identities(alone, "m")
    before = [identities(store, model_id) for (model_id,) in ids]
    save(places[1], 5)
    assert add_path(store, places[1]) == ids[1]
    after = [identities(store, model_id) for (model_id,) in ids]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, False, True]


def test_a_model_has_its_name_in_a_set_whatever_the_store_calls_it(root, store, tmp_path):
    for seed, name in enumerate(("x", "y")):
        save_vit(vit(seed=seed), root / name / "m")
    x, y = (FolderSet(path=root / name).open(store) for name in ("x", "y"))
    assert [c.id for c in (*x.candidates, *y.candidates)] == ["m", "m"]
    assert x.digest != y.digest == FolderSet(path=root / "y").open(BlockStore(tmp_path / "other")).digest


def test_a_copy_is_not_read_again(root, store, monkeypatch):
    """Nor one whose folder has another name; each is a model of its own."""
    save_vit(vit(), root / "a")
    add_path(store, root)
    monkeypatch.setattr(ingest, "_read", lambda *_: pytest.fail("read again"))
    shutil.copytree(root / "a", root / "b")
    assert add_path(store, root) == ["a", "b"]
    assert identities(store, "a") == identities(store, "b")
    (root / "a").rename(root / "c")
    assert add_path(store, root) == ["b", "c"]


def test_what_took_the_place_of_a_moved_model_is_another_one(root, store):
    """Even where both are added at once, and the moved one is still stored under the place of the other."""
    save_vit(vit(), root / "z" / "m")
    add_path(store, root / "z")
    (root / "z").rename(root / "a")
    save_vit(vit(seed=1), root / "z" / "m")
    files = [ModelFiles("m", "saved", root / place / "m") for place in ("a", "z")]
    added, bad = add_models(store, files, Reading(), "", unheard)
    assert not bad
    ours, theirs = (identities(store, added[file]) for file in files)
    assert ours != theirs
    fresh = BlockStore(root / "fresh")
    assert add_path(fresh, root / "a") == ["m"]
    assert identities(fresh, "m") == ours


def test_an_adapter_shares_all_blocks_of_its_base_but_the_adapted(root, store):
    module = vit()
    save_vit(module, root / "hub" / "base")
    # As the files name the layer, and as the module does.
    tensors = write_lora(root / "old", "hub/base", ["vit.encoder.layer.1.attention.attention.query"])
    write_lora(root / "new", "someone/base", ["vit.layers.1.attention.q_proj"])
    assert add_path(store, root) == ["hub/base", "new", "old"]
    assert identities(store, "old") == identities(store, "new")
    blocks = identities(store, "hub/base")
    changed = [i for i, (a, b) in enumerate(zip(blocks, identities(store, "old"), strict=True)) if a != b]
    assert len(changed) == 1
    assert changed[0] > 0

    a, b = (
        tensors[f"base_model.model.vit.encoder.layer.1.attention.attention.query.lora_{s}.weight"] for s in "AB"
    )
    layer = module.vit.layers[1].attention.q_proj
    # The adapted layer as peft runs it: beside the base's, not merged.
    layer.register_forward_hook(lambda _, inputs, output: output + 4 / 2 * (inputs[0] @ a.T @ b.T))
    pixels = torch.randn(3, 3, 32, 32)
    with torch.no_grad():
        expected = module.vit(pixels).last_hidden_state[:, 0]
    torch.testing.assert_close(features(store, "old", pixels), expected, rtol=1e-4, atol=1e-5)


def test_the_base_of_an_adapter_may_be_in_a_folder_that_was_added_before(root, store, tmp_path):
    save_vit(vit(), tmp_path / "bases" / "base")
    write_lora(root / "tuned", "hub/base", ["vit.layers.0.attention.v_proj"])
    with pytest.raises(ConfigError, match="its base 'hub/base' is not in this folder"):
        add_path(store, root)
    add_path(store, tmp_path / "bases")
    assert add_path(store, root) == ["tuned"]
    assert store.model("tuned").metadata["base"] == "base"


def test_search_over_a_folder_gives_the_scores_of_base(root, store):
    save_vit(vit(), root / "base")
    tuned = vit()
    with torch.no_grad():
        tuned.vit.layers[1].mlp.fc2.weight.mul_(-1)
    save_vit(tuned, root / "tuned")
    write_lora(root / "lora", "base", ["vit.layers.1.attention.v_proj"])
    shutil.copytree(root / "base", root / "skipped")
    models = FolderSet(path=root, exclude=["skip*"]).open(store)
    assert [c.id for c in models.candidates] == ["base", "lora", "tuned"]
    assert models.distinct_bytes < 0.7 * models.total_bytes
    again = FolderSet(path=root, exclude=["skip*"]).open(store)
    assert again.digest == models.digest

    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = (rng.integers(0, 128, (80, 32, 32, 3)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    results = [
        alsatian.search(models, (images, labels), strategy=strategy, batch_size=16, verify=True)
        for strategy in (strategy_named("base"), Strategy(schedule=strategy_named("base").schedule))
    ]
    assert results[0].rounds[-1].scores == results[1].rounds[-1].scores
    assert results[0].rounds[-1].fingerprints == results[1].rounds[-1].fingerprints
    assert results[0].ranked == results[1].ranked


def test_the_stored_architecture_builds_the_same_extractor(root, store):
    save_vit(vit(), root / "a")
    add_path(store, root)
    candidate = store.model("a")
    rebuilt = build(candidate.architecture, candidate.preprocessing)
    assert rebuilt.pooling == "head_input"
    built = architecture(candidate.architecture, candidate.preprocessing)
    assert [segment.output_bytes for segment in built.segments] == [
        block.output_bytes for block in candidate.blocks
    ]
    assert built.parameters_of(rebuilt)
