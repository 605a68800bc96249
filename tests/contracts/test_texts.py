"""Texts are tokenized and padded as the model's own files say: equal to transformers on every text alone."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from alsatian.data.text import TextPreprocessing, text_items
from alsatian.errors import ConfigError
from alsatian.models.reading.inputs.tokenizers import text_of
from tests.contracts.text_models import (
    ONE_LAYER,
    TEXTS,
    TOKENIZERS,
    byte_pairs,
    edit,
    features,
    language_model,
    opened,
    vocab_txt,
)
from tests.models.reading.checkpoint_files import save_vit, vit


@pytest.mark.parametrize("name", TOKENIZERS)
def test_tokens_are_those_of_the_library(tmp_path: Path, name: str) -> None:
    folder = TOKENIZERS[name](tmp_path)
    library = AutoTokenizer.from_pretrained(folder)
    own = text_of(folder, 9)
    ids, mask = own(text_items(TEXTS))
    length = min(9, library.model_max_length)
    for text, row, attended in zip(TEXTS, ids, mask, strict=True):
        alone = library(text, truncation=True, max_length=length)["input_ids"]
        assert row[: attended.sum()].tolist() == alone
        assert attended.tolist() == [1] * len(alone) + [0] * (length - len(alone))


MODELS: list[tuple[str, Callable[[Path], Path], dict[str, Any]]] = [
    ("BertModel", vocab_txt, {}),
    ("DistilBertModel", vocab_txt, {}),
    ("ElectraModel", vocab_txt, {}),
    ("RobertaModel", TOKENIZERS["vocab.json and merges.txt of RoBERTa"], {"pad_token_id": 1}),
    ("GPT2Model", TOKENIZERS["vocab.json and merges.txt of GPT-2"], {}),
    (
        "OPTModel",
        lambda f: byte_pairs(f, tokenizer_class="GPT2Tokenizer", padding_side="left", pad_token="<pad>"),
        {},
    ),
    (
        "LlamaModel",
        lambda f: byte_pairs(f, tokenizer_class="GPT2Tokenizer", padding_side="left", pad_token="<pad>"),
        {},
    ),
    (  # its configuration holds a number that JSON lacks
        "Mamba2Model",
        lambda f: byte_pairs(f, tokenizer_class="GPT2Tokenizer", pad_token="<pad>"),
        {"num_heads": 2, "head_dim": 32, "n_groups": 1, "state_size": 8},
    ),
    ("BertForMaskedLM", vocab_txt, {}),
    ("GPT2LMHeadModel", TOKENIZERS["vocab.json and merges.txt of GPT-2"], {}),
    ("T5ForConditionalGeneration", TOKENIZERS["spiece.model of T5"], {}),
]


@pytest.mark.parametrize(("kind", "tokenizer", "more"), MODELS)
def test_padding_changes_no_features(
    tmp_path: Path, kind: str, tokenizer: Callable[[Path], Path], more: dict[str, Any]
) -> None:
    # T5's first layer has the positions of all others.
    layers = {} if kind == "T5ForConditionalGeneration" else ONE_LAYER
    folder = language_model(tmp_path / "m", kind, tokenizer, **{**layers, **more})
    loaded = opened(folder, length=24)
    library = getattr(transformers, kind).from_pretrained(folder).eval()
    body = library.base_model if kind != "T5ForConditionalGeneration" else library.get_encoder()
    tokens = AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        alone = [
            body(**tokens(t, return_tensors="pt", truncation=True, max_length=24, return_token_type_ids=False))[
                0
            ].mean(1)
            for t in TEXTS
        ]
    torch.testing.assert_close(features(loaded, TEXTS), torch.cat(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("kind", "tokenizer", "more"),
    [
        ("FNetModel", vocab_txt, {"pad_token_id": 0}),
        ("CanineModel", TOKENIZERS["none but its class, CANINE"], {}),
        ("ConvBertModel", vocab_txt, {}),
    ],
)
def test_a_model_whose_features_change_with_padding_is_refused(
    tmp_path: Path, kind: str, tokenizer: Callable[[Path], Path], more: dict[str, Any]
) -> None:
    folder = language_model(tmp_path / "m", kind, tokenizer, **{**ONE_LAYER, **more})
    with pytest.raises(ConfigError, match=f"the features of {kind} change with padding"):
        opened(folder, length=24)


def test_features_that_are_no_numbers_are_left_to_the_search(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    state = load_file(folder / "model.safetensors")
    save_file({**state, "embeddings.LayerNorm.bias": torch.full((32,), torch.nan)}, folder / "model.safetensors")
    assert features(opened(folder, length=24), TEXTS).isnan().all()


@pytest.mark.parametrize("value", ["a", -5, 1, float("nan"), [5]])
def test_a_length_of_a_tokenizer_that_is_none_is_refused_in_a_line(tmp_path: Path, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{tmp_path}.*: ") as caught:
        text_of(vocab_txt(tmp_path, model_max_length=value), 9)
    assert "\n" not in str(caught.value)


def test_a_tokenizer_that_gives_other_tokens_each_time_is_refused(tmp_path: Path) -> None:
    folder = TOKENIZERS["vocab.json and merges.txt of GPT-2"](tmp_path / "m")
    AutoTokenizer.from_pretrained(folder).save_pretrained(tmp_path)
    edit(tmp_path / "tokenizer_config.json", lambda v: v.update(tokenizer_class="PreTrainedTokenizerFast"))
    library = AutoTokenizer.from_pretrained(tmp_path)
    ids, mask = text_of(tmp_path, 9)(text_items(TEXTS[:1]))
    assert ids[0, : mask.sum()].tolist() == library(TEXTS[0])["input_ids"]
    edit(tmp_path / "tokenizer.json", lambda v: v["model"].update(dropout=0.5))
    with pytest.raises(ConfigError, match=r"leaves out merges at random \(dropout=0.5\)") as caught:
        text_of(tmp_path, 9)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("pooling", "dimensions"), [("none", 2), ("global_average", 4)])
def test_a_stated_pooling_that_makes_no_vectors_is_refused(tmp_path: Path, pooling: str, dimensions: int) -> None:
    for folder in (save_vit(vit(), tmp_path / "eye"), language_model(tmp_path / "ear", "BertModel", vocab_txt)):
        (folder / "alsatian.json").write_text(json.dumps({"pooling": pooling}))
        with pytest.raises(ConfigError, match=f"'{pooling}' is for hidden states of {dimensions} dimensions; .* 3"):
            opened(folder)


def test_tokens_without_embedding_are_a_bad_model(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt, vocab_size=12)
    with pytest.raises(ConfigError, match="tokens up to id 14; the model has embeddings of 12"):
        opened(folder)


def test_an_assumed_pooling_is_named_and_another_can_be_stated(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    library = AutoModel.from_pretrained(folder).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")
    assert any("pooling: mean_tokens; its files say none" in note for note in opened(folder).notes)
    stated = opened(folder, pooling="class_token")
    assert not stated.notes
    with torch.no_grad():
        torch.testing.assert_close(features(stated, TEXTS[:1]), library(**tokens)[0][:, 0])
    (folder / "alsatian.json").write_text(json.dumps({"pooling": "last_token"}))
    with torch.no_grad():
        torch.testing.assert_close(features(opened(folder), TEXTS[:1]), library(**tokens)[0][:, -1])


def test_a_prompt_and_a_tokenizer_are_part_of_the_identity(tmp_path: Path) -> None:
    folder = vocab_txt(tmp_path)
    plain, asked = text_of(folder, 9), text_of(folder, 9, prompt="good ")
    assert plain.fingerprint != asked.fingerprint
    ids, _ = asked(text_items(["film"]))
    assert ids.equal(plain(text_items(["good film"]))[0])
    again = TextPreprocessing.from_settings(asked.settings(), tmp_path)
    assert again == asked


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("RobertaModel", {}),
        pytest.param("CamembertModel", {}, marks=pytest.mark.thorough),  # these two are made as RoBERTa is
        pytest.param("XLMRobertaModel", {}, marks=pytest.mark.thorough),
        ("MPNetModel", {}),
        ("EsmModel", {"position_embedding_type": "absolute"}),
        ("Data2VecTextModel", {}),
        ("IBertModel", {}),
        ("BertModel", {}),
        ("ElectraModel", {}),
    ],
)
def test_no_text_is_longer_than_the_positions_of_its_model(tmp_path: Path, kind: str, more: dict[str, Any]) -> None:
    shape = {**ONE_LAYER, "max_position_embeddings": 12, "pad_token_id": 1, **more}
    folder = language_model(tmp_path / "m", kind, vocab_txt, **shape)
    loaded = opened(folder)
    library = getattr(transformers, kind).from_pretrained(folder).eval()
    text = "a good film was long the bad film " * 3
    ids, mask = loaded.preprocessing(text_items([text]))
    assert mask.all()  # as long as can be
    with torch.no_grad():
        expected = library(input_ids=ids, attention_mask=mask)[0].mean(1)
        with pytest.raises((IndexError, RuntimeError)):
            library(input_ids=torch.cat([ids, ids[:, -1:]], 1))
    torch.testing.assert_close(features(loaded, [text]), expected, rtol=1e-4, atol=1e-5)


def test_names_of_old_releases_are_read(tmp_path: Path) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    expected = features(opened(folder), TEXTS)
    state = load_file(folder / "model.safetensors")
    old = {n.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): t
           for n, t in state.items()}  # fmt: skip
    assert old.keys() != state.keys()
    (folder / "model.safetensors").unlink()
    torch.save({f"bert.{n}": t for n, t in old.items()}, folder / "pytorch_model.bin")
    assert torch.equal(features(opened(folder), TEXTS), expected)
