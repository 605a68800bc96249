"""Handwritten digits: 1797 real grey images of 8×8 pixels that come with scikit-learn.

They are divided into two pools: the *source* pool for making candidate models and the *target* pool as
the task to search for, so that no candidate has seen the target's items.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from alsatian.data.dataset import Dataset, make_dataset, stratified_order
from alsatian.errors import ConfigError

SOURCE_ITEMS = 597
_POOL_SEED = 7


@cache
def digit_images() -> tuple[np.ndarray, np.ndarray]:
    """All images (1797, 8, 8) uint8 in 0…255 and labels (1797,), not to be written to.

    As ``sklearn.datasets.load_digits`` has them, without scikit-learn, which takes two seconds to import.
    """
    spec = find_spec("sklearn")
    assert spec is not None
    assert spec.origin is not None
    table = np.loadtxt(Path(spec.origin).parent / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    images = np.round(table[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    labels = table[:, -1].astype(np.int64)
    for array in (images, labels):
        array.flags.writeable = False
    return images, labels


def digit_pool(target: bool) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of the target pool (1200 items) or the source pool (597 items)."""
    images, labels = digit_images()
    order = stratified_order(labels, _POOL_SEED)
    members = order[SOURCE_ITEMS:] if target else order[:SOURCE_ITEMS]
    return images[members], labels[members]


def digits(items: int = 1797 - SOURCE_ITEMS, test_share: float = 0.2, seed: int = 0) -> Dataset:
    """The first ``items`` of the target pool as a dataset.

    Raises:
        ConfigError: more items asked for than there are, or fewer than classes.
    """
    images, labels = digit_pool(target=True)
    if not isinstance(items, int) or not 0 < items <= len(images):
        raise ConfigError(f"dataset.items={items}: the target pool of digits has 1 to {len(images)} items")
    if items < 10:
        raise ConfigError(f"dataset.items={items}: fewer items than the 10 classes; ask for at least 10")
    return make_dataset("digits", images[:items], labels[:items], test_share=test_share, seed=seed)
