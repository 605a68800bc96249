"""One search whose ranking the tests of this folder look at."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import alsatian
from alsatian.data.dataset import make_dataset
from alsatian.ranking.result import Ranking

IDS = ("aaaa", "aaab", "aabb", "abbb", "dddd", "twin")


def pictures(items: int = 60) -> Any:
    """Three classes that differ in brightness."""
    rng = np.random.default_rng(0)
    labels = np.arange(items) % 3
    pixels = rng.integers(0, 200, (items, 8, 8)) + 12 * labels[:, None, None]
    return make_dataset("pictures", pixels.astype(np.uint8), labels, test_share=0.4)


@pytest.fixture(scope="session")
def found(tiny: Callable[[str], torch.nn.Module]) -> Ranking:
    models = {name: tiny("aaaa" if name == "twin" else name) for name in IDS}
    return alsatian.search(
        models,
        pictures(),
        preprocessing={"size": 8},
        proxies=["logistic", "logme", "knn"],
        batch_size=8,
        verify=True,
    )
