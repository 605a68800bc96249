"""Images as an image processor of transformers prepares them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from alsatian.data.preprocessing import CHANNELS, Preprocessing, checked, decoded
from alsatian.errors import ConfigError

PIXELS = "pixel_values"


@dataclass(frozen=True)
class ProcessedImages(Preprocessing):
    """What a model's processor file says, done by the library's class that it names.

    Every item is prepared alone, so that it does not depend on its batch.

    Attributes:
        processor: name of the class in transformers.
        given: its settings, as JSON with sorted keys.
        height, width: of the model's input in pixels.
    """

    kind = "image_processor"

    processor: str
    given: str
    height: int
    width: int

    def __post_init__(self) -> None:
        if not all(type(side) is int and side > 0 for side in (self.height, self.width)):
            raise ConfigError(f"an input of {self.height!r} by {self.width!r} pixels; use numbers, at least 1")

    @classmethod
    def from_settings(cls, value: Mapping[str, Any]) -> "ProcessedImages":
        """The inverse of ``settings``, after a trip through JSON."""
        given = json.dumps(dict(value["given"]), sort_keys=True)
        return cls(str(value["processor"]), given, value["height"], value["width"])

    def settings(self) -> dict[str, Any]:
        given = json.loads(self.given)
        return {"processor": self.processor, "given": given, "height": self.height, "width": self.width}

    @property
    def output_bytes(self) -> int:
        """Bytes of the model's input, per item (float32)."""
        return CHANNELS * self.height * self.width * 4

    def example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """Black pixels (batch, 3, height, width)."""
        return (torch.zeros(batch, CHANNELS, self.height, self.width),)

    def __call__(self, items: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Images (N, H, W) or (N, H, W, 3), uint8, or (N,) of type object: such images, or paths of image files.

        Returns ((N, 3, height, width) float32,).

        Raises:
            ConfigError: they are something else, a file cannot be read, or an image cannot be prepared.
        """
        images = [self._image(item) for item in items] if items.dtype == object else list(checked(items))
        processor = made(self.processor, self.given)
        return (torch.cat([self._pixels(processor, image) for image in images]),)

    @staticmethod
    def _image(item: Any) -> np.ndarray:
        return checked(item[None])[0] if isinstance(item, np.ndarray) else decoded(item)

    def _pixels(self, processor: Any, image: np.ndarray) -> torch.Tensor:
        colours = image if image.ndim == 3 else np.repeat(image[..., None], CHANNELS, axis=2)
        pixels = outputs(processor, colours)[PIXELS]
        if pixels.shape != (1, CHANNELS, self.height, self.width):
            raise ConfigError(
                f"{self.processor} makes {tuple(pixels.shape[1:])} of an image of {image.shape[0]} by "
                f"{image.shape[1]} pixels, where the model takes {(CHANNELS, self.height, self.width)}"
            )
        return pixels


def outputs(processor: Any, image: np.ndarray) -> dict[str, torch.Tensor]:
    """What ``processor`` makes of an ``image`` (H, W, 3), uint8: tensors by name, pixels (1, …) as float32."""
    found = dict(processor(images=image, return_tensors="pt", input_data_format="channels_last"))
    return found | {PIXELS: found[PIXELS].to(torch.float32)} if PIXELS in found else found


@cache
def made(name: str, given: str) -> Any:
    """The processor ``name`` of transformers with the settings in the JSON ``given``.

    Raises:
        ConfigError: transformers has no such class.
    """
    from transformers.image_processing_base import ImageProcessingMixin  # takes seconds to import
    from transformers.models.auto.image_processing_auto import get_image_processor_class_from_name

    kind = get_image_processor_class_from_name(name)
    if not (isinstance(kind, type) and issubclass(kind, ImageProcessingMixin)):
        raise ConfigError(f"transformers has no image processor '{name}'")
    return kind.from_dict(json.loads(given))
