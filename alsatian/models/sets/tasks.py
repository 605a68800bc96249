"""Varied classification tasks to fine-tune candidates on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from blake3 import blake3

from alsatian.contents import digests
from alsatian.data.digits import digit_pool
from alsatian.data.docstrings import SOURCE_TOPICS, docstring_files, docstring_pool
from alsatian.data.generated_images import GeneratedImages
from alsatian.data.images import labelled_images
from alsatian.data.text import text_items
from alsatian.errors import ConfigError
from alsatian.fingerprint import digest_json

Items = tuple[np.ndarray, np.ndarray]
"""Raw items (N, …) and labels (N,) from 0 to the number of classes - 1."""


@dataclass(frozen=True)
class Task:
    """Items of some classes, changed in some way.

    Attributes:
        classes: the pool's labels to tell apart.
        change: what is done to the items, one of the pool's changes; ``"none"`` leaves them.
        amount: how much; see the pool.
        part: which part of the pool, where it has several.
    """

    classes: tuple[int, ...]
    change: str = "none"
    amount: int = 0
    part: str = ""


class TaskPool(Protocol):
    """Labelled items from which tasks are made."""

    def base_task(self) -> Task:
        """What the base network learns."""
        ...

    def random_task(self, rng: np.random.Generator) -> Task:
        """What a fine-tune learns."""
        ...

    def items(self, task: Task, limit: int, seed: int) -> Items:
        """At most ``limit`` items of ``task``."""
        ...

    def contents(self) -> list[str]:
        """Digests of what the items are made of, unless its name or the settings say it."""
        ...


@dataclass(frozen=True)
class DigitTasks:
    """The digits' source pool: upright, turned by ``amount`` quarter turns, inverted, or with Gaussian noise
    of standard deviation ``amount`` (in grey levels of 255)."""

    def base_task(self) -> Task:
        return Task(tuple(range(10)))

    def random_task(self, rng: np.random.Generator) -> Task:
        classes = _some_classes(rng, 10, 4)
        change = str(rng.choice(["none", "rotate", "invert", "noise"]))
        amount = {"rotate": int(rng.integers(1, 4)), "noise": int(rng.integers(20, 81))}.get(change, 0)
        return Task(classes, change, amount)

    def items(self, task: Task, limit: int, seed: int) -> Items:
        images, labels = digit_pool(target=False)
        images, labels = _of_classes(images[:limit], labels[:limit], task.classes)
        if task.change == "rotate":
            images = np.rot90(images, task.amount, axes=(1, 2))
        elif task.change == "invert":
            images = 255 - images
        elif task.change == "noise":
            noise = np.random.default_rng(seed).normal(0, task.amount, images.shape)
            images = np.clip(images + noise, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(images), labels

    def contents(self) -> list[str]:
        return [blake3(array.tobytes()).hexdigest() for array in digit_pool(target=False)]


@dataclass(frozen=True)
class DocstringTasks:
    """Docstrings of the source topics: as they are, in lower case, without ``amount`` percent of their
    words, or cut after ``amount`` words."""

    def base_task(self) -> Task:
        return Task(tuple(range(len(SOURCE_TOPICS))))

    def random_task(self, rng: np.random.Generator) -> Task:
        classes = _some_classes(rng, len(SOURCE_TOPICS), 3)
        change = str(rng.choice(["none", "lower", "drop", "cut"]))
        amount = {"drop": int(rng.integers(10, 51)), "cut": int(rng.integers(6, 16))}.get(change, 0)
        return Task(classes, change, amount)

    def items(self, task: Task, limit: int, seed: int) -> Items:
        rng = np.random.default_rng(seed)
        texts, labels = _of_classes(*docstring_pool(target=False), task.classes)
        chosen = rng.permutation(len(texts))[:limit]
        return text_items([self._changed(str(texts[i]), task, rng) for i in chosen]), labels[chosen]

    def contents(self) -> list[str]:
        return [digest_json(digests(docstring_files()))]

    @staticmethod
    def _changed(text: str, task: Task, rng: np.random.Generator) -> str:
        if task.change == "lower":
            return text.lower()
        words = text.split()
        if task.change == "cut":
            return " ".join(words[: task.amount])
        if task.change == "drop":
            return " ".join(word for word in words if rng.random() * 100 >= task.amount)
        return text


@dataclass(frozen=True)
class ImageTasks:
    """Classes of image datasets: folders with one folder a class, or torchvision's datasets by name.

    Attributes:
        datasets: what :func:`alsatian.data.images.labelled_images` takes; a task draws one of them.
        root: where torchvision's datasets lie or are downloaded to.
        largest: most classes of a task.
    """

    datasets: tuple[str, ...]
    root: str = "data"
    largest: int = 20

    def __post_init__(self) -> None:
        if not self.datasets:
            raise ConfigError("model_set.pool.datasets is empty; name folders or torchvision datasets")
        object.__setattr__(self, "datasets", tuple(self.datasets))

    def base_task(self) -> Task:
        return Task((), part=self.datasets[0])

    def random_task(self, rng: np.random.Generator) -> Task:
        part = str(rng.choice(list(self.datasets)))
        classes = int(labelled_images(part, Path(self.root))[1].max()) + 1
        return Task(_some_classes(rng, classes, 2, self.largest), part=part)

    def items(self, task: Task, limit: int, seed: int) -> Items:
        paths, labels = labelled_images(task.part, Path(self.root))
        if task.classes:
            paths, labels = _of_classes(paths, labels, task.classes)
        chosen = np.random.default_rng(seed).permutation(len(paths))[:limit]
        return paths[chosen], labels[chosen]

    def contents(self) -> list[str]:
        # Others are torchvision's, whose releases do not change.
        folders = [name for name in self.datasets if Path(name).is_dir()]
        found = [labelled_images(name, Path(self.root)) for name in folders]
        return [digest_json([digests(list(paths)), labels.tolist()]) for paths, labels in found]


@dataclass(frozen=True, kw_only=True)
class GeneratedImageTasks(GeneratedImages):
    """Some of the classes of generated images: a random half of them, or more."""

    def base_task(self) -> Task:
        return Task(tuple(range(self.classes)))

    def random_task(self, rng: np.random.Generator) -> Task:
        return Task(_some_classes(rng, self.classes, (self.classes + 1) // 2))

    def items(self, task: Task, limit: int, seed: int) -> Items:
        paths, labels = _of_classes(*self.labelled(limit), task.classes)
        chosen = np.random.default_rng(seed).permutation(len(paths))
        return paths[chosen], labels[chosen]

    def contents(self) -> list[str]:
        return []  # the settings say it all


def _some_classes(rng: np.random.Generator, count: int, fewest: int, most: int | None = None) -> tuple[int, ...]:
    """A random subset of ``range(count)`` with at least ``fewest`` and at most ``most`` members, ascending."""
    largest = count if most is None else min(most, count)
    size = int(rng.integers(min(fewest, largest), largest + 1))
    return tuple(sorted(int(c) for c in rng.choice(count, size, replace=False)))


def _of_classes(items: np.ndarray, labels: np.ndarray, classes: Sequence[int]) -> Items:
    """The items with one of ``classes``, labels counted from 0."""
    chosen = np.isin(labels, classes)
    return items[chosen], np.searchsorted(classes, labels[chosen]).astype(np.int64)
