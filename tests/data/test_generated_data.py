"""Generated photographs and reviews: sizes and lengths of the real ones, the same content again, made once."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alsatian.data.generated_images import GeneratedImages, photographs
from alsatian.data.generated_reviews import MEAN, MEDIAN, review, reviews
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError


def small(root: Path, **changes: int) -> GeneratedImages:
    return GeneratedImages(root=str(root), **{"classes": 3, "width": 32, "height": 24, **changes})


def test_a_photograph_has_the_size_of_imagenettes() -> None:
    content = GeneratedImages(root="nowhere").content(7)
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (500, 375))
    assert 60_000 < len(content) < 120_000


def test_content_is_decided_by_seed_and_number(tmp_path: Path) -> None:
    images = small(tmp_path)
    assert images.content(4) == small(tmp_path / "elsewhere").content(4)
    assert len({images.content(4), images.content(5), small(tmp_path, seed=1).content(4)}) == 3


def test_images_of_a_class_are_nearer_to_each_other(tmp_path: Path) -> None:
    paths, labels = small(tmp_path).labelled(60)
    (pixels,) = ImagePreprocessing(8)(paths)
    flat = pixels.flatten(1).numpy()
    centres = np.stack([flat[:30][labels[:30] == label].mean(0) for label in range(3)])
    distance = np.square(flat[30:, None] - centres[None]).sum(2)
    assert (distance.argmin(1) == labels[30:]).mean() > 0.6  # a third by chance


def test_images_are_made_once_and_more_of_them_later(tmp_path: Path) -> None:
    first, labels = small(tmp_path).labelled(4)
    assert list(labels) == [0, 1, 2, 0]
    times = [path.stat().st_mtime_ns for path in first]
    more, _ = small(tmp_path).labelled(6)
    assert [path.stat().st_mtime_ns for path in more[:4]] == times
    assert len(list(tmp_path.rglob("*.*"))) == 6  # and no temporary file


def test_photographs_are_the_real_ones_where_there_are_enough(tmp_path: Path) -> None:
    for kind in ("cats", "dogs"):
        (tmp_path / "real" / kind).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (8, 8)).save(tmp_path / "real" / kind / f"{i}.png")
    images, real = small(tmp_path), str(tmp_path / "real")
    assert photographs(6, images, real).name == "real"
    assert photographs(7, images, real).name == "generated_images"
    generated = photographs(10, images, str(tmp_path / "gone"))
    assert generated.name == "generated_images"
    assert (len(generated.train_items), len(generated.test_items), generated.classes) == (8, 2, 3)
    assert generated.digest == photographs(10, images).digest


@pytest.mark.parametrize("changes", [{"classes": 1}, {"width": 7}, {"height": 0}, {"seed": -1}])
def test_images_that_cannot_be_are_refused(tmp_path: Path, changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(changes))}={next(iter(changes.values()))}"):
        small(tmp_path, **changes)


def test_reviews_have_the_lengths_of_imdbs() -> None:
    lengths = [len(review(number, 0).split()) for number in range(2000)]
    assert np.median(lengths) == pytest.approx(MEDIAN, rel=0.06)
    assert np.mean(lengths) == pytest.approx(MEAN, rel=0.06)
    assert min(lengths) >= 10


def test_a_reviews_words_tell_its_class() -> None:
    liked, disliked = review(3, 1), review(3, 0)
    assert liked == review(3, 1)
    assert "terrible" in " ".join(review(i, 1) for i in range(20))
    assert "terrible" not in " ".join(review(i, 0) for i in range(20))
    assert len(liked.split()) == len(disliked.split())


def test_reviews_are_a_dataset() -> None:
    data = reviews(40)
    assert (data.classes, len(data.train_items), len(data.test_items)) == (2, 32, 8)
    with pytest.raises(ConfigError, match=r"dataset\.items=1"):
        reviews(1)
    with pytest.raises(ConfigError, match=r"dataset\.items=1"):
        photographs(1, GeneratedImages(root="nowhere"))
