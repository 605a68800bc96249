"""Images are prepared as the processor files of a model say: what transformers' own processor, with PIL, makes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image as Image
import pytest
import torch
from transformers import AutoImageProcessor

from alsatian.blocks.candidate import Candidate
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.errors import ConfigError, StoreError
from alsatian.fingerprint import sealed
from alsatian.models.reading import saved_models
from alsatian.models.reading.inputs.images import READING_VERSION, image_of
from alsatian.models.sets import ingest
from alsatian.models.sets.folder import add_path
from alsatian.store import manifest
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import features, save_vit, vit
from tests.stores import add_model

CLASSES = (
    "BeitImageProcessor", "BitImageProcessor", "BlipImageProcessor", "CLIPImageProcessor", "ConvNextImageProcessor",
    "DeiTImageProcessor", "DPTImageProcessor", "EfficientNetImageProcessor", "FlavaImageProcessor",
    "LevitImageProcessor", "MobileNetV1ImageProcessor", "MobileNetV2ImageProcessor", "MobileViTImageProcessor",
    "PerceiverImageProcessor", "PoolFormerImageProcessor", "PvtImageProcessor", "SegformerImageProcessor",
    "SiglipImageProcessor", "ViTImageProcessor",
)  # fmt: skip
SHAPES = ((64, 192), (150, 40), (48, 48))
SMALL = {"height": 32, "width": 32}
VIT, CLIP = "ViTImageProcessor", "CLIPImageProcessor"
IMAGENET, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Each changes what the model sees: a reader that ignores one fails.
SETTINGS = [
    (VIT, {"size": SMALL}),
    (VIT, {"size": {"height": 24, "width": 40}}),
    (VIT, {"size": SMALL, "do_resize": True, "resample": 0}),
    (VIT, {"size": SMALL, "resample": 1}),
    (VIT, {"size": SMALL, "resample": 3}),
    (VIT, {"size": SMALL, "rescale_factor": 1 / 127.5}),
    (VIT, {"size": SMALL, "do_rescale": False, "do_normalize": False}),
    (VIT, {"size": SMALL, "do_normalize": False}),
    (VIT, {"size": SMALL, "image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7]}),
    (VIT, {"size": 48}),
    (CLIP, {"size": {"shortest_edge": 32}, "crop_size": SMALL}),
    (CLIP, {"size": 32, "crop_size": 32}),
    (CLIP, {"size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 24}}),
    (CLIP, {"size": {"shortest_edge": 24}, "crop_size": {"height": 48, "width": 48}}),  # pads
    (CLIP, {"do_resize": False, "crop_size": SMALL}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 64}, "crop_pct": 0.8}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 64}}),
    ("ConvNextImageProcessor", {"size": {"shortest_edge": 384}}),
    (
        "MobileViTImageProcessor",
        {"size": {"shortest_edge": 40}, "crop_size": SMALL, "do_flip_channel_order": False},
    ),
    ("EfficientNetImageProcessor", {"size": SMALL, "rescale_factor": 1 / 127.5, "rescale_offset": True}),
    ("EfficientNetImageProcessor", {"size": SMALL, "include_top": False}),
    ("PoolFormerImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": SMALL, "crop_pct": 0.75}),
    ("LevitImageProcessor", {"size": {"shortest_edge": 32}, "crop_size": SMALL}),
    (VIT, {"do_resize": False, "do_pad": True, "pad_size": {"height": 200, "width": 200}}),
]


def images(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(sum(shape)).integers(0, 256, (3, *shape, 3), dtype=np.uint8)


def write(folder: Path, value: dict[str, Any], nested: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if nested:
        text = json.dumps({"image_processor": value, "processor_class": "CLIPProcessor"})
        (folder / "processor_config.json").write_text(text)
    else:
        (folder / "preprocessor_config.json").write_text(json.dumps(value))
    return folder


def assert_as_the_library(folder: Path, preprocessing: Preprocessing) -> None:
    reference = AutoImageProcessor.from_pretrained(str(folder), backend="pil")
    for shape in SHAPES:
        own = images(shape)
        expected = reference(images=[Image.fromarray(one) for one in own], return_tensors="pt")["pixel_values"]
        (pixels,) = preprocessing(own)
        assert pixels.dtype == torch.float32
        assert pixels.shape == expected.shape
        assert preprocessing.example(3)[0].shape == expected.shape
        assert (pixels - expected).abs().max() <= 1e-5


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_with_its_own_defaults(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, {"image_processor_type": name})
    assert_as_the_library(folder, image_of(folder, {}))


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(("name", "settings"), SETTINGS)
def test_every_setting(tmp_path: Path, name: str, settings: dict[str, Any], nested: bool) -> None:
    folder = write(tmp_path, {"image_processor_type": name, **settings}, nested)
    assert_as_the_library(folder, image_of(folder, {}))


@pytest.mark.parametrize(
    "names",
    [
        {"feature_extractor_type": "ViTFeatureExtractor"},
        {"image_processor_type": "ViTImageProcessorFast"},
        {"image_processor_type": "ViTImageProcessorPil"},
        {},
    ],
)
def test_names_of_old_and_fast_classes_and_of_the_model(tmp_path: Path, names: dict[str, str]) -> None:
    folder = write(tmp_path, {"size": SMALL, **names})
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    preprocessing = image_of(folder, {})
    assert preprocessing.settings()["name"] == "ViTImageProcessorPil"
    assert_as_the_library(folder, preprocessing)


@pytest.mark.parametrize(
    ("value", "mean"),
    [({"image_mean": [0.1, 0.2, 0.3]}, (0.1, 0.2, 0.3)), ({"do_normalize": False}, (0.0,) * 3), ({}, IMAGENET)],
)
def test_a_stated_size_is_the_plain_preprocessing(
    tmp_path: Path, value: dict[str, Any], mean: tuple[float, ...]
) -> None:
    folder = write(tmp_path, value)
    assert image_of(folder, {"size": 64}) == ImagePreprocessing(
        64, mean, (1.0,) * 3 if "do_normalize" in value else STD
    )
    assert image_of(folder, {"size": 64, "mean": [0.5] * 3}).settings()["mean"] == (0.5,) * 3
    (folder / "preprocessor_config.json").unlink()
    assert image_of(folder, {"size": 64}) == ImagePreprocessing(64)
    with pytest.raises(ConfigError, match=r"has no processor_config\.json or preprocessor_config\.json; write"):
        image_of(folder, {})


def test_a_stated_mean_changes_the_processor_and_nothing_else(tmp_path: Path) -> None:
    value = {"image_processor_type": CLIP, "size": {"shortest_edge": 32}, "crop_size": SMALL, "do_normalize": False}
    stated = image_of(write(tmp_path / "a", value), {"mean": [0.5] * 3, "std": [0.25] * 3})
    whole = {**value, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    assert_as_the_library(write(tmp_path / "b", whole), stated)
    with pytest.raises(ConfigError, match=r"alsatian\.json: mean=0\.5"):
        image_of(tmp_path / "a", {"mean": 0.5})


def test_models_that_an_older_version_read_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_vit(vit(), tmp_path / "models" / "vit")
    store = BlockStore(tmp_path / "store")
    with monkeypatch.context() as older:
        older.setattr(ingest, "READING_VERSION", READING_VERSION - 1)
        older.setattr(saved_models, "image_of", lambda folder, stated: ImagePreprocessing(32))
        add_path(store, tmp_path / "models")
    assert store.model("vit").preprocessing == ImagePreprocessing(32)
    add_path(store, tmp_path / "models")
    assert store.model("vit").preprocessing == image_of(tmp_path / "models" / "vit", {})


@pytest.mark.parametrize("change", [{"height": 0}, {"width": "32"}, {"given": 3}, {"given": None}])
def test_a_manifest_with_bad_settings_is_one_line(tmp_path: Path, change: dict[str, Any]) -> None:
    store = BlockStore(tmp_path / "store")
    folder = write(tmp_path / "vit", {"image_processor_type": VIT, "size": SMALL})
    add_model(store, Candidate("m", (), None, image_of(folder, {})))
    value = json.loads(store.manifest_path("m").read_bytes())
    value["preprocessing"] |= change
    store.manifest_path("m").write_text(json.dumps(sealed(value)))
    with pytest.raises(StoreError) as caught:
        store.model("m")
    assert len(str(caught.value).splitlines()) == 1


def test_files_and_grey_images_are_what_their_pixels_are(tmp_path: Path) -> None:
    folder = write(tmp_path, {"image_processor_type": CLIP, "size": {"shortest_edge": 32}, "crop_size": SMALL})
    preprocessing = image_of(folder, {})
    own = images((64, 192))
    paths = np.empty(len(own), object)
    for i, one in enumerate(own):
        paths[i] = tmp_path / f"{i}.png"
        Image.fromarray(one).save(paths[i])
    assert torch.equal(preprocessing(paths)[0], preprocessing(own)[0])
    grey = own[..., 0]
    assert torch.equal(preprocessing(grey)[0], preprocessing(np.repeat(grey[..., None], 3, axis=3))[0])


def test_an_item_does_not_depend_on_its_batch_and_survives_a_manifest(tmp_path: Path) -> None:
    folder = write(tmp_path, {"image_processor_type": CLIP, "size": {"shortest_edge": 32}, "crop_size": SMALL})
    preprocessing = image_of(folder, {})
    candidate = Candidate("m", (), None, preprocessing)
    again = manifest.candidate_of(json.loads(manifest.content(candidate)), "m", tmp_path).preprocessing
    assert again == preprocessing
    assert again.fingerprint == preprocessing.fingerprint
    own = images((64, 192))
    assert torch.equal(torch.cat([again(own[i : i + 1])[0] for i in range(3)]), preprocessing(own)[0])


def test_what_changes_pixels_is_another_preprocessing(tmp_path: Path) -> None:
    found = {
        image_of(write(tmp_path / str(i), {"image_processor_type": name, **settings}), {}).fingerprint
        for i, (name, settings) in enumerate(SETTINGS)
    }
    assert len(found) == len(SETTINGS) - 1  # CLIP with a number and with words


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"image_processor_type": VIT, "do_sharpen": True},
            "do_sharpen=True is no setting of ViTImageProcessorPil",
        ),
        ({"image_processor_type": VIT, "crop_pct": 0.9}, "crop_pct=0.9 is no setting of ViTImageProcessorPil"),
        ({"image_processor_type": "DetrImageProcessor"}, "DetrImageProcessorPil makes pixel_mask beside pixels"),
        (
            {"image_processor_type": "SamImageProcessor"},
            "SamImageProcessorPil makes original_sizes, reshaped_input",
        ),
        (
            {"image_processor_type": CLIP, "do_center_crop": False},
            "CLIPImageProcessorPil makes no images of one size",
        ),
        ({"image_processor_type": "NoImageProcessor"}, "cannot be used by transformers"),
        ({"image_processor_type": VIT, "size": {"depth": 3}}, "cannot be used by transformers"),
        ({"image_processor_type": VIT, "auto_map": {"AutoImageProcessor": "own.Own"}}, "auto_map asks for code"),
        ({}, "cannot be used by transformers"),
        ({"image_processor_type": VIT, "size": 10**6}, "is refused: a side has at most 8192 pixels"),
        (
            {"image_processor_type": CLIP, "size": {"shortest_edge": 40}, "crop_size": 10**6},
            "is refused: a side has at most 8192 pixels",
        ),
        (
            {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 1e-5},
            "with crop_pct=1e-05 is refused: a side has at most 8192 pixels",
        ),
        ({"image_processor_type": VIT, "image_std": [0.0, 1.0, 1.0]}, "makes pixels that are not finite"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(tmp_path: Path, value: dict[str, Any], message: str) -> None:
    folder = write(tmp_path, value)
    with pytest.raises(ConfigError) as caught:
        image_of(folder, {})
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{folder / 'preprocessor_config.json'}: ")
    assert message in line


def test_a_searched_model_sees_what_a_plain_script_shows_it(tmp_path: Path) -> None:
    """Images of 64 by 192 pixels are cropped, not squashed, on the way to the same bits."""
    module = vit()
    value = {"image_processor_type": CLIP, "size": {"shortest_edge": 40}, "crop_size": SMALL}
    folder = write(save_vit(module, tmp_path / "models" / "vit"), value)
    reference = AutoImageProcessor.from_pretrained(str(folder), backend="pil")
    own = images((64, 192))
    with torch.no_grad():
        pixels = reference(images=[Image.fromarray(one) for one in own], return_tensors="pt")["pixel_values"]
        expected = module.vit(pixels).last_hidden_state[:, 0]
    store = BlockStore(tmp_path / "store")
    assert add_path(store, tmp_path / "models") == ["vit"]
    assert torch.equal(features(store, "vit", *store.model("vit").preprocessing(own)), expected)
