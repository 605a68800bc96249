"""Image files: folders with one folder a class, and torchvision's datasets. Decoded when they are needed."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset, make_dataset, stratified_order
from alsatian.errors import ConfigError, first_line, nearest

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
# torchvision's class, its split for training, and where its samples (path, label) are.
_TORCHVISION: dict[str, tuple[str, str, str]] = {
    "imagenette": ("Imagenette", "train", "_samples"),
    "food101": ("Food101", "train", "_image_files"),
    "stanford_cars": ("StanfordCars", "train", "_samples"),
}


def image_files(
    source: str, root: str = "data", items: int | None = None, test_share: float = 0.2, seed: int = 0
) -> Dataset:
    """A dataset of image files; see :func:`labelled_images` for ``source`` and ``root``.

    Raises:
        ConfigError: there are no such images, or fewer than ``items``.
    """
    paths, labels = labelled_images(source, Path(root))
    if items is not None:
        if not 0 < items <= len(paths):
            raise ConfigError(f"dataset.items={items}: '{source}' has {len(paths)} images")
        chosen = stratified_order(labels, seed)[:items]
        paths, labels = paths[chosen], labels[chosen]
    return make_dataset(Path(source).name, paths, labels, test_share=test_share, seed=seed)


@cache
def labelled_images(source: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Paths (N,) of type object and labels (N,), ordered by class and name.

    ``source`` is a folder with one folder a class, or ``imagenette``, ``food101`` or ``stanford_cars``,
    which torchvision keeps below ``root`` and downloads if they are not there.

    Raises:
        ConfigError: neither; or the download failed; or fewer than two classes.
    """
    samples = _from_torchvision(source, root) if source in _TORCHVISION else _from_folder(Path(source))
    paths = np.empty(len(samples), object)
    paths[:] = [Path(path) for path, _ in samples]
    labels = np.array([label for _, label in samples], np.int64)
    if len(np.unique(labels)) < 2:
        raise ConfigError(f"'{source}' has images of fewer than two classes; one folder a class is expected")
    return paths, labels


def _from_folder(folder: Path) -> list[tuple[Any, int]]:
    if not folder.is_dir():
        raise ConfigError(f"'{folder}' is no folder of images; {nearest(str(folder), _TORCHVISION)}")
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    return [
        (path, label)
        for label, kind in enumerate(classes)
        for path in sorted(kind.rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]


def _from_torchvision(name: str, root: Path) -> list[tuple[Any, int]]:
    from torchvision import datasets  # takes seconds to import

    kind, split, attribute = _TORCHVISION[name]
    try:
        dataset = getattr(datasets, kind)(str(root), split=split, download=True)
    except Exception as error:  # torchvision raises many types; the first line says why
        raise ConfigError(
            f"dataset '{name}' is not in '{root}' and cannot be downloaded: {first_line(error)}"
        ) from None
    samples = getattr(dataset, attribute)
    return list(zip(samples, dataset._labels, strict=True)) if attribute == "_image_files" else list(samples)
