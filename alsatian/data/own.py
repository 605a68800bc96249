"""A user's own images and texts, in a table or in a folder of text files."""

from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset, make_dataset, rows
from alsatian.data.gate.bad_items import BAD_SHARE, BadItemError, BadItems
from alsatian.data.gate.folders import Skips, class_folders
from alsatian.data.gate.items import objects
from alsatian.data.gate.labels import class_codes
from alsatian.data.gate.tables import SUFFIXES, Table, joined, read_table
from alsatian.data.images import checked_images
from alsatian.errors import ConfigError, first_line
from alsatian.records.data import DataSummary


def image_table(
    source: str,
    test_source: str | None = None,
    path_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    items: int | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    on_bad_item: str = "raise",
    bad_share: float = BAD_SHARE,
    background: Any = "white",
) -> Dataset:
    """Image files that a table lists with their labels.

    Args:
        source: a CSV, TSV, JSONL or Parquet file. Paths in it are relative to its folder.
        test_source: such a file with the test part.
        path_column, label_column: names of the columns; found if only one has a usual name.
        split_column: name of the column that says whether a row is for ``train``, ``val`` or ``test``; found too.
        separator: of CSV, if it is no comma.
        items: take so many, in the classes' proportions.
        test_share, seed, on_bad_item, bad_share, background: see :func:`~alsatian.data.images.image_files`.

    Raises:
        ConfigError: a file or column is not what is expected, or an image is bad.
    """
    table, testing, split = _rows(source, test_source, split_column, separator)
    path, label = table.name_of("path", path_column), table.name_of("label", label_column)
    folder = Path(source).parent
    paths = objects([folder / str(name) for name in table.present(path)])
    if test_source is not None and testing is not None:
        paths[testing] = [
            Path(test_source).parent / str(name) for name in np.array(table.columns[path], object)[testing]
        ]
    labels = objects(table.labels(label))
    class_codes(f"{source}, column '{label}'", labels)  # says so before files are tried
    chosen = rows(source, labels, items, seed)
    about = DataSummary(
        source=source, split=split, notes=(f"paths are in column '{path}', labels in column '{label}'",)
    )
    return checked_images(
        Path(source).stem,
        paths[chosen],
        labels[chosen],
        about,
        Skips(folder),
        BadItems(on_bad_item, bad_share),
        background,
        testing=None if testing is None else testing[chosen],
        test_share=test_share,
        seed=seed,
    )


def text_files(
    source: str,
    test_source: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    split_column: str | None = None,
    separator: str | None = None,
    items: int | None = None,
    test_share: float = 0.2,
    seed: int = 0,
    on_bad_item: str = "raise",
    bad_share: float = BAD_SHARE,
) -> Dataset:
    """Texts with labels: in a table, or in ``.txt`` files with one folder a class.

    Args:
        source: a CSV, TSV, JSONL or Parquet file, or a folder; folders ``train``, ``val`` and ``test`` that hold
            the class folders are parts, as for :func:`~alsatian.data.images.image_files`.
        test_source: a file with the test part.
        text_column: name of the column; found if only one has a usual name.
        label_column, split_column, separator, items: see :func:`image_table`.
        test_share, seed, on_bad_item, bad_share: see :func:`~alsatian.data.images.image_files`.

    Raises:
        ConfigError: a file or column is not what is expected.
    """
    if Path(source).is_dir():
        if any((test_source, text_column, label_column, split_column, separator)):
            raise ConfigError(f"'{source}' is a folder; only a table has columns, a separator or a test_source")
        return _text_folder(source, items, test_share, seed, BadItems(on_bad_item, bad_share))
    table, testing, split = _rows(source, test_source, split_column, separator)
    text, label = table.name_of("text", text_column), table.name_of("label", label_column)
    about = DataSummary(
        source=source, split=split, notes=(f"texts are in column '{text}', labels in column '{label}'",)
    )
    texts = objects(table.texts(text))
    labels = objects(table.labels(label))
    return labelled_dataset(about, texts, labels, testing, items=items, test_share=test_share, seed=seed)


def _text_folder(source: str, items: int | None, test_share: float, seed: int, bad: BadItems) -> Dataset:
    found = class_folders(Path(source), (".txt",), "text")
    read = bad.check(found.paths, _text, found.skips)
    labels = read.labels(objects(found.classes), source)
    testing = None if found.testing is None else np.array(found.testing)[read.good]
    about = DataSummary(source=source, split=found.split, skipped=found.skips.all(), warnings=found.warnings)
    texts = objects(read.results)
    return labelled_dataset(about, texts, labels, testing, items=items, test_share=test_share, seed=seed)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadItemError(path, "a text", error.strerror or first_line(error)) from None
    except UnicodeDecodeError as error:
        raise BadItemError(path, "a text", f"no UTF-8 at byte {error.start}") from None


def _rows(
    source: str, test_source: str | None, split_column: str | None, separator: str | None
) -> tuple[Table, np.ndarray | None, str]:
    """All rows, whether each is for testing, and how that was told."""
    if not Path(source).is_file():
        raise ConfigError(
            f"dataset.source={source}: there is no such file; use one that ends in {', '.join(SUFFIXES)}"
        )
    table = read_table(Path(source), separator)
    if test_source is None:
        return (table, *table.testing(split_column))
    if split_column is not None:
        raise ConfigError("test_source and split_column both say what the test part is; give one of them")
    return (*joined(table, read_table(Path(test_source), separator)), f"{test_source} is the test part")


def labelled_dataset(
    about: DataSummary,
    values: np.ndarray,
    labels: np.ndarray,
    testing: np.ndarray | None,
    *,
    items: int | None,
    test_share: float,
    seed: int,
) -> Dataset:
    """The dataset of so many ``items`` of the raw ``values`` (N,) with ``labels`` (N,), called after its source.

    Raises:
        ConfigError: see :func:`~alsatian.data.dataset.make_dataset`; or there are fewer items.
    """
    chosen, place = rows(about.source, labels, items, seed), Path(about.source)
    return make_dataset(
        place.stem if place.is_file() else place.name,
        values[chosen],
        labels[chosen],
        testing=None if testing is None else testing[chosen],
        about=about,
        test_share=test_share,
        seed=seed,
    )
