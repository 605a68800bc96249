"""Models of timm in every layout that it and transformers save: features and images are those of timm."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image as Image
import pytest
import timm
import torch
from safetensors.torch import save_file
from timm.data import create_transform, resolve_model_data_config
from timm.models import save_for_hf
from transformers import TimmWrapperConfig, TimmWrapperForImageClassification

from alsatian.errors import ConfigError
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.parameters.loading import Loaded
from alsatian.models.reading.saved_models import open_folder
from alsatian.models.reading.state_models import open_state

PHOTO = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
OTHER = {
    "input_size": [3, 64, 64],
    "interpolation": "bilinear",
    "crop_pct": 0.8,
    "mean": [0.5] * 3,
    "std": [0.25] * 3,
}


def folder_of(folder: Path) -> Loaded:
    return open_folder(folder, folder.parent / "architectures", Reading())


def assert_as_timm(loaded: Loaded, module: Any) -> None:
    config = resolve_model_data_config(module)
    pixels = create_transform(**config, is_training=False)(Image.fromarray(PHOTO))[None]
    torch.testing.assert_close(loaded.preprocessing(PHOTO[None])[0], pixels, rtol=0, atol=0)
    with torch.no_grad():
        expected = module.eval().forward_head(module.forward_features(pixels), pre_logits=True)
        torch.testing.assert_close(loaded.module(pixels), expected, rtol=1e-5, atol=1e-6)


SAVED: list[tuple[str, dict[str, Any]]] = [
    ("resnet10t", {"num_classes": 4}),
    ("vit_tiny_patch16_224", {"num_classes": 4, "img_size": 64, "depth": 2}),
    ("test_convnext", {"num_classes": 4}),
    ("test_efficientnet", {"num_classes": 4, "global_pool": "max"}),
]


@pytest.mark.parametrize(("name", "options"), SAVED)
def test_folders_for_the_hub(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    module = timm.create_model(name, pretrained_cfg={**OTHER, "architecture": name}, **options)
    save_for_hf(module, tmp_path / "m", model_args=options, safe_serialization="both")
    assert_as_timm(folder_of(tmp_path / "m"), module)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_bare_file_with_a_stated_name(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    module = timm.create_model("resnet10t", num_classes=4)
    file = tmp_path / f"m{suffix}"
    save_file(module.state_dict(), file) if suffix == ".safetensors" else torch.save(module.state_dict(), file)
    (tmp_path / "m.json").write_text(json.dumps({"source": "timm", "name": "resnet10t"}))
    loaded = open_state(file, tmp_path / "m.json", tmp_path / "architectures", Reading())
    assert_as_timm(loaded, module)
    assert any("images as timm prepares them for resnet10t" in note for note in loaded.notes)


def test_averaged_weights_of_a_training_script(tmp_path: Path) -> None:
    raw, averaged = (timm.create_model("resnet10t", num_classes=4) for _ in range(2))
    torch.save({"state_dict": raw.state_dict(), "state_dict_ema": averaged.state_dict()}, tmp_path / "m.pth")
    (tmp_path / "m.json").write_text(json.dumps({"source": "timm", "name": "resnet10t"}))
    for weights, module in (("ema", averaged), ("raw", raw)):
        reading = Reading(weights=weights)
        assert_as_timm(open_state(tmp_path / "m.pth", tmp_path / "m.json", tmp_path / "a", reading), module)


def test_models_that_transformers_wraps(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = TimmWrapperConfig(architecture="resnet10t", num_labels=4, pretrained_cfg=OTHER)
    wrapped = TimmWrapperForImageClassification(config)
    wrapped.save_pretrained(tmp_path / "m")
    module: Any = wrapped.timm_model
    module.pretrained_cfg.update(OTHER)
    assert_as_timm(folder_of(tmp_path / "m"), module)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"architecture": "resnet10z"}, "timm has no model 'resnet10z'; did you mean"),
        ({"architecture": "hf-hub:someone/model"}, "timm has no model 'hf-hub:someone/model'"),
        ({"model_args": {"checkpoint_path": "other.pth"}}, "the option checkpoint_path is refused"),
        ({"model_args": {"pretrained": True}}, "the option pretrained is refused"),
        ({"model_args": {"stem_kind": 3}}, "does not take"),
        ({"model_args": [1]}, "model_args and pretrained_cfg have to be objects"),
        ({"pretrained_cfg": {**OTHER, "input_size": [1, 64, 64]}}, "takes images of 1 channels"),
        ({"pretrained_cfg": {**OTHER, "input_size": [3, 10**6, 10**6]}}, "use numbers from 1 to 8192"),
        ({"pretrained_cfg": {**OTHER, "crop_pct": 1e-6}}, "crop_pct=1e-06 is refused"),
        (
            {"pretrained_cfg": {**OTHER, "std": [0.0] * 3}},
            "timm cannot prepare images for resnet10t: std evaluated",
        ),
        (
            {"pretrained_cfg": {**OTHER, "interpolation": "any"}},
            "timm cannot prepare images for resnet10t: timm has",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    save_for_hf(timm.create_model("resnet10t", num_classes=4), tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ConfigError) as caught:
        folder_of(tmp_path / "m")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
