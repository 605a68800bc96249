"""Models' own classifiers: with the features they give what the library's whole model gives, or say why not."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from alsatian.blocks.candidate import Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError, StoreError
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.features.classifiers import Classifier, LinearHead, classifier_in
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.saved_models import open_folder
from alsatian.models.reading.state_models import open_state
from alsatian.models.reading.torchvision_files import without_values
from alsatian.models.sets.folder import add_path
from alsatian.models.source_heads import source_heads
from alsatian.store.maintenance import gc, verify
from alsatian.store.store import BlockStore

SIDE = 32
PIXELS = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
VIT = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "patch_size": 16,
    "image_size": SIDE,
}  # fmt: skip


def of_torchvision(folder: Path, name: str, classes: int = 7, **options: Any) -> nn.Module:
    torch.manual_seed(classes)
    module = getattr(models, name)(num_classes=classes, **options).eval()
    folder.mkdir(exist_ok=True)
    save_file(module.state_dict(), folder / f"{name}-{classes}.safetensors")
    stated = {"source": "torchvision", "name": name, "options": options, "size": SIDE}
    (folder / f"{name}-{classes}.json").write_text(json.dumps(stated))
    return module


def of_timm(folder: Path, name: str, **options: Any) -> nn.Module:
    torch.manual_seed(0)
    module = timm.create_model(name, num_classes=7, **options).eval()
    folder.mkdir()
    save_file(module.state_dict(), folder / "m.safetensors")
    stated = {"source": "timm", "name": name, "options": options, "size": SIDE}
    (folder / "m.json").write_text(json.dumps(stated))
    return module


def of_transformers(folder: Path, kind: str, options: dict[str, Any], labels: int = 7) -> Any:
    torch.manual_seed(labels)
    model_class = getattr(transformers, kind)
    module = model_class(model_class.config_class(**options, num_labels=labels)).eval()
    module.save_pretrained(folder)
    (folder / "alsatian.json").write_text(json.dumps({"size": SIDE}))
    return module


MAPS = {"hidden_sizes": [8, 16], "depths": [1, 1], "embedding_size": 8, "layer_type": "basic"}
KEPT: dict[str, Callable[[Path], Any]] = {
    "torchvision's resnet18": lambda folder: of_torchvision(folder, "resnet18"),
    "timm's resnet10t": lambda folder: of_timm(folder, "resnet10t"),
    "timm's vit": lambda folder: of_timm(folder, "test_vit", img_size=SIDE),
    "timm's convnext": lambda folder: of_timm(folder, "test_convnext"),
    "a ViT of transformers": lambda folder: of_transformers(folder, "ViTForImageClassification", VIT),
    "a ResNet of transformers": lambda folder: of_transformers(folder, "ResNetForImageClassification", MAPS),
}


@pytest.mark.parametrize("kind", KEPT)
def test_features_and_head_give_what_the_whole_model_gives(kind: str, tmp_path: Path) -> None:
    whole = KEPT[kind](tmp_path / "m")
    store = BlockStore(tmp_path / "store")
    (model_id,) = add_path(store, tmp_path / "m")
    candidate = store.model(model_id)
    assert candidate.metadata["head"]["classes"] == 7
    with torch.no_grad():
        logits = whole(PIXELS)
        expected = torch.softmax(getattr(logits, "logits", logits), dim=1)
        found = source_heads(store, [candidate])[model_id](_features(store, model_id))
    torch.testing.assert_close(found, expected.double(), rtol=1e-4, atol=1e-5)


def _features(store: BlockStore, model_id: str) -> torch.Tensor:
    """Features of ``PIXELS``, block by block."""
    opened = ModelSet.open(store, [model_id])
    state: Any = (PIXELS,)
    for block in opened.candidates[0].blocks:
        segment = opened.segments[block.identity]
        state = segment(state, segment.prepare(store.load_block(block.identity, model_id)))
    return state[0]


def test_models_that_share_their_features_have_heads_of_their_own(tmp_path: Path) -> None:
    one = of_transformers(tmp_path / "m" / "a", "ViTForImageClassification", VIT)
    state = one.state_dict()
    other = transformers.ViTForImageClassification(transformers.ViTConfig(**VIT, num_labels=3))
    other.vit.load_state_dict(one.vit.state_dict())
    other.save_pretrained(tmp_path / "m" / "b")
    (tmp_path / "m" / "b" / "alsatian.json").write_text(json.dumps({"size": SIDE}))
    store = BlockStore(tmp_path / "store")
    a, b = (store.model(model_id) for model_id in add_path(store, tmp_path / "m"))
    assert a.blocks == b.blocks
    assert a.head != b.head
    heads, features = source_heads(store, [a, b]), torch.randn(2, 32)
    assert [tuple(heads[i](features).shape) for i in "ab"] == [(2, 7), (2, 3)]
    expected = torch.softmax(features @ state["classifier.weight"].T + state["classifier.bias"], dim=1)
    torch.testing.assert_close(heads["a"](features), expected.double(), rtol=1e-5, atol=1e-6)
    # They stay, whatever is collected, and prove themselves.
    assert gc(store, 0).files == ()
    assert verify(store) == []
    path = store.assets / str(a.head)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    (line,) = verify(store)
    assert line == f"{path}: damaged classifier of model 'a'; add the model again"
    with pytest.raises(StoreError, match="damaged classifier of model 'a'"):
        source_heads(store, [a])
    path.unlink()
    with pytest.raises(StoreError, match="cannot read the classifier of model 'a'"):
        source_heads(store, [a])
    add_path(store, tmp_path / "m")  # reads again what lacks a file
    assert source_heads(store, [a])["a"](features).equal(heads["a"](features))


def test_a_classifier_that_came_with_an_adapter(tmp_path: Path) -> None:
    base = transformers.ViTModel(transformers.ViTConfig(**VIT))
    base.save_pretrained(tmp_path / "m" / "base")
    (tmp_path / "m" / "base" / "alsatian.json").write_text(json.dumps({"size": SIDE}))
    task = transformers.ViTForImageClassification(transformers.ViTConfig(**VIT, num_labels=5))
    task.vit.load_state_dict(base.state_dict(), strict=False)
    config = LoraConfig(r=2, target_modules=["q_proj", "query"], modules_to_save=["classifier"])
    adapted = get_peft_model(task, config)
    adapted.peft_config["default"].base_model_name_or_path = str(tmp_path / "m" / "base")
    adapted.save_pretrained(tmp_path / "m" / "adapter")
    store = BlockStore(tmp_path / "store")
    assert add_path(store, tmp_path / "m") == ["adapter", "base"]
    features = torch.randn(2, 32)
    head = source_heads(store, [store.model("adapter")])["adapter"]
    with torch.no_grad():
        expected = torch.softmax(task.classifier(features), dim=1)
    torch.testing.assert_close(head(features), expected.double(), rtol=1e-5, atol=1e-6)
    with pytest.raises(
        ConfigError, match=r"model 'base': its files hold no classifier .* there is no 'classifier'"
    ):
        source_heads(store, [store.model("base")])


NOT_LINEAR = {
    "alexnet": r"no linear function of the features \(Linear, ReLU, Linear, ReLU, Linear\)",
    "vgg11": r"no linear function of the features \(Linear, ReLU, Linear, ReLU, Linear\)",
    "mobilenet_v3_small": r"no linear function of the features \(Linear, Hardswish, Linear\)",
    "convnext_tiny": r"no linear function of the features \(LayerNorm2d, Linear\)",
    "squeezenet1_1": r"no linear function of the features \(Conv2d, ReLU, AdaptiveAvgPool2d\)",
    "maxvit_t": r"no linear function of the features \(AdaptiveAvgPool2d, LayerNorm, Linear, Tanh, Linear\)",
}


@pytest.mark.parametrize("name", NOT_LINEAR)
def test_classifiers_with_more_than_a_linear_layer_are_not_kept(name: str) -> None:
    found = classifier_in(without_values(lambda: getattr(models, name)()))
    assert isinstance(reason := found.values({}, "none", 8), str)
    assert re.search(NOT_LINEAR[name], reason)


@pytest.mark.parametrize(
    "name", ["resnet50", "densenet121", "swin_t", "vit_b_16", "efficientnet_b0", "regnet_y_400mf"]
)
def test_linear_ones_are_found_where_the_library_has_them(name: str) -> None:
    module = without_values(lambda: getattr(models, name)())
    layer = module.get_submodule(classifier_in(module).layer)
    assert isinstance(layer, nn.Linear)
    assert layer.out_features == 1000


def test_classifiers_of_texts_are_given_other_features() -> None:
    tiny = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    module = transformers.BertForSequenceClassification(transformers.BertConfig(**tiny, vocab_size=20))
    for pooling in (None, "mean_tokens", "class_token"):
        found = classifier_in(module, pooling).values(module.state_dict(), pooling or "mean_tokens", 8)
        assert found == "the features of a BertForSequenceClassification are not what a classifier is given"


def test_a_classifier_of_the_last_token_is_kept_with_its_pooling() -> None:
    options = {"n_embd": 8, "n_layer": 1, "n_head": 2, "vocab_size": 20, "pad_token_id": 0}
    module = transformers.GPT2ForSequenceClassification(transformers.GPT2Config(**options, num_labels=3)).eval()
    head = classifier_in(module, "last_token").values(module.state_dict(), "last_token", 8)
    assert isinstance(head, LinearHead)
    tokens, mask = torch.tensor([[5, 6, 7, 0], [5, 6, 7, 8]]), torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    with torch.no_grad():
        hidden = module.transformer(input_ids=tokens, attention_mask=mask).last_hidden_state
        expected = module(input_ids=tokens, attention_mask=mask).logits
        found = hidden[torch.arange(2), mask.sum(1) - 1] @ head.weight.T + head.bias
    torch.testing.assert_close(found, expected)


LINEAR = Classifier("fc")
WEIGHT = torch.ones(3, 4)


@pytest.mark.parametrize(
    ("state", "pooling", "reason"),
    [
        ({}, "none", "its files hold no classifier that is known: there is no 'fc'"),
        (
            {"fc.1.weight": WEIGHT},
            "none",
            "its files hold no classifier that is known: 'fc.1.weight' is of another",
        ),
        ({"fc.weight": WEIGHT}, "global_average", "is not given the features, whose pooling is global_average"),
        ({"fc.weight": torch.ones(3, 5)}, "none", "does not fit 4 features"),
        ({"fc.weight": torch.ones(3, 4, 1)}, "none", "does not fit 4 features"),
        ({"fc.weight": torch.ones(1, 4)}, "none", "has one output"),
        ({"fc.weight": WEIGHT * torch.nan}, "none", "not finite"),
        ({"fc.weight": WEIGHT, "fc.bias": torch.ones(2)}, "none", "no bias for each class"),
    ],
)
def test_what_is_no_head_says_why(state: dict[str, torch.Tensor], pooling: str, reason: str) -> None:
    found = LINEAR.values(state, pooling, 4)
    assert isinstance(found, str)
    assert reason in found
    assert isinstance(LINEAR.values({"fc.weight": WEIGHT}, "none", 4), LinearHead)


def test_all_models_without_a_head_are_named(tmp_path: Path) -> None:
    chains: list[dict[str, Any]] = [
        {"head": {"none": "its classifier is no linear function"}},
        {},
        {"head": {"digest": "../../else"}},  # no digest, and so no file
    ]
    candidates = [Candidate(str(i), (), None, ImagePreprocessing(8), known) for i, known in enumerate(chains)]
    with pytest.raises(ConfigError) as refused:
        source_heads(BlockStore(tmp_path), candidates)
    assert str(refused.value).splitlines() == [
        "3 models have no classifier of their own, which leep and nce need:",
        "model '0': its classifier is no linear function",
        "model '1': no classifier was kept when it was stored",
        "model '2': no classifier was kept when it was stored",
    ]


def test_half_precision_is_read_as_single(tmp_path: Path) -> None:
    module = of_transformers(tmp_path / "m", "ViTForImageClassification", VIT)
    module.half().save_pretrained(tmp_path / "m")
    loaded = open_folder(tmp_path / "m", tmp_path / "architectures", Reading())
    assert isinstance(loaded.head, LinearHead)
    assert loaded.head.weight.dtype == torch.float32
    assert torch.equal(loaded.head.weight, module.classifier.weight.float())


def test_a_prefix_is_no_part_of_the_name(tmp_path: Path) -> None:
    module = of_torchvision(tmp_path / "m", "resnet18")
    file = tmp_path / "m" / "resnet18-7.safetensors"
    save_file({f"net.{name}": t for name, t in module.state_dict().items()}, file)
    loaded = open_state(file, file.with_suffix(".json"), tmp_path / "architectures", Reading())
    assert isinstance(loaded.head, LinearHead)
    assert torch.equal(loaded.head.weight, module.fc.weight)
