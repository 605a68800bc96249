"""The target task: labelled items, shuffled once, in fixed batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch.utils.data
from blake3 import blake3

from alsatian.contents import digests
from alsatian.data.gate.items import items_and_labels, objects, raw_items
from alsatian.data.gate.labels import class_codes
from alsatian.data.gate.pixels import ImagePath
from alsatian.data.gate.summary import summary_of
from alsatian.errors import ConfigError, said
from alsatian.fingerprint import digest_json
from alsatian.records.data import DataSummary


@dataclass(frozen=True)
class Batch:
    """Items ``start`` to ``stop`` (exclusive) of one part of the data. Never cut by a strategy.

    Attributes:
        index: position among all batches of the data set, test batches first.
        test: whether its items are for testing the proxy.
    """

    index: int
    start: int
    stop: int
    test: bool

    @property
    def items(self) -> int:
        """Number of items."""
        return self.stop - self.start


def batches_of(test_items: int, train_items: int, batch_size: int) -> tuple[list[Batch], list[Batch]]:
    """Batches of so many test and training items."""
    test = [(i, min(i + batch_size, test_items)) for i in range(0, test_items, batch_size)]
    train = [(i, min(i + batch_size, train_items)) for i in range(0, train_items, batch_size)]
    return (
        [Batch(i, start, stop, True) for i, (start, stop) in enumerate(test)],
        [Batch(len(test) + i, start, stop, False) for i, (start, stop) in enumerate(train)],
    )


@dataclass(frozen=True)
class Dataset:
    """Raw items and labels, split into training and test items.

    Attributes:
        name: for people.
        train_items: (N, …) raw items the proxy is trained on, in a stratified order: any prefix has the
            classes in about the proportions of the whole.
        train_labels: (N,) integers from 0 to ``classes - 1``.
        test_items, test_labels: the same for the items the proxy is tested on.
        classes: number of classes.
        summary: what is known of the items, for people; None if nothing is.
    """

    name: str
    train_items: np.ndarray
    train_labels: np.ndarray
    test_items: np.ndarray
    test_labels: np.ndarray
    classes: int
    summary: DataSummary | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """Digest of all items and labels in order. Files count by what they hold, not by their names.

        Raises:
            ConfigError: a file cannot be read.
        """
        arrays = (self.train_items, self.train_labels, self.test_items, self.test_labels)
        return digest_json([_array_digest(array) for array in arrays])

    def batches(self, batch_size: int) -> tuple[list[Batch], list[Batch]]:
        """Fixed test batches and training batches of ``batch_size`` items; the last of each may be smaller."""
        return batches_of(len(self.test_items), len(self.train_items), batch_size)

    @property
    def in_files(self) -> bool:
        """Whether items are paths, of files that are read when they are needed."""
        return self.train_items.dtype == object and isinstance(self.train_items[0], Path)

    @property
    def modality(self) -> str | None:
        """What its items are, ``"image"`` or ``"text"``; None if they have no content."""
        if not self.train_items.size:
            return None
        return "text" if self.train_items.dtype == object and isinstance(self.train_items[0], str) else "image"

    def items(self, batch: Batch) -> np.ndarray:
        """The raw items of ``batch``."""
        return (self.test_items if batch.test else self.train_items)[batch.start : batch.stop]

    def labels(self, batches: Sequence[Batch]) -> np.ndarray:
        """The labels of ``batches``, in order."""
        parts = [(self.test_labels if b.test else self.train_labels)[b.start : b.stop] for b in batches]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)


def raw_bytes(items: np.ndarray) -> int:
    """Size of raw items in bytes; texts count in UTF-8, paths as the files they name."""
    if items.dtype == object:
        return sum(_raw_bytes(item) for item in items)
    return int(items.nbytes)


def _raw_bytes(item: Any) -> int:
    if isinstance(item, np.ndarray):
        return int(item.nbytes)
    return item.stat().st_size if isinstance(item, Path) else len(str(item).encode())


def _array_digest(array: np.ndarray) -> list[object]:
    if array.dtype == object and len(array) and isinstance(array[0], np.ndarray):
        return ["images", len(array), digest_json([_array_digest(image) for image in array])]
    if array.dtype == object and len(array) and isinstance(array[0], ImagePath):
        return ["composed", list(array[0].background), *_array_digest(objects([Path(path) for path in array]))]
    if array.dtype == object:
        contents = iter(digests([i for i in array if isinstance(i, Path)]))
        items = [[next(contents)] if isinstance(i, Path) else str(i) for i in array]
        return ["object", len(array), digest_json(items)]
    content = np.ascontiguousarray(array).tobytes()
    return [str(array.dtype), list(array.shape), blake3(content).hexdigest()]


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """A seeded shuffle of ``range(len(labels))`` in which every prefix mixes the classes evenly.

    The items of a class, shuffled, get positions that are spread over [0, 1) with a random offset in each
    step; sorting all items by position interleaves the classes in proportion to their size.
    """
    rng = np.random.default_rng(seed)
    position = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        position[members] = (np.arange(len(members)) + rng.random(len(members))) / len(members)
    return np.argsort(position, kind="stable")


def rows(source: str, labels: np.ndarray, items: int | None, seed: int) -> Any:
    """Picks so many ``items`` of ``source``, by their ``labels`` (N,) in the classes' proportions; all for None.

    Raises:
        ConfigError: there are fewer.
    """
    if items is None:
        return slice(None)
    if not 0 < items <= len(labels):
        raise ConfigError(f"dataset.items={items}: '{source}' has {len(labels)} items")
    return stratified_order(class_codes(f"'{source}'", labels)[0], seed)[:items]


def make_dataset(
    name: str,
    items: Any,
    labels: Any,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    testing: np.ndarray | None = None,
    about: DataSummary | None = None,
) -> Dataset:
    """Shuffle and split ``items`` with ``labels``, one class an item, into a :class:`Dataset`.

    Args:
        name: for people; stands in every error.
        items: raw items, see :func:`~alsatian.data.gate.items.raw_items`.
        labels: see :func:`~alsatian.data.gate.labels.class_codes`.
        test_share: of the items, at least one, are for testing, in about the classes' proportions.
        seed: of the shuffle.
        testing: whether each item (N,) is for testing, if that is known; then nothing is drawn.
        about: what is known of where the items come from.

    Raises:
        ConfigError: items or labels are not what is accepted, their numbers differ, or there are none to train or
            to test with.
    """
    where = f"dataset '{name}'"
    if not 0 < test_share < 1:
        raise ConfigError(f"{where}: test_share={test_share} must lie between 0 and 1")
    raw, seen = raw_items(where, items)
    if hasattr(labels, "__len__") and len(raw) != len(labels):
        raise ConfigError(f"{where}: {len(raw)} items but {len(labels)} labels")
    if len(raw) < 2:
        raise ConfigError(f"{where}: {len(raw)} items; it takes one to train and one to test with, at least")
    codes, names = class_codes(where, labels)
    order = stratified_order(codes, seed)
    if testing is None:
        count = min(max(1, round(test_share * len(order))), len(order) - 1)
        train, held_out = order[:-count], order[-count:]  # the end of a stratified order is stratified as well
        split = f"{test_share:.0%} drawn in the classes' proportions, seed {seed}"
    else:
        train, held_out = order[~testing[order]], order[testing[order]]
        split = "as the source says"
        if not len(train) or not len(held_out):
            raise ConfigError(
                f"{where}: {len(train)} items to train and {len(held_out)} to test; it takes one of each"
            )
    summary = summary_of(about or DataSummary(source=name), raw, seen, names, codes[train], codes[held_out], split)
    return Dataset(name, raw[train], codes[train], raw[held_out], codes[held_out], len(names), summary)


def dataset_of(data: Any) -> Dataset:
    """The dataset that ``data`` is or describes: the pair (items, labels), or a dataset of PyTorch with such pairs.

    Raises:
        ConfigError: it is neither, or see :func:`make_dataset`.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, torch.utils.data.Dataset):
        return make_dataset("data", *items_and_labels("dataset 'data'", data))
    if not isinstance(data, tuple | list) or len(data) != 2:
        raise ConfigError(
            f"data: {said(data)} is given; accepted are a Dataset, the pair (items, labels), or a dataset of "
            "PyTorch that gives such pairs"
        )
    return make_dataset("data", *data)


def counted(items: int, test_share: float = 0.2) -> Dataset:
    """So many items without content, for predictions.

    Raises:
        ConfigError: there are fewer than two.
    """
    test = min(max(1, round(test_share * items)), items - 1)
    if items < 2 or not 0 < test_share < 1:
        raise ConfigError(f"dataset: items={items} must be at least 2, test_share={test_share} between 0 and 1")
    parts = [np.empty((count, 0), np.uint8) for count in (items - test, test)]
    labels = [np.zeros(count, np.int64) for count in (items - test, test)]
    return Dataset("counted", parts[0], labels[0], parts[1], labels[1], 1)
