"""Varied classification tasks made from the digits' source pool, to fine-tune candidates on."""

from dataclasses import dataclass

import numpy as np

from alsatian.data.digits import digit_pool

CHANGES = ("none", "rotate", "invert", "noise")


@dataclass(frozen=True)
class Task:
    """Digits of some classes, changed in some way.

    Attributes:
        classes: the digits to tell apart.
        change: one of ``CHANGES``: upright, turned by ``amount`` quarter turns, inverted, or with Gaussian
            noise of standard deviation ``amount`` (in grey levels of 255).
        amount: see ``change``.
    """

    classes: tuple[int, ...]
    change: str
    amount: int = 0

    def items(self, limit: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, 8, 8) uint8 and labels (N,) below ``len(classes)``, from at most ``limit`` items."""
        images, labels = digit_pool(target=False)
        images, labels = images[:limit], labels[:limit]
        chosen = np.isin(labels, self.classes)
        images, labels = images[chosen], np.searchsorted(self.classes, labels[chosen])
        if self.change == "rotate":
            images = np.rot90(images, self.amount, axes=(1, 2))
        elif self.change == "invert":
            images = 255 - images
        elif self.change == "noise":
            noise = np.random.default_rng(seed).normal(0, self.amount, images.shape)
            images = np.clip(images + noise, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(images), labels.astype(np.int64)


def random_task(rng: np.random.Generator) -> Task:
    """A task of four to ten classes with one of the changes."""
    count = int(rng.integers(4, 11))
    classes = tuple(sorted(int(c) for c in rng.choice(10, count, replace=False)))
    change = str(rng.choice(CHANGES))
    amount = {"rotate": int(rng.integers(1, 4)), "noise": int(rng.integers(20, 81))}.get(change, 0)
    return Task(classes, change, amount)
