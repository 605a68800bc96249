"""Raw items by what they hold. Files count by their content, not by their names."""

from pathlib import Path
from typing import Any

import numpy as np
from blake3 import blake3

from alsatian.contents import digests
from alsatian.data.gate.items import objects
from alsatian.data.gate.pixels import ImagePath
from alsatian.fingerprint import digest_json


def array_digest(array: np.ndarray) -> list[object]:
    """What identifies an array of raw items or labels, as plain data.

    Raises:
        ConfigError: a file cannot be read.
    """
    if array.dtype == object and len(array) and isinstance(array[0], np.ndarray):
        return ["images", len(array), digest_json([array_digest(image) for image in array])]
    if array.dtype == object and len(array) and isinstance(array[0], ImagePath):
        return ["composed", list(array[0].background), *array_digest(objects([Path(path) for path in array]))]
    if array.dtype == object:
        contents = iter(digests([i for i in array if isinstance(i, Path)]))
        items = [[next(contents)] if isinstance(i, Path) else str(i) for i in array]
        return ["object", len(array), digest_json(items)]
    content = np.ascontiguousarray(array).tobytes()
    return [str(array.dtype), list(array.shape), blake3(content).hexdigest()]


def item_digests(items: np.ndarray) -> list[str]:
    """A digest for each of the raw ``items`` (N, …): equal ones are equal inputs, whatever the preprocessing.

    Raises:
        ConfigError: a file cannot be read.
    """
    contents = iter(digests([i for i in items if isinstance(i, Path)]) if items.dtype == object else ())
    return [digest_json(_identity(item, contents)) for item in items]


def _identity(item: Any, contents: Any) -> list[object]:
    if isinstance(item, Path):
        return ["file", next(contents), list(item.background) if isinstance(item, ImagePath) else []]
    if isinstance(item, str):
        return ["text", item]
    return array_digest(np.asarray(item))
