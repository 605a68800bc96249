"""Weights of torchvision without a word about them: builder, options and transforms are those of the library."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image as Image
import pytest
import torch
from torchvision import models

from alsatian.data.library_images import TransformedImages
from alsatian.errors import ConfigError
from alsatian.models.reading import torchvision_files
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.parameters.loading import Loaded
from alsatian.models.reading.parameters.state_dicts import renamed
from alsatian.models.reading.state_models import open_state
from alsatian.models.reading.torchvision_files import guessed, images_of, without_values

PHOTO = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
NAMES = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "efficientnet_b3", "efficientnet_v2_s",
    "googlenet", "inception_v3", "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf",
    "resnext101_64x4d", "resnet50", "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11_bn",
    "vit_b_16", "wide_resnet50_2",
)  # fmt: skip


def state_of(name: str, **options: Any) -> dict[str, torch.Tensor]:
    """Names and shapes of the builder's parameters."""
    more = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return without_values(lambda: getattr(models, name)(**more, **options)).state_dict()


@pytest.mark.parametrize("name", NAMES)
def test_images_are_prepared_as_the_weights_say(name: str) -> None:
    for weights in models.get_model_weights(name):
        own = images_of(name, weights.name, {}, Path("m.pth"), [])
        (found,) = own(PHOTO[None])
        torch.testing.assert_close(found[0], weights.transforms()(Image.fromarray(PHOTO)), rtol=0, atol=0)
        assert TransformedImages.from_settings(json.loads(json.dumps(own.settings()))) == own


def test_classifiers_are_known_by_their_parameters_among_all() -> None:
    names = models.list_models(module=models)
    assert len(names) >= 80
    for name in names[::3]:
        notes: list[str] = []
        assert guessed(state_of(name), Path("m.pth"), notes)[0] == name
        assert notes == [f"torchvision's {name}, by the names and shapes of the parameters"]


def other_head(module: torch.nn.Module) -> torch.nn.Module:
    module.fc = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Linear(512, 3))
    return module


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (lambda: state_of("resnet18", num_classes=3), ("resnet18", {}, "")),
        (lambda: other_head(models.resnet18()).state_dict(), ("resnet18", {}, "")),
        (lambda: {f"model.{n}": t for n, t in state_of("resnet18").items()}, ("resnet18", {}, "model.")),
        (
            lambda: {f"net.backbone.{n}": t for n, t in state_of("vgg11").items()} | {"loss.w": torch.ones(1)},
            ("vgg11", {}, "net.backbone."),
        ),
        (lambda: state_of("vit_b_16", image_size=384), ("vit_b_16", {"image_size": 384}, "")),
        (lambda: state_of("vit_b_32"), ("vit_b_32", {"image_size": 224}, "")),
        (lambda: {n: t for n, t in state_of("googlenet").items() if "aux" not in n}, ("googlenet", {}, "")),
        (
            lambda: {n: t for n, t in state_of("resnet18").items() if "num_batches" not in n},
            ("resnet18", {}, ""),
        ),
    ],
    ids=["classes", "head", "prefix", "two prefixes", "384 pixels", "224 pixels", "no auxiliary", "old"],
)
def test_fine_tunes_are_known_as_well(state: Any, expected: tuple[str, dict[str, Any], str]) -> None:
    assert guessed(state(), Path("m.pth"), []) == expected


def test_parameters_of_no_builder_are_refused() -> None:
    state = state_of("resnet18")
    state["layer1.0.conv1.weight"] = torch.zeros(64, 64, 5, 5)
    with pytest.raises(ConfigError, match="are those of no builder of torchvision; write"):
        guessed(state, Path("m.pth"), [])


@pytest.mark.parametrize(
    ("name", "stated", "options", "file", "expected"),
    [
        ("resnet50", None, {}, "m.pth", "IMAGENET1K_V2"),
        ("resnet50", "IMAGENET1K_V1", {}, "m.pth", "IMAGENET1K_V1"),
        ("resnet50", "ResNet50_Weights.IMAGENET1K_V1", {}, "m.pth", "IMAGENET1K_V1"),
        ("resnet50", None, {}, "resnet50-0676ba61.pth", "IMAGENET1K_V1"),
        ("vit_b_16", None, {"image_size": 384}, "m.pth", "IMAGENET1K_SWAG_E2E_V1"),
    ],
)
def test_which_weights_the_transforms_are_of(
    name: str, stated: str | None, options: dict[str, Any], file: str, expected: str
) -> None:
    notes: list[str] = []
    found = images_of(name, stated, options, Path(file), notes)
    whole = models.get_model_weights(name)[expected].transforms()
    torch.testing.assert_close(found(PHOTO[None])[0][0], whole(Image.fromarray(PHOTO)))
    assert bool(notes) == (stated is None)
    assert all(expected in note for note in notes)


