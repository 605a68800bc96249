"""What cannot be read from a folder is refused by name, one line each, and nothing of it is run."""

import json
import os
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from alsatian.errors import ConfigError, SplitError
from alsatian.models.sets.folder import FolderSet, add_path
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import RESNET, Malicious, resnet, save_vit, vit, write_lora


@pytest.fixture
def store(tmp_path):
    return BlockStore(tmp_path / "store")


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def test_adapters_with_an_unclear_base_or_layer_are_refused(root, store):
    save_vit(vit(), root / "one" / "base")
    save_vit(vit(seed=1), root / "two" / "base")
    write_lora(root / "unclear", "hub/base", ["vit.layers.0.attention.v_proj"])
    write_lora(root / "unknown", "one/base", ["vit.layers.9.attention.v_proj"])
    lines: list[str] = []
    assert add_path(store, root, refused=lambda _, line: lines.append(line)) == ["one/base", "two/base"]
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
    torch.save(torch.nn.Linear(2, 2).state_dict(), root / "lonely.pt")
    (root / "old.pkl").write_bytes(pickle.dumps(Malicious(marker)))
    (root / "deep").mkdir()
    torch.save(resnet().state_dict(), root / "deep" / "x.pt")
    save_file({"conv1.weight": torch.zeros(1)}, root / "deep" / "x.safetensors")
    (root / "deep" / "x.json").write_text(json.dumps(RESNET))
    (root / "deep" / "y.json").write_text(json.dumps({**RESNET, "sizes": 3}))
    torch.save({}, root / "deep" / "y.pt")

    lines: list[str] = []
    assert add_path(store, root, refused=lambda _, line: lines.append(line)) == ["deep/x", "good"]
    assert not marker.exists()
    assert all("\n" not in line for line in lines)
    expected = {
        "code/config.json: is refused: auto_map asks for code of its own",
        "unknown/config.json: transformers has no model class 'ViTForImageClasification'; "
        "did you mean 'ViTForImageClassification'?",
        "quantized/config.json: is refused: quantized weights",
        "unnamed/config.json: names no class of transformers",
        "unweighted: has config.json but no weights",
        "sizeless: has no processor_config.json or preprocessor_config.json; write",
        "pickled/pytorch_model.bin: is refused: it holds pickled code",
        f"short/model.safetensors: has no parameter '{cls}'; the architecture needs it in shape [1, 1, 32]",
        f"wide/model.safetensors: '{cls}' has shape [1, 1, 16]; the architecture needs [1, 1, 32]",
        "lonely.pt: nothing states its architecture, and its parameters are those of no builder of torchvision",
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
        (
            {"name": "VisionTransformer"},
            "a.pt: torchvision has no weights, and so no transforms, for VisionTransformer",
        ),
        ({"name": "resnet18", "transforms": "IMAGENET1K_V9"}, "transforms=IMAGENET1K_V9: did you mean"),
        ({"name": "resnet18", "size": None}, "a.json: an image size of None pixels"),
        ({"name": "resnet18", "size": 32, "mean": [1]}, "a.json: images cannot be normalised with mean=(1.0,)"),
        ({"name": "resnet18", "size": 32, "mean": "1"}, "a.json: mean=1: one number for each of 3 channels"),
        (
            {"source": "keras", "name": "resnet18", "size": 32},
            "source='keras', name='resnet18': a model of torchvision",
        ),
        ({"name": 18, "size": 32}, "name=18: a model of torchvision or timm"),
        ({"source": "timm", "size": 32}, "states no name of a model of timm"),
        ({"name": "resnet18", "size": 32, "options": [1]}, "a.json: options=[1]"),
        ({"name": "resnet18", "size": 32, "std": [0, 1, 1]}, "a.json: images cannot be normalised"),
        ({"name": "resnet18", "size": 32, "length": "long"}, "a.json: length='long'"),
        ({"name": "resnet18", "size": 32, "pooling": "most"}, "pooling 'most' is unknown"),
    ],
)
def test_bad_statements_end_in_one_line(root, store, statement, message):
    torch.save(resnet().state_dict(), root / "a.pt")
    (root / "a.json").write_text(json.dumps(statement))
    with pytest.raises(ConfigError) as caught:
        add_path(store, root)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(root / "a."))
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused_and_never_waited_for(root, store):
    save_vit(vit(), root / "good")
    (root / "link.safetensors").symlink_to(root / "nothing")
    os.mkfifo(root / "pipe.pt")
    for name in ("linked", "piped"):
        shutil.copytree(root / "good", root / name)
        (root / name / "model.safetensors").unlink()
    (root / "linked" / "model.safetensors").symlink_to(root / "nothing")
    os.mkfifo(root / "piped" / "model.safetensors")
    lines: list[str] = []
    assert add_path(store, root, refused=lambda _, line: lines.append(line)) == ["good"]
    found = {line.partition(": ")[0].removeprefix(f"{root}/") for line in lines}
    assert found == {"link.safetensors", "pipe.pt", "linked", "piped"}


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.float8_e4m3fn])
def test_quantized_weights_are_refused_since_their_scales_would_be_lost(root, store, dtype):
    path = save_vit(vit(), root / "a") / "model.safetensors"
    name = "vit.embeddings.patch_embeddings.projection.weight"
    state = load_file(path)
    save_file({**state, name: state[name].to(dtype)}, path)
    with pytest.raises(ConfigError, match=rf"model\.safetensors: is refused: '{name}' is quantized"):
        add_path(store, root)


def test_a_model_that_cannot_be_split_is_named(root, store, monkeypatch):
    def refuse(*_, **__):
        raise SplitError("TextExtractor cannot be exported: no\nreason")

    save_vit(vit(), root / "a")
    torch.save(resnet().state_dict(), root / "b.pt")
    (root / "b.json").write_text(json.dumps(RESNET))
    for name in ("saved_models", "state_models"):
        monkeypatch.setattr(f"alsatian.models.reading.{name}.architecture", refuse)
    lines: list[str] = []
    add_path(store, root, refused=lambda _, line: lines.append(line))
    expected = [f"{root / name}: cannot be split: TextExtractor cannot be exported: no" for name in ("a", "b.pt")]
    assert lines == expected


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
