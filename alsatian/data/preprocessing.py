"""What turns raw items into a model's input. It belongs to the model, not to the data."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import PIL.Image as Image
import torch
from torch.nn.functional import interpolate

from alsatian.data.gate.pixels import composed_on, opened, plain_colours
from alsatian.errors import ConfigError
from alsatian.fingerprint import digest_json

CHANNELS = 3
MOST_SIDE = 8192
"""Pixels of a model's input in height or width, at most: a file that says more would fill the memory."""


class Preprocessing(ABC):
    """A frozen dataclass of plain, hashable settings, called with raw items.

    Attributes:
        kind: names the class in manifests.
        modality: ``"image"`` or ``"text"``, what it takes; None if it looks at what it gets.
    """

    kind: ClassVar[str]
    modality: ClassVar[str | None] = None

    @property
    @abstractmethod
    def output_bytes(self) -> int:
        """Bytes of the model's input, per item."""

    @abstractmethod
    def example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """An input without content, for exporting a model."""

    @abstractmethod
    def __call__(self, items: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Raw ``items`` (N, …) -> input state, tensors of shape (N, …)."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """The settings as plain data."""

    def as_dict(self) -> dict[str, Any]:
        """Kind and settings, for a manifest."""
        return {"kind": self.kind, **self.settings()}

    @property
    def fingerprint(self) -> str:
        """Equal fingerprints: equal inputs, so one tree root serves both models."""
        return digest_json(self.as_dict())


@dataclass(frozen=True)
class ImagePreprocessing(Preprocessing):
    """Resize (bilinear, antialiased), scale to [0, 1], repeat grey to three channels, normalise.

    Attributes:
        size: height and width of the model's input in pixels.
        mean: subtracted, per channel, after scaling to [0, 1].
        std: divided by, per channel.
    """

    kind = "image"
    modality = "image"

    size: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        if type(self.size) is not int or not 1 <= self.size <= MOST_SIDE:
            raise ConfigError(f"an image size of {self.size!r} pixels; use a number from 1 to {MOST_SIDE}")
        complete = len(self.mean) == len(self.std) == CHANNELS
        if not complete or not all(map(math.isfinite, (*self.mean, *self.std))) or min(self.std) <= 0:
            raise ConfigError(
                f"images cannot be normalised with mean={self.mean} and std={self.std}: {CHANNELS} finite numbers "
                "each, std above 0"
            )

    @classmethod
    def from_settings(cls, value: Mapping[str, Any]) -> "ImagePreprocessing":
        """The inverse of ``settings``, after a trip through JSON."""
        return cls(size=value["size"], mean=tuple(value["mean"]), std=tuple(value["std"]))

    def settings(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def output_bytes(self) -> int:
        """Bytes of the model's input, per item (float32)."""
        return CHANNELS * self.size * self.size * 4

    def example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """Black pixels (batch, 3, size, size)."""
        return (torch.zeros(batch, CHANNELS, self.size, self.size),)

    def __call__(self, items: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Images (N, H, W) or (N, H, W, 3), uint8, or (N,) of type object: such images, or paths of image files.

        Returns ((N, 3, size, size) float32,).
        """
        if items.dtype == object and isinstance(items[0], np.ndarray):  # of sizes that differ
            return (torch.cat([self(item[None])[0] for item in items]),)
        if items.dtype == object:
            items = np.stack(all_decoded(list(items), self.size))
        pixels = torch.from_numpy(checked(items)).to(torch.float32).div_(255)
        pixels = pixels.unsqueeze(1) if pixels.dim() == 3 else pixels.permute(0, 3, 1, 2)
        if pixels.shape[2:] != (self.size, self.size):
            pixels = interpolate(pixels, (self.size, self.size), mode="bilinear", antialias=True)
        mean = torch.tensor(self.mean).view(1, CHANNELS, 1, 1)
        std = torch.tensor(self.std).view(1, CHANNELS, 1, 1)
        return (((pixels - mean) / std).contiguous(),)


def checked(items: np.ndarray) -> np.ndarray:
    """``items``, images in memory.

    Raises:
        ConfigError: they are not uint8 of shape (N, H, W) or (N, H, W, 3).
    """
    if items.dtype != np.uint8 or items.ndim not in (3, 4) or (items.ndim == 4 and items.shape[3] != CHANNELS):
        raise ConfigError(
            f"images are expected as uint8 of shape (N, H, W) or (N, H, W, 3), got {items.dtype} {items.shape}"
        )
    return items


def all_decoded(paths: Sequence[Path], size: int | None = None) -> list[np.ndarray]:
    """:func:`decoded` of each, on as many threads as PyTorch computes with.

    Decoding leaves the interpreter to others. It takes no part of PyTorch, whose threads would be doubled by it
    (see :mod:`alsatian.runtime.loading.transfer`).

    Raises:
        ConfigError: one cannot be read; of several, the first.
    """
    threads = min(torch.get_num_threads(), len(paths))
    if threads < 2:
        return [decoded(path, size) for path in paths]
    return list(_threads(threads).map(partial(decoded, size=size), paths))


@cache
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="decode")


def decoded(path: Path, size: int | None = None) -> np.ndarray:
    """An image file as (H, W, 3) uint8; with ``size`` resized (bilinear), so that a batch can be stacked.

    What is no plain 8-bit RGB is made such, see :func:`~alsatian.data.gate.pixels.plain_colours`.

    Raises:
        ConfigError: it cannot be read.
    """
    with opened(path) as image:
        colours, _ = plain_colours(image, composed_on(path))
        return np.asarray(colours.resize((size, size), Image.Resampling.BILINEAR) if size else colours)
