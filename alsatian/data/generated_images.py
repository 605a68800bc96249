"""Generated photographs: JPEG files of a given size with seeded content, for machines without a dataset of images.

Decoding and resizing them costs what it does for real photographs of their size: at 500 by 375 pixels a file has
about 80 kB, as in Imagenette. Classes differ in their colours, so that a proxy has something to learn.
"""

import io
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from alsatian.data.dataset import Dataset, make_dataset, stratified_order
from alsatian.data.images import labelled_images
from alsatian.errors import ConfigError
from alsatian.files import make_folder

QUALITY = 90
# Standard deviation of the grain in grey levels of 255: with it a pixel takes about 3.5 bits, as in photographs.
GRAIN = 12
# Rows and columns of the colours that an image is blended from.
PATCHES = (6, 8)
# Share of an image's colours that its class decides.
_CLASS_SHARE = 0.35


@dataclass(frozen=True, kw_only=True)
class GeneratedImages:
    """Images of some classes, written below ``root`` when they are asked for first.

    Attributes:
        root: the folder for images of all sizes and seeds.
        classes: number of classes; image ``i`` is of class ``i % classes``.
        width, height: of every image, in pixels.
        seed: of the content.
    """

    root: str
    classes: int = 10
    width: int = 500
    height: int = 375
    seed: int = 0

    def __post_init__(self) -> None:
        if self.classes < 2 or min(self.width, self.height) < 8 or self.seed < 0:
            raise ConfigError(
                f"generated images: classes={self.classes} must be at least 2, width={self.width} and "
                f"height={self.height} at least 8, seed={self.seed} at least 0"
            )

    @property
    def place(self) -> Path:
        """The folder of these images, with one folder a class."""
        return Path(self.root) / f"{self.width}x{self.height}-{self.classes}-classes-{self.seed}"

    def labelled(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Paths (N,) of type object and labels (N,) of the first ``count`` images; missing ones are made."""
        paths = np.empty(count, object)
        labels = np.arange(count) % self.classes
        for label in range(min(self.classes, count)):
            make_folder(self.place / f"class-{label:02d}")
        for i in range(count):
            paths[i] = self.place / f"class-{labels[i]:02d}" / f"{i:06d}.jpg"
            if not paths[i].exists():
                self._write(paths[i], i)
        return paths, labels

    def _write(self, path: Path, number: int) -> None:
        # An image that is lost is made again, so none waits for the disk; none is ever there in part.
        temporary = path.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(self.content(number))
        os.replace(temporary, path)

    def content(self, number: int) -> bytes:
        """The JPEG file of an image."""
        rng = np.random.default_rng([self.seed, number])
        of_class = np.random.default_rng([self.seed, number % self.classes, 1]).integers(0, 256, (*PATCHES, 3))
        own = rng.integers(0, 256, (*PATCHES, 3))
        blend = (_CLASS_SHARE * of_class + (1 - _CLASS_SHARE) * own).astype(np.uint8)
        smooth = Image.fromarray(blend).resize((self.width, self.height), Image.Resampling.BICUBIC)
        grain = rng.normal(0, GRAIN, (self.height, self.width, 3)).astype(np.float32)
        pixels = (np.asarray(smooth, np.float32) * 0.7 + 38 + grain).clip(0, 255).astype(np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
        return file.getvalue()


def photographs(
    items: int,
    images: GeneratedImages,
    real: str | None = None,
    root: str = "data",
    test_share: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """``items`` photographs as a dataset.

    Args:
        items: number of images.
        images: what is generated.
        real: take this dataset instead (see :func:`alsatian.data.images.labelled_images`), if it is below
            ``root`` or can be downloaded and has enough images. The dataset's name says which it was.
        root: where that dataset is kept.
        test_share: of the images that are for testing.
        seed: of the shuffle.

    Raises:
        ConfigError: there are too few items.
    """
    if not isinstance(items, int) or items < 2:
        raise ConfigError(f"dataset.items={items}: must be a whole number of at least 2")
    if real is not None:
        try:
            paths, labels = labelled_images(real, Path(root))
        except ConfigError:
            paths = labels = np.empty(0)
        if items <= len(paths):
            chosen = stratified_order(labels, seed)[:items]
            return make_dataset(Path(real).name, paths[chosen], labels[chosen], test_share=test_share, seed=seed)
    paths, labels = images.labelled(items)
    return make_dataset("generated_images", paths, labels, test_share=test_share, seed=seed)
