"""Items as users have them in memory: arrays, tensors, Series and lists as raw items."""

from collections.abc import Iterable, Sequence
from numbers import Number
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from alsatian.data.gate.pixels import Seen, plain_colours
from alsatian.errors import ConfigError, first_line

ACCEPTED = (
    "accepted are images as uint8 of shape (N, H, W) or (N, H, W, 3), and lists of such images, of PIL images, "
    "of texts or of paths"
)
_KINDS: tuple[type, ...] = (str, Path, Image.Image, np.ndarray, Number)


def plain(values: Any) -> Any:
    """``values`` without torch and pandas around them: what lies in a Series counts by position."""
    if hasattr(values, "detach"):
        return values.detach().cpu().numpy()
    if hasattr(values, "to_numpy"):
        return values.to_numpy()
    if type(values).__module__.startswith("pandas"):  # e.g. Categorical
        return np.asarray(values)
    return values


def plain_list(values: Iterable[Any]) -> list[Any]:
    """Every one of ``values`` without torch and pandas around it; arrays without dimensions as their number."""
    found = [plain(value) if hasattr(value, "detach") else value for value in values]
    return [value.item() if isinstance(value, np.ndarray) and value.ndim == 0 else value for value in found]


def objects(values: Sequence[Any]) -> np.ndarray:
    """``values`` as an array (N,) of type object."""
    found = np.empty(len(values), object)
    for place, value in enumerate(values):  # a slice would unpack arrays
        found[place] = value
    return found


def raw_items(where: str, items: Any) -> tuple[np.ndarray, list[Seen]]:
    """Raw items (N, …), and what is known of those that were PIL images. ``where`` begins every error.

    Raises:
        ConfigError: the items are of no kind that is accepted, or of several kinds.
    """
    values = plain(items)
    if isinstance(values, np.ndarray) and values.ndim == 0:
        raise ConfigError(f"{where}: items are a single value; {ACCEPTED}")
    if isinstance(values, np.ndarray) and values.dtype.kind not in "OUT":
        return (_channels_last(values, 4) if hasattr(items, "detach") else values), []
    if isinstance(values, str | bytes | dict | Path) or not hasattr(values, "__len__"):
        raise ConfigError(f"{where}: items are a single {type(items).__name__}; {ACCEPTED}")
    tensors = any(hasattr(value, "detach") for value in values)
    found = plain_list(values)
    kind = _kind(where, found)
    if kind is Image.Image:
        return _from_pil(where, found)
    if kind is np.ndarray:
        return _together(where, [_channels_last(one, 3) if tensors else one for one in found]), []
    return np.array(found) if kind is Number else objects([str(one) for one in found] if kind is str else found), []


def _kind(where: str, items: Sequence[Any]) -> type:
    """What all ``items`` are."""
    for kind in _KINDS:
        other = [place for place, item in enumerate(items) if not isinstance(item, kind)]
        if not other:
            return kind
        if other[0] > 0:
            odd = items[other[0]]
            what = "None" if odd is None else f"of type {type(odd).__name__}"
            raise ConfigError(
                f"{where}: item 0 is of type {type(items[0]).__name__}, item {other[0]} {what}; {ACCEPTED}"
            )
    raise ConfigError(f"{where}: items are of type {type(items[0]).__name__}; {ACCEPTED}")


def items_and_labels(where: str, pairs: Any) -> tuple[list[Any], list[Any]]:
    """Items and labels of a dataset of PyTorch, each of whose elements is a pair. ``where`` begins every error.

    Raises:
        ConfigError: an element is no pair, or its item has been made a model's input already.
    """
    elements = (pairs[i] for i in range(len(pairs))) if hasattr(pairs, "__len__") else iter(pairs)
    items, labels = [], []
    for place, element in enumerate(elements):
        if not isinstance(element, tuple | list) or len(element) != 2:
            raise ConfigError(f"{where}: element {place} is of type {type(element).__name__}, not (item, label)")
        if hasattr(element[0], "is_floating_point") and element[0].is_floating_point():
            raise ConfigError(
                f"{where}: element {place} holds an image of floats; leave out transforms such as ToTensor and "
                "Normalize, since every candidate prepares raw images in its own way"
            )
        items.append(element[0])
        labels.append(element[1])
    return items, labels


def _from_pil(where: str, images: Sequence[Image.Image]) -> tuple[np.ndarray, list[Seen]]:
    arrays, seen = [], []
    for place, image in enumerate(images):
        try:
            colours, facts = plain_colours(image)
        except Exception as error:  # decoders raise many types; the first line says why
            raise ConfigError(f"{where}: item {place} cannot be read as an image ({first_line(error)})") from None
        arrays.append(np.array(colours))  # which PyTorch may take, since it can be written to
        seen.append(facts)
    return _together(where, arrays), seen


def _channels_last(pixels: np.ndarray, dimensions: int) -> np.ndarray:
    """PyTorch's images, of so many ``dimensions``, have their channels in front of height and width."""
    if pixels.dtype != np.uint8 or pixels.ndim != dimensions:
        return pixels
    if pixels.shape[-3] == 3 and pixels.shape[-1] != 3:
        return np.ascontiguousarray(np.moveaxis(pixels, -3, -1))
    return pixels.squeeze(-3) if pixels.shape[-3] == 1 else pixels


def _together(where: str, arrays: list[np.ndarray]) -> np.ndarray:
    """One array, of type object if the sizes of the images differ."""
    if len({(array.shape, array.dtype) for array in arrays}) == 1:
        return np.stack(arrays)
    for place, array in enumerate(arrays):
        if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] == 3)):
            raise ConfigError(
                f"{where}: items differ in shape or type; item {place} is {array.dtype} {array.shape}; {ACCEPTED}"
            )
    return objects(arrays)
