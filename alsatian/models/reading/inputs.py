"""The preprocessing of a model in a folder, from the files that lie beside its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alsatian.data.preprocessing import CHANNELS, ImagePreprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError
from alsatian.models.reading.checkpoints import read_json

STATED = "alsatian.json"
"""The file in which a user states what a folder's own files do not say."""
PROCESSOR = "preprocessor_config.json"
TOKENIZER = "tokenizer.json"
DEFAULT_LENGTH = 128


def image_of(folder: Path, stated: Mapping[str, Any]) -> ImagePreprocessing:
    """From ``preprocessor_config.json``; what ``stated`` says goes first.

    Raises:
        ConfigError: neither says how large the input is, or it is not square.
    """
    path = folder / PROCESSOR
    if not path.exists():
        if "size" in stated:
            return stated_image(folder / STATED, stated)
        raise ConfigError(
            f'{folder}: has no {PROCESSOR}; write e.g. {{"size": 224, "mean": [0.5, 0.5, 0.5], '
            f'"std": [0.5, 0.5, 0.5]}} to {STATED} there'
        )
    value = read_json(path)
    read: dict[str, Any] = {}
    cropped = value.get("do_center_crop") and value.get("crop_size")
    read["size"] = _side(path, value["crop_size"] if cropped else value.get("size"))
    if value.get("do_normalize") is False:
        read |= {"mean": [0.0] * CHANNELS, "std": [1.0] * CHANNELS}
    for key, name in (("mean", "image_mean"), ("std", "image_std")):
        if value.get(name) is not None:
            read.setdefault(key, value[name])
    return stated_image(path, {**read, **{k: v for k, v in stated.items() if k in ("size", "mean", "std")}})


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


def text_of(folder: Path, config: Any, length: int) -> TextPreprocessing:
    """With the folder's ``tokenizer.json``; at most as many tokens as the model has positions for.

    ``config`` is the model's configuration.

    Raises:
        ConfigError: there is no tokenizer.
    """
    path = folder / TOKENIZER
    if not path.exists():
        raise ConfigError(f"{folder}: has no {TOKENIZER}; save the model's fast tokenizer to this folder")
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        if "roberta" in str(getattr(config, "model_type", "")):
            # RoBERTa and its kin count positions from behind the padding token's id.
            positions -= (getattr(config, "pad_token_id", None) or 0) + 1
        length = min(length, positions)
    return TextPreprocessing.of(path, length)


def _side(path: Path, size: Any) -> Any:
    """Height and width in pixels, from the forms in which transformers writes a size."""
    if not isinstance(size, Mapping):
        return size
    height, width = size.get("height"), size.get("width")
    if height != width:
        raise ConfigError(f"{path}: an input of {height} by {width} pixels is not square")
    return height if height is not None else size.get("shortest_edge")
