"""Images as a library's own transforms prepare them: transformers' processors, torchvision's, timm's."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
import PIL.Image as Image
import torch

from alsatian.data.preprocessing import CHANNELS, MOST_SIDE, Preprocessing, all_decoded, checked
from alsatian.errors import ConfigError

PIXELS = "pixel_values"


@dataclass(frozen=True)
class LibraryImages(Preprocessing):
    """What a library makes of an image. Every item is prepared alone, so that it does not depend on its batch.

    Attributes:
        name: of what prepares images, in its library.
        given: its settings, as JSON with sorted keys.
        height, width: of the model's input in pixels.
    """

    modality = "image"

    name: str
    given: str
    height: int
    width: int

    def __post_init__(self) -> None:
        if not all(type(side) is int and 1 <= side <= MOST_SIDE for side in (self.height, self.width)):
            what = f"an input of {self.height!r} by {self.width!r} pixels"
            raise ConfigError(f"{what}; use numbers from 1 to {MOST_SIDE}")

    @classmethod
    def from_settings(cls, value: Mapping[str, Any]) -> Self:
        """The inverse of ``settings``, after a trip through JSON."""
        return cls(str(value["name"]), plain(value["given"]), value["height"], value["width"])

    def settings(self) -> dict[str, Any]:
        given = json.loads(self.given)
        return {"name": self.name, "given": given, "height": self.height, "width": self.width}

    @property
    def output_bytes(self) -> int:
        """Bytes of the model's input, per item (float32)."""
        return CHANNELS * self.height * self.width * 4

    def example(self, batch: int = 2) -> tuple[torch.Tensor, ...]:
        """Black pixels (batch, 3, height, width)."""
        return (torch.zeros(batch, CHANNELS, self.height, self.width),)

    @abstractmethod
    def pixels(self, image: np.ndarray) -> torch.Tensor:
        """An ``image`` (H, W, 3), uint8 -> (1, 3, height, width), float32."""

    def __call__(self, items: np.ndarray) -> tuple[torch.Tensor, ...]:
        """Images (N, H, W) or (N, H, W, 3), uint8, or (N,) of type object: such images, or paths of image files.

        Returns ((N, 3, height, width) float32,).

        Raises:
            ConfigError: they are something else, a file cannot be read, or an image cannot be prepared.
        """
        if items.dtype != object:
            images = list(checked(items))
        else:  # of sizes that may differ
            files = iter(all_decoded([item for item in items if not isinstance(item, np.ndarray)]))
            images = [checked(item[None])[0] if isinstance(item, np.ndarray) else next(files) for item in items]
        return (torch.cat([self._whole(image) for image in images]),)

    def _whole(self, image: np.ndarray) -> torch.Tensor:
        pixels = self.pixels(image if image.ndim == 3 else np.repeat(image[..., None], CHANNELS, axis=2))
        if pixels.shape != (1, CHANNELS, self.height, self.width):
            raise ConfigError(
                f"{self.name} makes {tuple(pixels.shape[1:])} of an image of {image.shape[0]} by "
                f"{image.shape[1]} pixels, where the model takes {(CHANNELS, self.height, self.width)}"
            )
        return pixels


class ProcessedImages(LibraryImages):
    """What a model's processor file says, done by the class of transformers that it names."""

    kind = "image_processor"

    def pixels(self, image: np.ndarray) -> torch.Tensor:
        return outputs(processor(self.name, self.given), image)[PIXELS]


class TransformedImages(LibraryImages):
    """The transforms for evaluation of ``torchvision`` or ``timm``, whose name is ``name``."""

    kind = "image_transforms"

    def pixels(self, image: np.ndarray) -> torch.Tensor:
        pixels: torch.Tensor = transforms(self.name, self.given)(Image.fromarray(image))
        return pixels.unsqueeze(0).to(torch.float32)


def plain(settings: Mapping[str, Any]) -> str:
    """``settings`` as the JSON that identifies them."""
    return json.dumps(dict(settings), sort_keys=True)


def outputs(processor: Any, image: np.ndarray) -> dict[str, torch.Tensor]:
    """What ``processor`` makes of an ``image`` (H, W, 3), uint8: tensors by name, pixels (1, …) as float32."""
    found = dict(processor(images=image, return_tensors="pt", input_data_format="channels_last"))
    return found | {PIXELS: found[PIXELS].to(torch.float32)} if PIXELS in found else found


@cache
def processor(name: str, given: str) -> Any:
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


@cache
def transforms(library: str, given: str) -> Any:
    """The transforms of ``library`` with the settings in the JSON ``given``, for images of PIL.

    Raises:
        ConfigError: there is no such library, or it does not take the settings.
    """
    settings = json.loads(given)
    try:
        if library == "torchvision":
            from torchvision.transforms import InterpolationMode
            from torchvision.transforms._presets import ImageClassification  # what weights.transforms() makes

            mode = InterpolationMode(settings.pop("interpolation"))
            return ImageClassification(**settings, interpolation=mode)
        if library == "timm":
            import timm

            create: Any = timm.data.create_transform  # type: ignore[attr-defined]
            return create(**settings, is_training=False)
    except ImportError:
        raise ConfigError(
            "images are prepared by timm, which is not installed; pip install 'alsatian[timm]'"
        ) from None
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{library} has no transforms with {settings} ({error})") from None
    raise ConfigError(f"there are no transforms of '{library}'")
