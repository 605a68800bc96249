"""Folders of checkpoints become model sets; what cannot be read is named, one line each."""

import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

import alsatian
from alsatian.blocks.store import BlockStore
from alsatian.errors import ConfigError
from alsatian.models.architectures import build
from alsatian.models.folder import FolderSet, add_path
from alsatian.searching.strategy import Strategy
from baselines.base import Base

RESNET = {"source": "torchvision", "name": "resnet18", "size": 32}
VIT_BLOCKS = 4  # of the small vision transformer here


class Malicious:
    """Unpickling it makes the file that it names."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (exec, (f"open({str(self.marker)!r}, 'w').close()",))


def vit(seed=0, labels=3):
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(seed)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
        num_labels=labels,
    )  # fmt: skip
    return ViTForImageClassification(config).eval()


def save_vit(module, folder, **options):
    module.save_pretrained(folder, **options)
    value = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(value))
    return folder


def bert(seed=0):
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(seed)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, vocab_size=50,
        max_position_embeddings=16,
    )  # fmt: skip
    return BertForSequenceClassification(config).eval()


def save_bert(module, folder):
    module.save_pretrained(folder)
    Tokenizer(WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]")).save(str(folder / "tokenizer.json"))
    return folder


def resnet(seed=0):
    from torchvision.models import resnet18

    torch.manual_seed(seed)
    return resnet18(num_classes=5).eval()


def write_lora(folder, base, layers, rank=2, size=32):
    """An adapter of ``layers``, all of whose weights are ``size`` by ``size``."""
    folder.mkdir(parents=True)
    config = {"peft_type": "LORA", "base_model_name_or_path": base, "r": rank, "lora_alpha": 4}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    generator = torch.Generator().manual_seed(5)
    tensors = {}
    for layer in layers:
        tensors[f"base_model.model.{layer}.lora_A.weight"] = torch.randn(rank, size, generator=generator)
        tensors[f"base_model.model.{layer}.lora_B.weight"] = torch.randn(size, rank, generator=generator)
    save_file(tensors, folder / "adapter_model.safetensors")
    return tensors


def identities(store, model_id):
    return [block.identity for block in store.model(model_id).blocks]


def shared(store, ours, theirs):
    """Length of the common prefix."""
    pairs = zip(identities(store, ours), identities(store, theirs), strict=True)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), len(identities(store, ours)))


def features(store, model_id, *inputs):
    """What the stored blocks compute."""
    from alsatian.models.model_set import ModelSet

    opened = ModelSet.open(store, [model_id])
    state = inputs
    with torch.no_grad():
        for block in opened.candidates[0].blocks:
            segment = opened.segments[block.identity]
            state = segment(state, segment.prepare(store.load_block(block.identity, model_id)))
    return state[0]


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A store whose folder of exported architectures the tests share, so that each is exported once."""
    return tmp_path_factory.mktemp("exports")


@pytest.fixture
def store(tmp_path, exported):
    root = tmp_path / "store"
    root.mkdir()
    (root / "architectures").symlink_to(exported)
    return BlockStore(root)


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
    assert store.model("team/vit").preprocessing.settings() == {"size": 32, "mean": (0.5,) * 3, "std": (0.25,) * 3}
    assert store.model("team/bert").preprocessing.settings()["length"] == 16
    assert store.model("team/vit").architecture.pooling == "class_token"


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
    assert add_path(store, root / "sub", refused=[].append) == []  # nothing states it from there


def test_models_are_read_once_and_again_when_they_change(root, store):
    save_vit(vit(), root / "a")
    seen = []
    add_path(store, root, progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(0, 1), (1, 1)]
    manifest = next((store.root / "models").iterdir())
    before, blocks = manifest.stat().st_mtime_ns, identities(store, "a")
    add_path(store, root)
    assert manifest.stat().st_mtime_ns == before
    weights = root / "a" / "model.safetensors"
    os.utime(weights, ns=(1, 1))
    add_path(store, root)
    assert manifest.stat().st_mtime_ns != before
    assert identities(store, "a") == blocks
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


