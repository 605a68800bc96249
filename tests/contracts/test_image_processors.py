"""Images are prepared as the processor files of a model say: what transformers' own processor, with PIL, makes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image as Image
import pytest
import torch
from transformers import AutoImageProcessor

from alsatian.blocks import manifest
from alsatian.blocks.candidate import Candidate
from alsatian.blocks.store import BlockStore
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError
from alsatian.models.reading.inputs import image_of
from alsatian.models.sets.folder import add_path
from tests.models.reading.checkpoint_files import features, save_vit, vit

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


@pytest.mark.parametrize("written", ["ViTFeatureExtractor", "ViTImageProcessorFast", None])
def test_names_of_old_and_fast_classes_and_of_the_model(tmp_path: Path, written: str | None) -> None:
    folder = write(tmp_path, {"size": SMALL} | ({"feature_extractor_type": written} if written else {}))
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    assert_as_the_library(folder, image_of(folder, {}))


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
