"""Adapters that peft saved, merged into their base, give the features of peft's own merged model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from alsatian.errors import ConfigError
from alsatian.models.sets.folder import add_path
from alsatian.store.store import BlockStore
from tests.contracts.text_models import TEXTS, TOKENIZERS, edit, language_model, vocab_txt
from tests.models.reading.checkpoint_files import features, save_vit, shared, vit

PIXELS = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def trained(module: nn.Module, config: LoraConfig) -> Any:
    """``module`` with an adapter whose parameters are all other than they begin."""
    torch.manual_seed(1)
    adapted = get_peft_model(module, config)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter).abs() if "magnitude" in name else 0.2)
                if "lora_" in name and "magnitude" not in name:
                    parameter.copy_(torch.randn_like(parameter))
    return adapted.eval()


# The names of a small vision transformer's layers.
QUERY, BOTH = ["q_proj"], ["q_proj", "o_proj"]
LORA: dict[str, dict[str, Any]] = {
    "plain": {"target_modules": QUERY},
    "all linear layers": {"target_modules": "all-linear"},
    "rank-stabilised": {"target_modules": QUERY, "use_rslora": True, "r": 4},
    "alpha by layer": {"target_modules": BOTH, "alpha_pattern": {"q_proj": 32}},
    "rank by layer": {"target_modules": BOTH, "rank_pattern": {"q_proj": 3}},
    "DoRA": {"target_modules": QUERY, "use_dora": True},
    "DoRA of all linear layers, rank-stabilised": {
        "target_modules": "all-linear", "use_dora": True, "use_rslora": True
    },
    "biases": {"target_modules": QUERY, "bias": "all"},
    "biases of adapted layers": {"target_modules": QUERY, "bias": "lora_only"},
    "bias of the factors": {"target_modules": QUERY, "lora_bias": True},
    "a classifier trained in full": {"target_modules": QUERY, "modules_to_save": ["classifier"]},
    "a norm trained in full": {"target_modules": QUERY, "modules_to_save": ["layernorm", "classifier"]},
    "a convolution": {"target_modules": ["projection", "q_proj"]},
    "some layers": {"target_modules": QUERY, "layers_to_transform": [1]},
}  # fmt: skip


@pytest.mark.parametrize("name", LORA)
def test_adapters_of_images(tmp_path: Path, name: str) -> None:
    base = vit()
    save_vit(base, tmp_path / "models" / "base")
    adapted = trained(base, LoraConfig(**{"r": 2, "lora_alpha": 8, **LORA[name]}))
    adapted.save_pretrained(tmp_path / "models" / "adapter")
    edit(tmp_path / "models/adapter/adapter_config.json", lambda v: v.update(base_model_name_or_path="../base"))
    store = BlockStore(tmp_path / "store")
    assert add_path(store, tmp_path / "models") == ["adapter", "base"]
    merged = adapted.merge_and_unload().eval()
    with torch.no_grad():
        expected = merged.vit(PIXELS).last_hidden_state[:, 0]
    torch.testing.assert_close(features(store, "adapter", PIXELS), expected, rtol=1e-4, atol=1e-5)
    assert (features(store, "base", PIXELS) - expected).abs().max() > 1e-3
    assert name != "some layers" or shared(store, "adapter", "base") > 1


TEXT: dict[str, tuple[str, Callable[[Path], Path], LoraConfig]] = {
    "Conv1D": (
        "GPT2ForSequenceClassification", TOKENIZERS["vocab.json and merges.txt of GPT-2"],
        LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True, task_type="SEQ_CLS"),
    ),
    "Conv1D with DoRA": (
        "GPT2ForSequenceClassification", TOKENIZERS["vocab.json and merges.txt of GPT-2"],
        LoraConfig(r=2, target_modules=["c_attn"], fan_in_fan_out=True, use_dora=True, task_type="SEQ_CLS"),
    ),
    "an embedding": (
        "BertForSequenceClassification", vocab_txt, LoraConfig(r=2, target_modules=["word_embeddings", "key"])
    ),
    "a task with its head": (
        "BertForSequenceClassification", vocab_txt, LoraConfig(r=2, target_modules=["value"], task_type="SEQ_CLS")
    ),
}  # fmt: skip


def base_and_adapter(tmp_path: Path, kind: str, tokenizer: Callable[[Path], Path]) -> tuple[Any, Any]:
    folder = language_model(tmp_path / "models" / "base", kind, tokenizer, pad_token_id=0)
    return AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)


def assert_as_peft(tmp_path: Path, adapted: Any, tokens: Any) -> None:
    edit(tmp_path / "models/adapter/adapter_config.json", lambda v: v.update(base_model_name_or_path="../base"))
    store = BlockStore(tmp_path / "store")
    assert add_path(store, tmp_path / "models") == ["adapter", "base"]
    body = adapted.merge_and_unload().eval().base_model
    preprocessing = store.model("adapter").preprocessing
    with torch.no_grad():
        alone = [tokens(t, return_tensors="pt", return_token_type_ids=False) for t in TEXTS]
        expected = torch.cat([body(**one)[0].mean(1) for one in alone])
    found = features(store, "adapter", *preprocessing(np.array(TEXTS, object)))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", TEXT)
def test_adapters_of_texts(tmp_path: Path, name: str) -> None:
    kind, tokenizer, config = TEXT[name]
    base, tokens = base_and_adapter(tmp_path, kind, tokenizer)
    adapted = trained(base, config)
    adapted.save_pretrained(tmp_path / "models" / "adapter")
    assert_as_peft(tmp_path, adapted, tokens)


def test_an_adapter_with_words_of_its_own(tmp_path: Path) -> None:
    base, tokens = base_and_adapter(tmp_path, "BertForSequenceClassification", vocab_txt)
    tokens.add_tokens(["film!"])
    base.resize_token_embeddings(302, mean_resizing=False)
    adapted = trained(base, LoraConfig(r=2, target_modules=["key"], modules_to_save=["word_embeddings"]))
    adapted.save_pretrained(tmp_path / "models" / "adapter")
    tokens.save_pretrained(tmp_path / "models" / "adapter")
    assert_as_peft(tmp_path, adapted, tokens)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peft_type": "IA3"}, "adapters of peft_type IA3 are not supported"),
        ({"init_lora_weights": "pissa"}, "init_lora_weights=pissa changes the base as well"),
        ({"layer_replication": [[0, 1]]}, "layer_replication"),
        ({"target_parameters": ["x"]}, "target_parameters"),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices=[1, 2] is not supported"),
        ({"kasa_config": {"beta": 1e-4}}, "kasa_config"),
        ({"base_model_name_or_path": None}, "base_model_name_or_path is empty"),
    ],
)
def test_what_cannot_be_merged_is_refused_in_a_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    base = vit()
    save_vit(base, tmp_path / "models" / "base")
    trained(base, LoraConfig(r=2, target_modules=QUERY)).save_pretrained(tmp_path / "models" / "adapter")
    edit(
        tmp_path / "models/adapter/adapter_config.json",
        lambda v: v.update({"base_model_name_or_path": "../base", **change}),
    )
    with pytest.raises(ConfigError) as caught:
        add_path(BlockStore(tmp_path / "store"), tmp_path / "models")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "options", "layers"),
    [
        ("ConvNext", {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}, ["pwconv1", "pwconv2"]),
        (
            "ResNet",
            {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1], "layer_type": "basic"},
            ["convolution"],
        ),
    ],
)
def test_adapters_of_models_without_tokens(
    tmp_path: Path, kind: str, options: dict[str, Any], layers: list[str]
) -> None:
    model_class = getattr(transformers, f"{kind}ForImageClassification")
    torch.manual_seed(0)
    base = tmp_path / "models" / "base"
    model_class(model_class.config_class(**options)).save_pretrained(base)
    (base / "alsatian.json").write_text('{"size": 32}')
    adapted = trained(model_class.from_pretrained(base), LoraConfig(r=2, target_modules=layers))
    adapted.save_pretrained(tmp_path / "models" / "adapter")
    edit(tmp_path / "models/adapter/adapter_config.json", lambda v: v.update(base_model_name_or_path="../base"))
    store = BlockStore(tmp_path / "store")
    assert add_path(store, tmp_path / "models") == ["adapter", "base"]
    merged = adapted.merge_and_unload().eval()
    merged.classifier = nn.Identity()
    with torch.no_grad():
        expected = merged(PIXELS).logits.flatten(1)
    torch.testing.assert_close(features(store, "adapter", PIXELS), expected, rtol=1e-4, atol=1e-5)
