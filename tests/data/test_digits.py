"""Real images in two pools that never meet."""

from collections import Counter

import numpy as np
import pytest
from sklearn.datasets import load_digits

from alsatian.data.digits import SOURCE_ITEMS, digit_images, digit_pool, digits
from alsatian.errors import ConfigError


def content(images: np.ndarray) -> Counter[bytes]:
    return Counter(image.tobytes() for image in images)


def test_images_are_bytes_over_the_whole_range() -> None:
    images, labels = digit_images()
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.uint8
    assert (images.min(), images.max()) == (0, 255)
    known = load_digits()
    assert np.array_equal(labels, known.target)
    assert np.array_equal(images, np.round(known.images * (255 / 16)))


def test_the_pools_share_nothing_and_miss_nothing() -> None:
    images, labels = digit_images()
    target, source = digit_pool(target=True), digit_pool(target=False)
    assert (len(target[0]), len(source[0])) == (1200, SOURCE_ITEMS)
    assert content(target[0]) + content(source[0]) == content(images)
    assert not content(target[0]) & content(source[0])
    for pool in (target, source):
        shares = np.bincount(pool[1], minlength=10) / len(pool[1])
        assert np.all(np.abs(shares - np.bincount(labels) / 1797) < 0.005)


def test_labels_belong_to_their_images() -> None:
    images, labels = digit_images()
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    data = digits(100)
    for items, codes in ((data.train_items, data.train_labels), (data.test_items, data.test_labels)):
        assert [known[image.tobytes()] for image in items] == list(codes)


@pytest.mark.parametrize("items", [10, 11, 50, 1200])
def test_a_dataset_has_the_items_asked_for(items: int) -> None:
    data = digits(items)
    assert len(data.train_items) + len(data.test_items) == items
    assert len(data.test_items) == round(0.2 * items)
    assert data.classes == len({*data.train_labels, *data.test_labels}) >= min(10, items - 2)
    target = content(digit_pool(target=True)[0])
    assert content(np.concatenate([data.train_items, data.test_items])) <= target


def test_the_test_items_have_all_classes_in_proportion() -> None:
    data = digits()
    counts = np.bincount(data.test_labels, minlength=10)
    fair = 0.2 * np.bincount(np.concatenate([data.train_labels, data.test_labels]))
    assert np.all(np.abs(counts - fair) <= 3)


def test_the_default_is_the_whole_pool_and_the_seed_moves_it() -> None:
    assert len(digits().train_items) == 960
    assert digits(50).digest == digits(50).digest
    assert digits(50).digest != digits(50, seed=1).digest
    assert len(digits(50, test_share=0.5).test_items) == 25


@pytest.mark.parametrize("items", [0, -1, 1201])
def test_more_items_than_there_are_are_refused(items: int) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.items={items}: .* 1 to 1200 items"):
        digits(items)


@pytest.mark.parametrize("items", [1, 9])
def test_fewer_items_than_classes_are_refused(items: int) -> None:
    with pytest.raises(ConfigError, match=rf"dataset\.items={items}: fewer items than the 10 classes"):
        digits(items)