@pytest.mark.parametrize(
    ("name", "stated", "options", "message"),
    [
        ("vit_b_16", None, {"image_size": 96}, "no weights of torchvision's vit_b_16 are for images of 96 pixels"),
        ("resnet18", "IMAGENET1K_V7", {}, "transforms=IMAGENET1K_V7: did you mean 'IMAGENET1K_V1'"),
        ("VisionTransformer", None, {}, "torchvision has no weights, and so no transforms, for VisionTransformer"),
    ],
)
def test_transforms_that_cannot_be_told_are_refused(
    name: str, stated: str | None, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        images_of(name, stated, options, Path("m.pth"), [])


def opened(file: Path) -> Loaded:
    own = file.with_suffix(".json")
    return open_state(file, own if own.exists() else None, file.parent / "architectures", Reading())


@pytest.mark.parametrize(
    ("name", "cut"),
    [("resnet18", "fc"), ("squeezenet1_1", None), ("googlenet", "fc"), ("mobilenet_v3_small", "classifier")],
)
def test_features_of_a_bare_file_are_those_of_the_published_model(
    tmp_path: Path, name: str, cut: str | None
) -> None:
    torch.manual_seed(0)
    # As the builder makes it for weights: with transform_input where there is such an option.
    more = {"transform_input": True, "init_weights": True} if name == "googlenet" else {}
    module = getattr(models, name)(**more).eval()
    torch.save(module.state_dict(), tmp_path / "m.pth")
    loaded = opened(tmp_path / "m.pth")
    pixels = models.get_model_weights(name).DEFAULT.transforms()(Image.fromarray(PHOTO))[None]
    with torch.no_grad():
        found = loaded.module(*loaded.preprocessing(PHOTO[None]))
        if cut:
            setattr(module, cut, torch.nn.Identity())
            expected = module(pixels)
        else:
            expected = module.features(pixels).mean((2, 3))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_what_is_stated_goes_before_what_is_guessed(tmp_path: Path) -> None:
    torch.save(models.shufflenet_v2_x0_5().state_dict(), tmp_path / "m.pth")
    (tmp_path / "m.json").write_text(json.dumps({"size": 64}))
    loaded = opened(tmp_path / "m.pth")
    assert loaded.preprocessing.settings()["size"] == 64
    (tmp_path / "m.json").write_text(json.dumps({"name": "shufflenet_v2_x1_0", "size": 64}))
    with pytest.raises(ConfigError, match=r"m\.pth: '[\w.]+' has shape .*; the architecture needs"):
        opened(tmp_path / "m.pth")


@pytest.mark.parametrize("name", ["densenet121", "vit_b_32"])
def test_names_of_older_releases_are_read(name: str) -> None:
    today = state_of(name)
    old = {
        n.replace(".norm1.", ".norm.1.").replace(".norm2.", ".norm.2.").replace(".conv1.", ".conv.1.")
        .replace(".conv2.", ".conv.2.").replace(".mlp.0.", ".mlp.linear_1.").replace(".mlp.3.", ".mlp.linear_2."): t
        for n, t in today.items()
    }  # fmt: skip
    assert old.keys() != today.keys()
    assert [renamed(n) for n in old] == list(today)
    assert guessed({renamed(n): t for n, t in old.items()}, Path("m.pth"), [])[0] == name


def test_a_builder_in_the_files_name_spares_a_look_at_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    signature = torchvision_files._signature

    def counted(name: str) -> object:
        looked.append(name)
        return signature(name)

    monkeypatch.setattr(torchvision_files, "_signature", counted)
    state = models.resnet18(num_classes=3).state_dict()
    found = {}
    for stem in ("my-ResNet18-3", "resnet50", "anything"):  # right, wrong, and none
        looked.clear()
        found[stem] = torchvision_files.guessed(state, tmp_path / f"{stem}.pth", [])[0]
        if stem.startswith("my"):
            assert looked == ["resnet18"]
    assert set(found.values()) == {"resnet18"}
