"""What the commands are timed on: fine-tunes of one ResNet-18 as files of weights, and JPEG files."""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from alsatian.data.dataset import stratified_order
from alsatian.data.generated_images import GeneratedImages
from alsatian.data.preprocessing import ImagePreprocessing

TRAINED = (
    "fc",
    "fc",
    "layer4",
    "layer4",
    "layer4",
    "layer4.1",
    "layer4.1",
    "layer3",
    "layer3",
    "layer2",
    "layer1",
    "",
)
"""From where on each fine-tune was trained; its stages before that are the base's. The last was trained whole."""
_STEPS, _BATCH = 3, 8


def images(folder: Path, items: int, side: int) -> Path:
    """A folder with one folder a class: so many generated photographs, 4 to 3, the longer side in pixels."""
    generated = GeneratedImages(root=str(folder), width=side, height=side * 3 // 4)
    generated.labelled(items)
    return generated.place


def checkpoints(folder: Path, pictures: Path, count: int, size: int) -> Path:
    """``folder`` with so many fine-tunes, each trained for a few steps at ``size`` pixels from a stage on."""
    import torchvision

    folder.mkdir(parents=True, exist_ok=True)
    paths = sorted(pictures.rglob("*.jpg"))
    labels = torch.tensor([int(path.parent.name.rpartition("-")[2]) for path in paths])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        base = torchvision.models.resnet18(num_classes=10)
        prepare = ImagePreprocessing(size)
        for i in range(count):
            order = stratified_order(labels.numpy(), i)[: _STEPS * _BATCH]
            chosen = np.array([paths[j] for j in order], object)
            (x,) = prepare(chosen)
            model = _trained(copy.deepcopy(base), TRAINED[i % len(TRAINED)], x, labels[order])
            torch.save(model.state_dict(), folder / f"resnet18-{i:02d}.pth")
    return folder


def _trained(model: torch.nn.Module, stage: str, x: torch.Tensor, y: torch.Tensor) -> torch.nn.Module:
    """``model`` after a few steps of SGD on everything from ``stage`` on."""
    named = list(model.named_parameters())
    first = next(i for i, (name, _) in enumerate(named) if name.startswith(stage))
    for _, parameter in named[:first]:
        parameter.requires_grad_(False)
    model.eval()  # running statistics are the base's, so that what is not trained stays the same
    optimizer = torch.optim.SGD([p for _, p in named[first:]], lr=0.01)
    for part, labels in zip(x.split(_BATCH), y.split(_BATCH), strict=True):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(part), labels).backward()
        optimizer.step()
    return model.requires_grad_()


def kinds(count: int) -> Sequence[str]:
    """How the fine-tunes were made, for people."""
    used = [TRAINED[i % len(TRAINED)] or "all" for i in range(count)]
    return [f"{used.count(stage)} from {stage}" for stage in dict.fromkeys(used)]
