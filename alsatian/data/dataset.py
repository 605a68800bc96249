"""The target task: labelled items, shuffled once, in fixed batches."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.digests import array_digest
from alsatian.data.gate.items import raw_items
from alsatian.data.gate.summary import summary_of
from alsatian.data.gate.targets import strata, targets_of
from alsatian.errors import ConfigError
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


def batches_of(
    test_items: int, train_items: int, batch_size: int, models: int = 1
) -> tuple[list[Batch], list[Batch]]:
    """Batches of so many test and training items, of ``batch_size`` items at most, for a search of ``models``.

    Training batches end where a half, a quarter, an eighth … of the training items does, as often as it takes to
    halve the models down to one: rounds of halving see no more items than they ask for. Below a quarter of a batch
    they do: a small batch costs more an item, and so few items tell little. Which strategy it is does not matter:
    batches are the same for all.
    """
    shares = {-(-train_items // 2**power) for power in range(max(1, (models - 1).bit_length()))}
    least = min(batch_size, train_items) / 4
    marks = [0, *sorted(share for share in shares if share >= least and share)]
    train = []
    for start, stop in pairwise(marks):
        train += [*range(start + batch_size, stop, batch_size), stop]
    return batches_ending_at((*range(batch_size, test_items, batch_size), test_items), train)


def batches_ending_at(test: Sequence[int], train: Sequence[int]) -> tuple[list[Batch], list[Batch]]:
    """Batches of test and training items that end, each behind the one before, at so many items of their part."""
    ends = [*((stop, True) for stop in test), *((stop, False) for stop in train)]
    starts = [*(0, *test)[: len(test)], *(0, *train)[: len(train)]]
    batches = [
        Batch(i, start, stop, of_test) for i, (start, (stop, of_test)) in enumerate(zip(starts, ends, strict=True))
    ]
    return batches[: len(test)], batches[len(test) :]


def upto(train: Sequence[Batch], items: int) -> list[Batch]:
    """The first of the batches ``train``, as many as it takes for so many ``items``."""
    return [batch for batch in train if batch.start < items]


@dataclass(frozen=True)
class Dataset:
    """Raw items and labels, split into training and test items.

    Attributes:
        name: for people.
        train_items: (N, …) raw items the proxy is trained on, in a stratified order: any prefix has the
            classes in about the proportions of the whole.
        train_labels: (N,) integers from 0 to ``classes - 1``; float64 where numbers are to be predicted.
        test_items, test_labels: the same for the items the proxy is tested on.
        classes: number of classes; 0 where numbers are to be predicted.
        summary: what is known of the items, for people; None if nothing is.
        drawn: share of the items that was drawn for testing; None if the source says which are.
        seed: of the shuffle; None if that is not known.
        ends: where test batches and training batches end, once that is settled.
    """

    name: str
    train_items: np.ndarray
    train_labels: np.ndarray
    test_items: np.ndarray
    test_labels: np.ndarray
    classes: int
    summary: DataSummary | None = field(default=None, compare=False)
    drawn: float | None = field(default=None, compare=False)
    seed: int | None = field(default=None, compare=False)
    ends: tuple[tuple[int, ...], tuple[int, ...]] | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """Digest of all items and labels in order. Files count by what they hold, not by their names.

        Raises:
            ConfigError: a file cannot be read.
        """
        arrays = (self.train_items, self.train_labels, self.test_items, self.test_labels)
        return digest_json([array_digest(array) for array in arrays])

    def batches(self, batch_size: int, models: int = 1) -> tuple[list[Batch], list[Batch]]:
        """Fixed test batches and training batches; see :func:`batches_of`."""
        if self.ends is not None:
            return batches_ending_at(*self.ends)
        return batches_of(len(self.test_items), len(self.train_items), batch_size, models)

    def in_batches(self, batch_size: int, models: int) -> "Dataset":
        """The same, with its batches settled for a search of so many ``models``."""
        test, train = (tuple(batch.stop for batch in part) for part in self.batches(batch_size, models))
        return replace(self, ends=(test, train))

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


def stratified_order(labels: np.ndarray, seed: int) -> np.ndarray:
    """A seeded shuffle of ``range(len(labels))`` in which every prefix mixes the classes, or the range of numbers,
    evenly.

    The items of a class, shuffled, get positions that are spread over [0, 1) with a random offset in each
    step; sorting all items by position interleaves the classes in proportion to their size.
    """
    rng = np.random.default_rng(seed)
    position = np.empty(len(labels))
    groups = strata(labels)
    for group in np.unique(groups):
        members = rng.permutation(np.flatnonzero(groups == group))
        position[members] = (np.arange(len(members)) + rng.random(len(members))) / len(members)
    return np.argsort(position, kind="stable")


def make_dataset(
    name: str,
    items: Any,
    labels: Any,
    *,
    test_share: float = 0.2,
    seed: int = 0,
    testing: np.ndarray | None = None,
    about: DataSummary | None = None,
    label_kind: str = "classes",
) -> Dataset:
    """Shuffle and split ``items`` with ``labels``, one an item, into a :class:`Dataset`.

    Args:
        name: for people; stands in every error.
        items: raw items, see :func:`~alsatian.data.gate.items.raw_items`.
        labels: see :func:`~alsatian.data.gate.labels.class_codes`, or finite numbers.
        test_share: of the items, at least one, are for testing, in about the classes' proportions.
        seed: of the shuffle.
        testing: whether each item (N,) is for testing, if that is known; then nothing is drawn.
        about: what is known of where the items come from.
        label_kind: see :func:`~alsatian.data.gate.targets.targets_of`.

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
    targets = targets_of(where, labels, label_kind)
    values, order = targets.values, stratified_order(targets.values, seed)
    if testing is None:
        count = min(max(1, round(test_share * len(order))), len(order) - 1)
        train, held_out = order[:-count], order[-count:]  # the end of a stratified order is stratified as well
        evenly = "in the classes' proportions" if targets.names else "over the range of the labels"
        split = f"{test_share:.0%} drawn {evenly}, seed {seed}"
    else:
        train, held_out = order[~testing[order]], order[testing[order]]
        split = "as the source says"
        if not len(train) or not len(held_out):
            raise ConfigError(
                f"{where}: {len(train)} items to train and {len(held_out)} to test; it takes one of each"
            )
    labelled = values[train], values[held_out]
    summary = summary_of(about or DataSummary(source=name), raw, seen, targets, *labelled, split)
    drawn = test_share if testing is None else None
    parts = (raw[train], labelled[0], raw[held_out], labelled[1])
    return Dataset(name, *parts, len(targets.names), summary, drawn, seed)


def counted(items: int, test_share: float = 0.2, images: Any = None) -> Dataset:
    """So many items without content, for predictions. They may stand in for ``images`` of an experiment, which are
    not looked at.

    Raises:
        ConfigError: there are fewer than two.
    """
    test = min(max(1, round(test_share * items)), items - 1)
    if items < 2 or not 0 < test_share < 1:
        raise ConfigError(f"dataset: items={items} must be at least 2, test_share={test_share} between 0 and 1")
    parts = [np.empty((count, 0), np.uint8) for count in (items - test, test)]
    labels = [np.zeros(count, np.int64) for count in (items - test, test)]
    return Dataset("counted", parts[0], labels[0], parts[1], labels[1], 1)