def test_a_moved_folder_is_known_and_another_model_of_one_id_is_refused(root, store, tmp_path):
    save_vit(vit(), root / "a")
    add_path(store, root)
    shutil.copytree(root, tmp_path / "moved")
    assert add_path(store, tmp_path / "moved") == ["a"]
    save_vit(vit(seed=1), tmp_path / "moved" / "a")
    with pytest.raises(ConfigError, match="the store has another model 'a', from"):
        add_path(store, tmp_path / "moved")


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


def test_adapters_with_an_unclear_base_or_layer_are_refused(root, store):
    save_vit(vit(), root / "one" / "base")
    save_vit(vit(seed=1), root / "two" / "base")
    write_lora(root / "unclear", "hub/base", ["vit.layers.0.attention.v_proj"])
    write_lora(root / "unknown", "one/base", ["vit.layers.9.attention.v_proj"])
    lines: list[str] = []
    assert add_path(store, root, refused=lines.append) == ["one/base", "two/base"]
    assert "its base 'hub/base' may be any of one/base, two/base" in lines[0]
    assert "the base has no layer 'vit.layers.9.attention.v_proj'" in lines[1]


def spoil(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_bad_models_are_one_line_each_and_the_others_are_added(root, store, tmp_path):
    marker = tmp_path / "marker"
    save_vit(vit(), root / "good")
    for name in ("code", "unknown", "quantized", "unnamed", "unweighted", "sizeless", "pickled", "short", "wide"):
        shutil.copytree(root / "good", root / name)
    spoil(root / "code", auto_map={"AutoModel": "evil.Model"})
    (root / "code" / "evil.py").write_text(f"open({str(marker)!r}, 'w')")
    spoil(root / "unknown", architectures=["ViTForImageClasification"])
    spoil(root / "quantized", quantization_config={"bits": 4})
    spoil(root / "unnamed", architectures=None)
    (root / "unweighted" / "model.safetensors").unlink()
    (root / "sizeless" / "preprocessor_config.json").unlink()
    (root / "pickled" / "model.safetensors").unlink()
    torch.save({"a": Malicious(marker)}, root / "pickled" / "pytorch_model.bin")
    state = load_file(root / "good" / "model.safetensors")
    cls = "vit.embeddings.cls_token"
    save_file({n: t for n, t in state.items() if n != cls}, root / "short" / "model.safetensors")
    save_file({**state, cls: torch.zeros(1, 1, 16)}, root / "wide" / "model.safetensors")
    torch.save(resnet().state_dict(), root / "lonely.pt")
    (root / "old.pkl").write_bytes(pickle.dumps(Malicious(marker)))
    (root / "deep").mkdir()
    torch.save(resnet().state_dict(), root / "deep" / "x.pt")
    save_file({"conv1.weight": torch.zeros(1)}, root / "deep" / "x.safetensors")
    (root / "deep" / "x.json").write_text(json.dumps(RESNET))
    (root / "deep" / "y.json").write_text(json.dumps({**RESNET, "sizes": 3}))
    torch.save({}, root / "deep" / "y.pt")

    lines: list[str] = []
    assert add_path(store, root, refused=lines.append) == ["deep/x", "good"]
    assert not marker.exists()
    assert all("\n" not in line for line in lines)
    expected = {
        "code/config.json: is refused: auto_map asks for code of its own",
        "unknown/config.json: transformers has no model class 'ViTForImageClasification'; "
        "did you mean 'ViTForImageClassification'?",
        "quantized/config.json: is refused: quantized weights",
        "unnamed/config.json: names no class of transformers",
        "unweighted: has config.json but no weights",
        "sizeless: has no preprocessor_config.json; write",
        "pickled/pytorch_model.bin: is refused: it holds pickled code",
        f"short/model.safetensors: has no parameter '{cls}'; the architecture needs it in shape [1, 1, 32]",
        f"wide/model.safetensors: '{cls}' has shape [1, 1, 16]; the architecture needs [1, 1, 32]",
        "lonely.pt: nothing states its architecture; write e.g. {",
        "old.pkl: is refused: weights are read from",
        "x.safetensors: has the id 'deep/x', as has x.pt",
        "deep/y.json: 'sizes' is unknown; did you mean 'size'?",
    }
    for text in expected:
        assert sum(text in line for line in lines) == 1, (text, lines)
    assert len(lines) == len(expected)

    with pytest.raises(ConfigError, match="13 of 15 models cannot be used:\n") as caught:
        add_path(store, root)
    assert len(str(caught.value).splitlines()) == 14


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"name": "resnet19", "size": 32}, "torchvision has no model 'resnet19'; did you mean"),
        ({"name": "resnet18", "size": 32, "options": {"depth": 1}}, "does not take"),
        ({"name": "resnet18"}, "size=None is no input size"),
        ({"name": "resnet18", "size": 32, "mean": [1]}, "mean=[1]"),
        ({"size": 32}, "states no architecture of torchvision"),
    ],
)
def test_bad_statements_end_in_one_line(root, store, statement, message):
    torch.save(resnet().state_dict(), root / "a.pt")
    (root / "a.json").write_text(json.dumps(statement))
    with pytest.raises(ConfigError) as caught:
        add_path(store, root)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"bn1.running_var": None},
            "a.pt: has no parameter 'bn1.running_var'; the architecture needs it in shape [64]",
        ),
        (
            {"conv1.weight": torch.zeros(2)},
            "a.pt: 'conv1.weight' has shape [2]; the architecture needs [64, 3, 7, 7]",
        ),
        ({"fc.weight": None, "fc.bias": torch.zeros(9), "ema": torch.zeros(1)}, None),
    ],
)
def test_parameters_of_the_extractor_are_needed_and_others_are_not(root, store, change, message):
    state = {**resnet().state_dict(), **change}
    torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, root / "a.pt")
    (root / "a.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))
    if message is None:
        assert add_path(store, root) == ["a"]
        return
    with pytest.raises(ConfigError) as caught:
        add_path(store, root)
    assert str(caught.value) == f"{root}/{message}"


@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({"size": 48}, 48),
        ({"size": {"shortest_edge": 48}, "do_center_crop": True, "crop_size": {"height": 32, "width": 32}}, 32),
        ({"size": {"shortest_edge": 48}, "crop_size": 32}, 48),
        ({"size": {"height": 32, "width": 48}}, None),
        ({"do_normalize": True}, None),
    ],
)
def test_sizes_of_preprocessors(tmp_path, value, size):
    from alsatian.models.inputs import image_of

    (tmp_path / "preprocessor_config.json").write_text(json.dumps(value))
    if size is None:
        with pytest.raises(ConfigError, match="preprocessor_config"):
            image_of(tmp_path, {})
        return
    assert image_of(tmp_path, {}).size == size
    assert image_of(tmp_path, {"size": 64}).size == 64


def test_paths_without_models(root, store):
    with pytest.raises(ConfigError, match="holds no model"):
        add_path(store, root)
    with pytest.raises(ConfigError, match="there is no such folder or file"):
        add_path(store, root / "nothing")
    (root / "a.gguf").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"a\.gguf: is refused"):
        add_path(store, root / "a.gguf")
    with pytest.raises(ConfigError, match=r"model_set\.path"):
        FolderSet(path=None)


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
        for strategy in (Base(), Strategy(schedule=Base().schedule))
    ]
    assert results[0].rounds[-1].scores == results[1].rounds[-1].scores
    assert results[0].rounds[-1].fingerprints == results[1].rounds[-1].fingerprints
    assert results[0].ranking == results[1].ranking


def test_the_stored_architecture_builds_the_same_extractor(root, store):
    save_vit(vit(), root / "a")
    add_path(store, root)
    candidate = store.model("a")
    rebuilt = build(candidate.architecture, candidate.preprocessing)
    assert rebuilt.pooling == "class_token"
    assert len(candidate.blocks) >= VIT_BLOCKS
