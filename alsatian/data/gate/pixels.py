"""Any image that Pillow reads as plain 8-bit colours, with what was done to it."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PosixPath
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageColor, ImageOps, UnidentifiedImageError

from alsatian.data.gate.bad_items import BadItemError
from alsatian.errors import ConfigError, first_line
from alsatian.records.data import Images
from alsatian.units import count_text

WHITE = (255, 255, 255)
# Formats that Pillow only identifies, or that it has another program read.
_NOT_READ = frozenset({"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"})
_LARGEST_16_BIT = 65535


@cache
def formats() -> tuple[str, ...]:
    """Names of the formats that are read."""
    Image.init()
    return tuple(sorted(name for name in Image.OPEN if name not in _NOT_READ))


@cache
def suffixes() -> frozenset[str]:
    """Endings of the files that are read, in lower case with their dot."""
    read = set(formats())
    return frozenset(ending for ending, name in Image.registered_extensions().items() if name in read)


class ImagePath(PosixPath):
    """The path of an image file whose transparent pixels are composed on another colour than white.

    Attributes:
        background: red, green and blue, 0 to 255.
    """

    background: tuple[int, int, int]

    @classmethod
    def on(cls, background: tuple[int, int, int], path: Path) -> Path:
        """``path``, which remembers its ``background``; a plain one if that is white."""
        if background == WHITE:
            return path
        found = cls(path)
        found.background = background
        return found

    def __reduce__(self) -> Any:
        return type(self).on, (self.background, Path(self))


def background_of(setting: Any) -> tuple[int, int, int]:
    """The colour that ``setting`` means: a name or code of CSS, or three numbers.

    Raises:
        ConfigError: it means none.
    """
    if isinstance(setting, list | tuple) and len(setting) == 3 and all(v in range(256) for v in setting):
        return (int(setting[0]), int(setting[1]), int(setting[2]))
    try:
        red, green, blue, *_ = ImageColor.getrgb(str(setting))
    except ValueError:
        raise ConfigError(
            f"background={setting}: is no colour; write a name such as white, a code such as '#808080', or three "
            "numbers from 0 to 255"
        ) from None
    return red, green, blue


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """The image file ``path``, whatever its name says.

    Raises:
        BadItemError: it cannot be read, or what is done to it inside the ``with`` block fails.
    """
    try:
        with Image.open(path, formats=formats()) as image:
            yield image
    except (ConfigError, MemoryError):
        raise
    except UnidentifiedImageError:
        raise BadItemError(path, "an image", "of no format that is known") from None
    except Exception as error:  # decoders raise many types; the first line says why
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise BadItemError(path, "an image", reason) from None


@dataclass(frozen=True)
class Seen:
    """What an image is.

    Attributes:
        mode: Pillow's, as it is stored.
        width, height: in pixels, upright.
        notes: what is done to make plain colours of it, in words that are the same for all such images.
    """

    mode: str
    width: int
    height: int
    notes: tuple[str, ...] = ()


def plain_colours(image: Image.Image, background: tuple[int, int, int] = WHITE) -> tuple[Image.Image, Seen]:
    """The frame that ``image`` shows as RGB, upright: 16-bit, 32-bit and float pixels scaled by their range,
    transparency composed on ``background``, palettes, grey, CMYK and so on converted.

    Raises:
        ValueError: Pillow does not convert such pixels, or they are not finite.
        Exception: of many types, as Pillow's decoders raise them.
    """
    mode, notes = image.mode, []
    if getattr(image, "is_animated", False):  # which does not read all frames, as counting them would
        notes.append("only the first frame or page is used")
    if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:
        image = ImageOps.exif_transpose(image)
        notes.append("turned upright as their EXIF orientation says")
    if mode.startswith("I") or mode == "F":
        image, note = _scaled(image)
        notes.append(note)
    elif mode not in ("RGB", "L", "LA", "RGBA", "1"):
        notes.append(f"converted from {mode} to RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (*background, 255)), image)
        notes.append("transparency is composed on rgb({}, {}, {})".format(*background))
    image = image.convert("RGB")
    return image, Seen(mode, *image.size, tuple(notes))


def composed_on(path: Path) -> tuple[int, int, int]:
    """The background of the image file ``path``."""
    return path.background if isinstance(path, ImagePath) else WHITE


def _scaled(image: Image.Image) -> tuple[Image.Image, str]:
    """Grey pixels of more than 8 bits as 8 bits, and how."""
    values = np.asarray(image).astype(np.float64)
    if not np.isfinite(values).all():
        raise ValueError("it has pixels that are not finite")
    low, high = float(values.min()), float(values.max())
    # Older versions of Pillow open 16-bit files in the 32-bit mode.
    if image.mode != "F" and low >= 0 and high <= _LARGEST_16_BIT:
        low, high, note = 0, _LARGEST_16_BIT, "16 bits: 0 to 65535 becomes 0 to 255"
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high, note = 0, 1, "numbers from 0 to 1 become 0 to 255"
    else:
        note = "the image's own range of numbers becomes 0 to 255"
    scaled = (values - low) * (255 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(np.rint(scaled).astype(np.uint8)), note


def look(path: Path) -> Seen:
    """Decode the image file ``path`` and say what it is.

    Of JPEG files the whole stream is parsed but only a small image made of it, which takes a third of the time.

    Raises:
        BadItemError: it cannot be decoded.
    """
    with opened(path) as image:
        width, height = image.size
        if image.format in ("JPEG", "MPO"):
            image.draft(None, (max(1, width // 8), max(1, height // 8)))
        small = image.size
        seen = plain_colours(image, composed_on(path))[1]
        sides = (width, height) if (seen.width, seen.height) == small else (height, width)
        return Seen(seen.mode, *sides, seen.notes)


def images_of(seen: Sequence[Seen]) -> tuple[Images, tuple[str, ...]]:
    """Modes and sizes of all images, and notes with the number of images they are about."""
    modes = Counter(one.mode for one in seen)
    widths, heights = [one.width for one in seen], [one.height for one in seen]
    notes = Counter(note for one in seen for note in one.notes)
    images = Images(
        modes=dict(modes.most_common()),
        width=(min(widths), max(widths)),
        height=(min(heights), max(heights)),
    )
    return images, tuple(f"{note} ({count_text(count, 'image')})" for note, count in notes.most_common())
