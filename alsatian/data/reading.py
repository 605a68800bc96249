"""Whatever a person may call data, as a dataset: files, folders, names, and what lies in memory."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch.utils.data

from alsatian.data.dataset import Dataset
from alsatian.data.digits import SOURCE_ITEMS, digits
from alsatian.data.docstrings import docstring_pool, stdlib_docstrings
from alsatian.data.gate.bad_items import BAD_SHARE, BadItems
from alsatian.data.gate.columns import DATA_KINDS, items_of_table, table_of_frame
from alsatian.data.gate.folders import Skips, endings_below
from alsatian.data.gate.items import items_and_labels, objects
from alsatian.data.gate.pixels import suffixes
from alsatian.data.gate.summary import summary_of_parts
from alsatian.data.gate.tables import SUFFIXES, read_table
from alsatian.data.images import images_in
from alsatian.data.labelled import ImageFiles, Labelled
from alsatian.data.own import Rows, texts_in
from alsatian.data.saved import labelled_splits, loaded
from alsatian.errors import ConfigError, nearest, said
from alsatian.records.data import DataSummary
from alsatian.units import printable

# Data that every machine has: how it is made, and how many items there are.
_NAMED: Mapping[str, tuple[Callable[..., Dataset], Callable[[], int]]] = {
    "digits": (digits, lambda: 1797 - SOURCE_ITEMS),
    "docstrings": (stdlib_docstrings, lambda: len(docstring_pool(target=True)[0])),
}
_ACCEPTED = (
    f"accepted are a folder of images or texts with one folder a class, a table ({', '.join(SUFFIXES)}), what "
    f"save_to_disk of datasets wrote, the names {' and '.join(_NAMED)}, a DataFrame, a dataset of datasets or of "
    "PyTorch, and the pair (items, labels)"
)


@dataclass(frozen=True)
class _Options:
    """Settings of :func:`read_data` that say how a source is read. ``alone``: it holds one part of the data."""

    kind: str
    item_column: str | None
    label_column: str | None
    split_column: str | None
    separator: str | None
    bad: BadItems
    background: Any
    alone: bool

    @property
    def columns(self) -> dict[str, str]:
        """Those that only a table has and that are stated."""
        stated = {
            name: getattr(self, name) for name in ("item_column", "label_column", "split_column", "separator")
        }
        return {name: value for name, value in stated.items() if value is not None}


def read_data(
    source: Any,
    *,
    test: Any = None,
    limit: int | None = None,
    seed: int = 0,
    test_share: float = 0.2,
    labels: str = "auto",
    kind: str = "auto",
    item_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    on_bad_item: str = "raise",
    bad_share: float = BAD_SHARE,
    background: Any = "white",
) -> Dataset:
    """The dataset that ``source`` names, or is.

    Args:
        source: a path or text: a folder of images or of ``.txt`` files with one folder a class, a table of image
            paths or of texts (CSV, TSV, JSONL, Parquet), a folder that ``save_to_disk`` of Hugging Face's
            ``datasets`` wrote, or the names ``digits`` and ``docstrings``. Or a DataFrame, a ``Dataset`` or
            ``DatasetDict`` of that library, the pair (items, labels), a dataset of PyTorch that gives such pairs,
            or a :class:`~alsatian.data.dataset.Dataset`.
        test: such a source with the test part; without it the source says what the test part is, or it is drawn.
        limit: take so many items at most, in the classes' proportions.
        seed, test_share: of the shuffle, and of the items that are drawn for testing.
        labels: ``"classes"``, ``"numbers"`` (to be predicted as such), or ``"auto"``; see
            :func:`~alsatian.data.gate.targets.targets_of`.
        kind: ``"images"`` or ``"texts"``, where files and columns may be either.
        item_column, label_column, split_column, separator: of a table; found if only one has a usual name.
        on_bad_item, bad_share, background: see :func:`~alsatian.data.images.image_files`.

    Raises:
        ConfigError: it is none of these, may be several of them, or cannot be read; one line says what would do.
    """
    if kind not in DATA_KINDS:
        raise ConfigError(f"kind={kind}: {nearest(str(kind), DATA_KINDS)}")
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 2):
        raise ConfigError(f"limit={limit}: must be a number of items, at least 2")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ConfigError(f"seed={seed}: must be a whole number, at least 0")
    bad = BadItems(on_bad_item, bad_share)
    options = _Options(
        kind, item_column, label_column, split_column, separator, bad, background, alone=test is not None
    )
    named = source if isinstance(source, str) and source in _NAMED else None
    if named is not None or isinstance(source, Dataset):
        if test is not None or options.columns or labels == "numbers":
            raise ConfigError(
                f"data: {said(source)} has its own labels and test part; leave out what says otherwise"
            )
        return _limited(source, limit) if named is None else _made(named, limit, test_share, seed)
    found = _labelled(source, options)
    if test is not None:
        if split_column is not None:
            raise ConfigError("test and split_column both say what the test part is; give one of them")
        found = found.tested_by(_labelled(test, options))
    return found.dataset(limit=limit, test_share=test_share, seed=seed, label_kind=labels)


def _made(name: str, limit: int | None, test_share: float, seed: int) -> Dataset:
    if Path(name).exists():
        raise ConfigError(
            f"data: '{name}' is the name of a data set and of what lies here; write ./{name} for that"
        )
    make, count = _NAMED[name]
    return make(items=count() if limit is None else min(limit, count()), test_share=test_share, seed=seed)


def _labelled(source: Any, options: _Options) -> Labelled:
    if isinstance(source, str | Path):
        return _at(source, options)
    if type(source).__module__.partition(".")[0] == "pandas" and hasattr(source, "columns"):
        table = table_of_frame(source)
        parts = (None, "") if options.alone else table.testing(options.split_column)
        return _of_table(Rows(table, "DataFrame", *parts, (Path(), Path())), options)
    if _of_datasets(source):
        if options.split_column or options.separator:
            raise ConfigError("split_column, separator: a dataset of datasets has splits; leave them out")
        return labelled_splits("datasets", source, options.item_column, options.label_column)
    if isinstance(source, torch.utils.data.Dataset):
        source = items_and_labels("dataset 'data'", source)
    if not isinstance(source, tuple | list) or len(source) != 2:
        raise ConfigError(f"data: {said(source)} is given; {_ACCEPTED}")
    if options.columns:
        raise ConfigError(f"{next(iter(options.columns))}: the pair (items, labels) has no columns; leave it out")
    return Labelled(DataSummary(source="data"), *source)


def _of_datasets(source: Any) -> bool:
    """Whether it is of Hugging Face's ``datasets``, which is loaded then."""
    library = sys.modules.get("datasets")
    kinds = tuple(kind for name in ("Dataset", "DatasetDict") if (kind := getattr(library, name, None)))
    return isinstance(source, kinds)


