"""A model sees images or texts, whichever its files and the user say; one that needs more is refused by name."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import alsatian
from alsatian.errors import BadModelError, ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.parameters.loading import Loaded
from alsatian.models.reading.saved_models import open_folder
from alsatian.models.sets.folder import FolderSet
from alsatian.store.store import BlockStore
from tests.contracts.text_models import (
    SMALL,
    TEXTS,
    edit,
    features,
    language_model,
    two_towers,
    vocab_txt,
)
from tests.models.reading.checkpoint_files import save_vit, vit

PHOTO = np.random.default_rng(0).integers(0, 256, (1, 40, 56, 3), np.uint8)
TOWERS = ("CLIPModel", "SiglipModel", "ChineseCLIPModel", "AltCLIPModel")


def opened(folder: Path, **settings: Any) -> Loaded:
    return open_folder(folder, folder.parent / "architectures", Reading(length=24, **settings))


@pytest.mark.parametrize("kind", TOWERS)
def test_the_tower_for_images(tmp_path: Path, kind: str) -> None:
    module = two_towers(tmp_path / "m", kind)
    loaded = opened(tmp_path / "m")
    assert loaded.notes[0] == f"the part of {kind} for images (modality=text takes the other)"
    assert loaded.preprocessing.modality == "image"
    pixels = loaded.preprocessing(PHOTO)
    with torch.no_grad():
        output = module.vision_model(*pixels)
        expected = output.pooler_output if loaded.module.pooling == "none" else None
        if loaded.module.pooling == "class_token":
            expected = output.last_hidden_state[:, 0]
        if loaded.module.pooling == "mean_tokens":
            expected = output.last_hidden_state.mean(1)
        torch.testing.assert_close(loaded.module(*pixels), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", TOWERS)
def test_the_tower_for_texts(tmp_path: Path, kind: str) -> None:
    module = two_towers(tmp_path / "m", kind)
    loaded = opened(tmp_path / "m", modality="text")
    assert loaded.preprocessing.modality == "text"
    ids, mask = loaded.preprocessing(np.array(TEXTS, object))
    with torch.no_grad():
        hidden = [
            module.text_model(
                input_ids=i[None, : m.sum()], attention_mask=m[None, : m.sum()]
            ).last_hidden_state.mean(1)
            for i, m in zip(ids, mask, strict=True)
        ]
    torch.testing.assert_close(features(loaded, TEXTS), torch.cat(hidden), rtol=1e-4, atol=1e-5)


def test_without_a_processor_it_is_the_texts(tmp_path: Path) -> None:
    two_towers(tmp_path / "m", "CLIPModel", processor=False)
    assert opened(tmp_path / "m").preprocessing.modality == "text"
    (tmp_path / "m" / "alsatian.json").write_text(json.dumps({"modality": "image", "size": 32}))
    assert opened(tmp_path / "m").preprocessing.modality == "image"


def test_other_models_are_not_concerned(tmp_path: Path) -> None:
    save_vit(vit(), tmp_path / "vit")
    language_model(tmp_path / "bert", "BertModel", vocab_txt)
    assert opened(tmp_path / "vit", modality="text").preprocessing.modality == "image"
    assert opened(tmp_path / "bert", modality="image").preprocessing.modality == "text"


def test_a_stored_model_is_read_again_for_its_other_tower(tmp_path: Path) -> None:
    two_towers(tmp_path / "models" / "clip", "CLIPModel")
    save_vit(vit(), tmp_path / "models" / "vit")
    store = BlockStore(tmp_path / "store")
    for modality in ("image", "text", None):
        models = FolderSet(path=tmp_path / "models", modality=modality).open(store)
        assert models.candidates[0].preprocessing.modality == (modality or "image")
        made = store.manifest_path("vit").stat().st_mtime_ns
        assert FolderSet(path=tmp_path / "models", modality="text").open(store)
        assert store.manifest_path("vit").stat().st_mtime_ns == made


def test_a_run_takes_the_tower_that_takes_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from experiments.cli import main

    monkeypatch.chdir(tmp_path)
    two_towers(tmp_path / "models" / "clip", "CLIPModel")
    for label in ("good", "bad"):
        (tmp_path / "texts" / label).mkdir(parents=True)
        for i in range(6):
            (tmp_path / "texts" / label / f"{i}.txt").write_text(f"a {label} film {i}")
    words = ["model_set=folder", "model_set.path=models", "dataset=text_files", "dataset.source=texts"]
    assert main(["run", *words, "storage=local", "repeats=1", "batch_size=4"]) == 0
    (path,) = (tmp_path / "results").rglob("run.json")
    assert "for texts" in json.loads(path.read_text())["model_set"]["notes"][0]


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("LayoutLMModel", {}, "takes bbox besides input_ids"),
        ("BrosModel", {}, "takes bbox besides input_ids"),
        ("LiltModel", {"channel_shrink_ratio": 2}, "takes bbox besides input_ids"),
        ("VisualBertModel", {"visual_embedding_dim": 8}, "takes visual_embeds besides input_ids"),
        ("ViltModel", {"image_size": 32, "patch_size": 8}, "takes pixel_values besides input_ids"),
    ],
)
def test_models_that_need_more_name_it(tmp_path: Path, kind: str, more: dict[str, Any], message: str) -> None:
    folder = language_model(tmp_path / "m", kind, vocab_txt, **more)
    with pytest.raises(ConfigError, match=message) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


def test_models_of_sounds_are_refused(tmp_path: Path) -> None:
    config = transformers.ASTConfig(**{**SMALL, "max_length": 32, "num_mel_bins": 16})
    transformers.ASTModel(config).save_pretrained(tmp_path / "m")
    with pytest.raises(ConfigError, match="the model takes input_values; only images and texts are read"):
        opened(tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 10**7}, "num_hidden_layers=10000000 is refused: the weights beside it hold"),
        ({"vocab_size": 10**10}, "is refused: it needs"),
        ({"hidden_size": 2**20, "intermediate_size": 2**22}, "is refused: it needs"),
    ],
)
def test_a_config_far_larger_than_its_weights_is_refused_unbuilt(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    folder = language_model(tmp_path / "m", "BertModel", vocab_txt)
    edit(folder / "config.json", lambda value: value.update(change))
    with pytest.raises(ConfigError, match=message) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


def stored(tmp_path: Path) -> ModelSet:
    """One model of images and one of texts."""
    save_vit(vit(), tmp_path / "models" / "eye")
    language_model(tmp_path / "models" / "ear", "BertModel", vocab_txt)
    return FolderSet(path=tmp_path / "models").open(BlockStore(tmp_path / "store"))


LABELS = [0, 1] * 6
DATA: dict[str, Any] = {
    "images": (np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8), LABELS),
    "texts": ([f"a film {i}" for i in range(12)], LABELS),
}


@pytest.mark.parametrize(("data", "fits", "other"), [("images", "eye", "ear"), ("texts", "ear", "eye")])
def test_a_model_of_the_other_modality_is_never_ranked(tmp_path: Path, data: str, fits: str, other: str) -> None:
    models = stored(tmp_path)
    line = f"model '{other}': takes {'text' if other == 'ear' else 'image'}s, but the data are {data}"
    with pytest.raises(BadModelError, match=line):
        alsatian.search(models, DATA[data])
    found = alsatian.search(models, DATA[data], on_bad_model="exclude")
    assert [found.ranked[0], found.ranked[-1]] == [fits, other]
    assert found.excluded[other] == line


@pytest.mark.parametrize("on_bad_model", ["raise", "exclude"])
def test_models_none_of_which_fits_are_refused_in_one_line(tmp_path: Path, on_bad_model: str) -> None:
    for name in "ab":
        save_vit(vit(), tmp_path / "models" / name)
    models = FolderSet(path=tmp_path / "models").open(BlockStore(tmp_path / "store"))
    with pytest.raises(BadModelError, match=r"^none of the 2 models takes texts, which the data are$"):
        alsatian.search(models, DATA["texts"], on_bad_model=on_bad_model)
