"""Problems that proxies are scored on."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch


class Problem(NamedTuple):
    """The arguments of ``Proxy.score``."""

    train_x: torch.Tensor
    train_y: torch.Tensor
    test_x: torch.Tensor
    test_y: torch.Tensor
    classes: int


@cache
def _raw(name: str) -> tuple[np.ndarray, np.ndarray]:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return x, y


def whole(name: str) -> Problem:
    """scikit-learn's data ``name``, all items for training and all for testing."""
    x, y = (torch.from_numpy(part) for part in _raw(name))
    return Problem(x, y, x, y, int(y.max()) + 1)


def halves(name: str, items: int = 400) -> Problem:
    """At most ``items`` of scikit-learn's data ``name``, shuffled, half for training and half for testing."""
    x, y = _raw(name)
    order = np.random.default_rng(0).permutation(len(y))[:items]
    x, y = torch.from_numpy(x[order]), torch.from_numpy(y[order])
    half = len(order) // 2
    return Problem(x[:half], y[:half], x[half:], y[half:], len(np.unique(_raw(name)[1])))


def blobs(train: int, test: int, dimension: int, classes: int, spread: float = 1.0, seed: int = 0) -> Problem:
    """Items around the centres of ``classes``, which take turns, so that each has items where there are enough."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, dimension, generator=generator)
    labels = torch.arange(train + test) % classes
    items = centres[labels] + spread * torch.randn(train + test, dimension, generator=generator)
    return Problem(items[:train], labels[:train], items[train:], labels[train:], classes)


def numbers(train: int, test: int, dimension: int, noise: float = 0.1, seed: int = 0) -> Problem:
    """Labels that are a linear function of the features, and noise."""
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(train + test, dimension, generator=generator, dtype=torch.float64)
    weights = torch.randn(dimension, generator=generator, dtype=torch.float64)
    labels = items @ weights + noise * torch.randn(train + test, generator=generator, dtype=torch.float64)
    return Problem(items[:train].float(), labels[:train], items[train:].float(), labels[train:], 0)
