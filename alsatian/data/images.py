"""Image files: folders with one folder a class, and torchvision's datasets. Decoded when they are needed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset
from alsatian.data.gate.bad_items import BAD_SHARE, BadItems
from alsatian.data.gate.folders import Found, Skips, class_folders
from alsatian.data.gate.items import objects
from alsatian.data.gate.pixels import suffixes
from alsatian.data.labelled import ImageFiles, Labelled
from alsatian.errors import ConfigError, first_line, nearest

# torchvision's class, its split for training, and where its samples (path, label) are.
_TORCHVISION: dict[str, tuple[str, str, str]] = {
    "imagenette": ("Imagenette", "train", "_samples"),
    "food101": ("Food101", "train", "_image_files"),
    "stanford_cars": ("StanfordCars", "train", "_samples"),
}


def image_files(
    source: str,
    root: str = "data",
    items: int | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    on_bad_item: str = "raise",
    bad_share: float = BAD_SHARE,
    background: Any = "white",
) -> Dataset:
    """A dataset of image files, all of which are tried.

    Args:
        source, root: see :func:`labelled_images`. Folders ``train``, ``val`` (``valid``, ``validation``) and
            ``test`` that hold the class folders say what the test part is: ``test``, or ``val`` without it. With
            both, ``val`` is trained with.
        items: take so many, in the classes' proportions.
        test_share: of the images that are for testing, where the folder does not say.
        seed: of the shuffle.
        on_bad_item: ``"raise"`` names all files that cannot be decoded and ends; ``"skip"`` leaves them out.
        bad_share: with ``"skip"`` the largest share of files that is left out.
        background: what transparent pixels are composed on: a colour of CSS, or three numbers from 0 to 255.

    Raises:
        ConfigError: there are no such images, fewer than ``items``, or bad ones.
    """
    files = ImageFiles(Skips(Path(source)), BadItems(on_bad_item, bad_share), background)
    return images_in(source, files, root).dataset(items=items, test_share=test_share, seed=seed)


def images_in(source: str, files: ImageFiles, root: str = "data") -> Labelled:
    """The image files of ``source`` (see :func:`image_files`), which are tried as ``files`` says."""
    found = _found(source, Path(root))
    files = replace(files, skips=found.skips)
    return Labelled.found(source, found, objects(found.paths), files=files)


@cache
def labelled_images(source: str, root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Paths (N,) of type object and labels (N,), ordered by class and name.

    ``source`` is a folder with one folder a class, or ``imagenette``, ``food101`` or ``stanford_cars``,
    which torchvision keeps below ``root`` and downloads if they are not there.

    Raises:
        ConfigError: neither; or the download failed; or fewer than two classes.
    """
    found = _found(source, root)
    labels = np.unique(np.array(found.classes), return_inverse=True)[1]
    return objects(found.paths), labels.astype(np.int64)


def _found(source: str, root: Path) -> Found:
    found = _from_torchvision(source, root) if source in _TORCHVISION else _from_folder(Path(source))
    if len(set(found.classes)) < 2:
        raise ConfigError(f"'{source}' has images of fewer than two classes; one folder a class is expected")
    return found


def _from_folder(folder: Path) -> Found:
    if not folder.is_dir():
        raise ConfigError(f"'{folder}' is no folder of images; {nearest(str(folder), _TORCHVISION)}")
    return class_folders(folder, suffixes(), "image")


def _from_torchvision(name: str, root: Path) -> Found:
    from torchvision import datasets  # takes seconds to import

    kind, split, attribute = _TORCHVISION[name]
    try:
        dataset = getattr(datasets, kind)(str(root), split=split, download=True)
    except Exception as error:  # torchvision raises many types; the first line says why
        raise ConfigError(
            f"dataset '{name}' is not in '{root}' and cannot be downloaded: {first_line(error)}"
        ) from None
    samples: Sequence[Any] = getattr(dataset, attribute)
    pairs = zip(samples, dataset._labels, strict=True) if attribute == "_image_files" else samples
    paths, labels = zip(*pairs, strict=True)
    return Found([Path(path) for path in paths], list(labels), None, "", Skips(root), ())
