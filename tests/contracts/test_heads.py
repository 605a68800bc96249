"""Logits are not features: a module that ends in a classifier is ranked, and a warning says what is ranked."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.mobilenetv3 import InvertedResidualConfig

import alsatian
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.features.extractor import without_head
from alsatian.store.store import BlockStore
from tests.conftest import quick_body
from tests.models.reading.checkpoint_files import vit

DATA = digits(41)


class Body(nn.Module):
    """A body (N, 128), then a part called ``name``."""

    def __init__(
        self, name: str, part: nn.Module, then: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> None:
        super().__init__()
        self.body = quick_body()
        self.name = name
        self.add_module(name, part)
        self.then = then

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = getattr(self, self.name)(self.body(x).flatten(1))
        return out if self.then is None else self.then(out)


class Skips(Body):
    """Its last layer adds to what comes before it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.body(x).flatten(1)
        out: torch.Tensor = x[:, :10] + getattr(self, self.name)(x)
        return out


class Wide(nn.Module):
    """ImageNet's classes over 1,024 features."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 1)
        self.head = nn.Linear(1024, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.head(self.conv(x).flatten(1))
        return out


def warned(module: nn.Module, tmp_path: Path, size: int = 8) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ModelSet.from_modules(BlockStore(tmp_path), {"one": module}, ImagePreprocessing(size))
    return [str(one.message) for one in caught if "classifier" in str(one.message)]


def short_mobilenet() -> nn.Module:
    """MobileNetV3 with one block: its classifier is the usual one, and it is exported in a quarter of the time."""
    block = InvertedResidualConfig(16, 3, 16, 16, use_se=True, activation="RE", stride=2, dilation=1, width_mult=1)
    return torchvision.models.MobileNetV3([block], 64, num_classes=10)


# torchvision's classifiers, with the name of their last layer.
BUILDERS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=10), "fc"),
    "squeezenet1_1": (lambda: torchvision.models.squeezenet1_1(num_classes=10), "classifier.1"),
    "mobilenet_v3": (short_mobilenet, "classifier.3"),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_torchvision_s_classifiers_and_their_bodies(name: str, tmp_path: Path) -> None:
    build, layer = BUILDERS[name]
    module = build()
    (line,) = warned(module, tmp_path / "whole", 32)
    assert f"model 'one': its last layer '{layer}' is a classifier" in line
    assert "without_head(module)" in line
    assert "\n" not in line
    assert warned(without_head(module), tmp_path / "body", 32) == []


CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "fc": lambda: Body("fc", nn.Linear(128, 10)),
    "ImageNet's classes": lambda: Wide(1000),
    "two labels": lambda: Body("classifier", nn.Linear(128, 2)),
    "one label": lambda: Body("score", nn.Linear(128, 1, bias=False)),
    "within a part": lambda: Body("heads", nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 37))),
    "probabilities": lambda: Body("fc", nn.Linear(128, 10), lambda x: x.softmax(1)),
    "as many as an embedding": lambda: Body("fc", nn.Linear(128, 64), lambda x: x.log_softmax(1)),
    "scaled": lambda: Body("logits", nn.Linear(128, 10), lambda x: x / 2.0),
    "transformers": lambda: vit(),
    "wrapped": lambda: nn.DataParallel(Body("fc", nn.Linear(128, 10))),
}


@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_a_classifier_is_noticed(kind: str, tmp_path: Path) -> None:
    assert len(warned(CLASSIFIERS[kind](), tmp_path, 32 if kind == "transformers" else 8)) == 1


EXTRACTORS: dict[str, Callable[[], nn.Module]] = {
    "no head": quick_body,
    "a projection": lambda: Body("projection", nn.Linear(128, 50)),
    "an embedding called fc": lambda: Body("fc", nn.Linear(128, 64)),
    "a head of contrastive learning": lambda: Body(
        "head", nn.Sequential(nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 96))
    ),
    "prototypes": lambda: Body("head", nn.Linear(128, 1000)),
    "an identity": lambda: Body("fc", nn.Identity()),
    "a norm": lambda: Body("head", nn.LayerNorm(128)),
    "an activation behind it": lambda: Body("fc", nn.Linear(128, 10), torch.tanh),
    "a pooler": lambda: Body("pooler", nn.Linear(128, 10), torch.tanh),
    "a residual": lambda: Skips("fc", nn.Linear(128, 10)),
    "no name": lambda: nn.Sequential(quick_body(), nn.Flatten(), nn.Linear(128, 10)),
    "normalised": lambda: Body("fc", nn.Linear(128, 10), lambda x: nn.functional.normalize(x)),
}


@pytest.mark.parametrize("kind", EXTRACTORS)
def test_no_wolf_is_cried(kind: str, tmp_path: Path) -> None:
    assert warned(EXTRACTORS[kind](), tmp_path) == []


def test_results_are_what_the_module_gives() -> None:
    module = Body("fc", nn.Linear(128, 10))
    settings = {"preprocessing": {"size": 8}, "verify": True, "batch_size": 8}
    with pytest.warns(UserWarning, match="logits are ranked"):
        result = alsatian.search({"one": module}, DATA, **settings)  # type: ignore[arg-type]
    renamed = Body("projection", copy.deepcopy(module.fc))
    other = alsatian.search({"one": renamed}, DATA, **settings)  # type: ignore[arg-type]
    assert result.rounds == other.rounds
