"""The preprocessing of a model in a folder, from the files that lie beside its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alsatian.data.preprocessing import CHANNELS, ImagePreprocessing, Preprocessing
from alsatian.errors import ConfigError
from alsatian.models.reading.inputs.processors import FILES, processed_images, processor_file
from alsatian.models.reading.inputs.settings import STATED

READING_VERSION = 5
"""Of what a model's files are taken to say: it changes whenever the same files give another preprocessing or
another classifier.

Models that were stored with another one are read again."""


def image_of(folder: Path, stated: Mapping[str, Any]) -> Preprocessing:
    """As the folder's processor file says, by the library that wrote it.

    Where ``stated`` has a size it is the plain preprocessing with that size, with the file's mean and standard
    deviation unless these are stated as well.

    Raises:
        ConfigError: neither says how large the input is, or the file asks for what cannot be done.
    """
    found = processor_file(folder)
    if found is None and "size" not in stated:
        raise ConfigError(
            f'{folder}: has no {" or ".join(FILES)}; write e.g. {{"size": 224, "mean": [0.5, 0.5, 0.5], '
            f'"std": [0.5, 0.5, 0.5]}} to {STATED} there'
        )
    stated_image(folder / STATED, {"size": 1, **stated})
    if found is None:
        return stated_image(folder / STATED, stated)
    path, value = found
    if "size" not in stated:
        own: dict[str, Any] = {f"image_{key}": stated[key] for key in ("mean", "std") if key in stated}
        return processed_images(folder, path, value, own | {"do_normalize": True} if own else own)
    usual = {"mean": value.get("image_mean"), "std": value.get("image_std")}
    if value.get("do_normalize") is False:
        usual = {"mean": [0.0] * CHANNELS, "std": [1.0] * CHANNELS}
    return stated_image(path, {**usual, **stated})


def stated_image(path: Path, stated: Mapping[str, Any]) -> ImagePreprocessing:
    """From ``size``, ``mean`` and ``std`` as they stand in ``path``; ImageNet's mean and deviation by default.

    Raises:
        ConfigError: one of them is missing or not of its form.
    """
    channels: dict[str, Any] = {key: stated[key] for key in ("mean", "std") if stated.get(key) is not None}
    for key, value in channels.items():
        if not isinstance(value, list) or not all(isinstance(v, int | float) for v in value):
            raise ConfigError(f"{path}: {key}={value}: one number for each of {CHANNELS} channels is needed")
        channels[key] = tuple(map(float, value))
    try:
        return ImagePreprocessing(stated.get("size"), **channels)  # type: ignore[arg-type]
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
