"""The image processor of a model, from the files that transformers saves beside the weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.library_images import PIXELS, ProcessedImages, outputs, plain, processor
from alsatian.data.preprocessing import CHANNELS, MOST_SIDE
from alsatian.errors import ConfigError, first_line
from alsatian.models.reading.parameters.checkpoints import read_json

FILES = ("processor_config.json", "preprocessor_config.json")
"""In the order in which transformers reads them: the first one only if it holds an image processor."""
INSIDE = "image_processor"
# What a file says of its processor besides settings.
_ABOUT = {
    "image_processor_type", "feature_extractor_type", "processor_class", "_valid_processor_keys",
    "_valid_kwargs_names", "name_or_path", "return_tensors", "data_format", "input_data_format", "device",
    "disable_grouping", "transformers_version",
}  # fmt: skip
_INSTEAD = "to resize to a square instead, state size, mean and std in alsatian.json"
_PROBES = ((40, 64), (90, 70))
"""Heights and widths of images that every processor has to make one size of."""


def processor_file(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The file that says how images are prepared, and what it says; None if there is none."""
    for name in FILES:
        if (folder / name).exists():
            value = read_json(folder / name)
            if name == FILES[1]:
                return folder / name, value
            if isinstance(value.get(INSIDE), dict):
                return folder / name, value[INSIDE]
    return None


def processed_images(
    folder: Path, path: Path, value: Mapping[str, Any], changes: Mapping[str, Any]
) -> ProcessedImages:
    """The preprocessing that the processor file ``path`` of ``folder`` states as ``value``, with ``changes``.

    Raises:
        ConfigError: it asks for code of its own, has a setting that its class does not know, or makes of images
            something else than pixels of one size.
    """
    from transformers import AutoImageProcessor  # takes seconds to import

    if "auto_map" in value:
        raise ConfigError(f"{path}: is refused: auto_map asks for code of its own, which is never run")
    try:
        library = AutoImageProcessor.from_pretrained(str(folder), backend="pil", local_files_only=True)
        kind = type(library)
        name, settings = kind.__name__, {k: v for k, v in value.items() if k not in _ABOUT and v is not None}
        whole = _plain(library)
        for key in settings.keys() - set(kind.valid_kwargs.__annotations__):
            without = _plain(kind.from_dict({k: v for k, v in settings.items() if k != key}))
            if without == {k: v for k, v in whole.items() if k != key}:
                raise ConfigError(
                    f"{path}: {key}={settings[key]!r} is no setting of {name}, so what it does to images is "
                    "unknown; if it does nothing, delete it"
                )
        _check_sides(path, whole)
        given = plain({**whole, **changes})
        rng = np.random.default_rng(0)
        with np.errstate(all="ignore"):  # numbers that are not finite are looked for below
            found = [
                outputs(processor(name, given), rng.integers(0, 256, (*size, CHANNELS), np.uint8))
                for size in _PROBES
            ]
    except ConfigError:
        raise
    except Exception as error:  # whatever a library raises about a file
        raise ConfigError(f"{path}: cannot be used by transformers: {first_line(error)}") from error
    if set(found[0]) != {PIXELS}:
        more = ", ".join(sorted(set(found[0]) - {PIXELS}))
        raise ConfigError(f"{path}: {name} makes {more} beside pixels, which are not passed on; {_INSTEAD}")
    if not all(one[PIXELS].isfinite().all() for one in found):
        raise ConfigError(f"{path}: {name} makes pixels that are not finite (NaN or infinite)")
    shapes = {tuple(one[PIXELS].shape) for one in found}
    if len(shapes) > 1 or len(shape := shapes.pop()) != 4 or shape[:2] != (1, CHANNELS):
        raise ConfigError(
            f"{path}: {name} makes no images of one size: of {_PROBES[0]} and {_PROBES[1]} pixels it makes "
            f"{' and '.join(str(tuple(one[PIXELS].shape[1:])) for one in found)}; {_INSTEAD}"
        )
    return ProcessedImages(name, given, *shape[2:])


def _check_sides(path: Path, settings: Mapping[str, Any]) -> None:
    """See that images are made no larger than models take them, before one is.

    Raises:
        ConfigError: they are.
    """
    share = settings.get("crop_pct")  # images are resized to so much more than is cut out
    for key in ("size", "crop_size", "pad_size"):
        value = settings.get(key)
        sides = value.values() if isinstance(value, Mapping) else [value]
        most = max((side for side in sides if isinstance(side, int | float)), default=0)
        if most > MOST_SIDE or (isinstance(share, int | float) and 0 < share * MOST_SIDE < most):
            more = "" if share is None else f" with crop_pct={share}"
            raise ConfigError(f"{path}: {key}={value}{more} is refused: a side has at most {MOST_SIDE} pixels")


def _plain(library: Any) -> dict[str, Any]:
    """The settings of the processor ``library`` that are set, as plain data."""
    value = json.loads(library.to_json_string())
    return {key: item for key, item in value.items() if key not in _ABOUT and item is not None}