def _at(source: str | Path, options: _Options) -> Labelled:
    """What lies at a path."""
    place, name = Path(source), str(source)
    if not os.path.exists(name):  # which is false, too, for what cannot be a path
        shown = printable(name)[:200]
        raise ConfigError(
            f"data: there is no file or folder '{shown}', nor data of this name; {nearest(name, _NAMED)}"
        )
    if place.is_file():
        table = read_table(place, options.separator)
        parts = (None, "") if options.alone else table.testing(options.split_column)
        return _of_table(Rows(table, name, *parts, (place.parent, place.parent)), options)
    if (place / "dataset_dict.json").is_file() or (place / "dataset_info.json").is_file():
        return labelled_splits(name, loaded(name), options.item_column, options.label_column)
    if options.columns:
        raise ConfigError(
            f"{next(iter(options.columns))}: '{name}' is a folder, which has no columns; leave it out"
        )
    if (options.kind if options.kind != "auto" else _kind_below(place)) == "texts":
        return texts_in(name, options.bad)
    return images_in(name, _files(place, options))


def _kind_below(folder: Path) -> str:
    """Whether the folders of classes hold images or texts."""
    endings = endings_below(folder)
    images, texts = sum(endings[ending] for ending in suffixes()), endings[".txt"]
    if images and texts:
        raise ConfigError(
            f"'{folder}' has {images:,} images and {texts:,} texts in its folders; state kind=images or kind=texts"
        )
    if images or texts:
        return "images" if images else "texts"
    tables = sorted(path.name for path in folder.iterdir() if path.is_file() and path.suffix.lower() in SUFFIXES)
    if tables:
        raise ConfigError(
            f"'{folder}' has no images or texts in folders of classes; name a table: {folder / tables[0]}"
        )
    found = Counter(path.suffix.lower() for path in folder.iterdir() if path.is_file())
    loose = f" ({sum(found.values()):,} files lie beside them, without a class)" if found else ""
    raise ConfigError(f"'{folder}' has no images or texts in folders, one a class{loose}; {_ACCEPTED}")


def _of_table(rows: Rows, options: _Options) -> Labelled:
    label = rows.table.name_of("label", options.label_column)
    item, kind = items_of_table(rows.table, options.item_column, options.kind, label)
    if kind == "images":
        return rows.images(item, label, _files(rows.folders[0], options))
    if kind == "texts":
        return rows.texts(item, label)
    return rows.labelled("items", item, objects(rows.table.present(item)), label)


def _files(folder: Path, options: _Options) -> ImageFiles:
    return ImageFiles(Skips(folder), options.bad, options.background)


def _limited(data: Dataset, limit: int | None) -> Dataset:
    """The first items of both parts, which are in a stratified order."""
    train, test = len(data.train_items), len(data.test_items)
    if limit is None or limit >= train + test:
        return data
    tested = min(max(1, round(limit * test / (train + test))), limit - 1)
    trained = data.train_labels[: limit - tested], data.test_labels[:tested]
    return replace(
        data,
        train_items=data.train_items[: limit - tested],
        train_labels=trained[0],
        test_items=data.test_items[:tested],
        test_labels=trained[1],
        summary=None if data.summary is None else summary_of_parts(data.summary, *trained),
    )
