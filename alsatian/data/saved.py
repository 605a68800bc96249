"""Datasets that Hugging Face's ``datasets`` saved on disk."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset
from alsatian.data.gate.folders import part_for_testing
from alsatian.data.gate.items import objects
from alsatian.data.gate.tables import PARTS, Table
from alsatian.data.labelled import Labelled
from alsatian.errors import ConfigError, first_line
from alsatian.records.data import DataSummary


def saved_dataset(
    source: str,
    item_column: str | None = None,
    label_column: str | None = None,
    items: int | None = None,
    test_share: float = 0.2,
    seed: int = 0,
) -> Dataset:
    """Images or texts that ``save_to_disk`` of Hugging Face's ``datasets`` wrote, read into memory.

    Args:
        source: the folder. Of several splits ``test`` is the test part, or ``validation`` without it; with both
            ``validation`` is trained with.
        item_column: name of the column of images or texts; found if only one has a usual name.
        label_column: name of the column of labels; found likewise.
        items, test_share, seed: see :func:`~alsatian.data.own.image_table`.

    Raises:
        ConfigError: the package is not installed, or folder or columns are not what is expected.
    """
    found = labelled_splits(source, loaded(source), item_column, label_column)
    return found.dataset(items=items, test_share=test_share, seed=seed)


def loaded(source: str) -> Any:
    """The ``Dataset`` or ``DatasetDict`` that was saved in the folder ``source``.

    Raises:
        ConfigError: the package is not installed, or the folder is none of its.
    """
    try:
        import datasets  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise ConfigError(f"{source}: reading it needs the package datasets: pip install datasets") from None
    try:
        return datasets.load_from_disk(source)
    except (OSError, ValueError) as error:
        raise ConfigError(f"'{source}' is no folder that save_to_disk wrote ({first_line(error)})") from None


def labelled_splits(source: str, saved: Any, item_column: str | None, label_column: str | None) -> Labelled:
    """The items of ``saved``, a ``Dataset`` or ``DatasetDict`` of that library, called ``source``; see
    :func:`saved_dataset`."""
    splits = dict(saved) if hasattr(saved, "keys") else {"train": saved}
    if unknown := sorted(splits.keys() - PARTS.keys()):
        raise ConfigError(f"'{source}': the split '{unknown[0]}' is none of {', '.join(sorted(PARTS))}")
    tested = part_for_testing(f"'{source}'", [PARTS[name] for name in splits])
    names = Table(f"'{source}'", dict.fromkeys(next(iter(splits.values())).column_names, ()))
    item, label = names.name_of("item", item_column), names.name_of("label", label_column)
    values = _Cells(list(splits.values()), item)
    labels = [name for split in splits.values() for name in _labels(split, label)]
    testing = [PARTS[name] == tested for name, split in splits.items() for _ in range(len(split))]
    about = DataSummary(
        source=source,
        split=f"the split {tested} is the test part" if tested else "",
        notes=(f"items are in column '{item}', labels in column '{label}'",),
    )
    return Labelled(about, values, objects(labels), np.array(testing) if tested else None)


class _Cells(Sequence[Any]):
    """A column of all splits, one under another. Rows are decoded when they are taken, one by one: a whole column
    at once is not decoded by every version."""

    def __init__(self, splits: Sequence[Any], column: str) -> None:
        self._splits = splits
        self._column = column

    def __len__(self) -> int:
        return sum(map(len, self._splits))

    def __getitem__(self, place: Any) -> Any:
        for split in self._splits:
            if place < len(split):
                return split[int(place)][self._column]
            place -= len(split)
        raise IndexError(place)


def _labels(split: Any, column: str) -> list[Any]:
    """Labels by the names that the dataset has for them; -1 is what it writes where there is none."""
    values, feature = list(split[column]), split.features[column]
    if not hasattr(feature, "int2str"):
        return values
    return [None if value is None or value < 0 else feature.int2str(value) for value in values]
