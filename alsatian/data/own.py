"""A user's own images and texts, in a table or in a folder of text files."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.dataset import Dataset
from alsatian.data.gate.bad_items import BAD_SHARE, BadItemError, BadItems
from alsatian.data.gate.folders import Skips, class_folders
from alsatian.data.gate.items import objects
from alsatian.data.gate.tables import SUFFIXES, Table, joined, read_table
from alsatian.data.labelled import ImageFiles, Labelled
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
    rows = rows_of(source, test_source, split_column, separator)
    path, label = rows.table.name_of("path", path_column), rows.table.name_of("label", label_column)
    files = ImageFiles(Skips(Path(source).parent), BadItems(on_bad_item, bad_share), background)
    return rows.images(path, label, files).dataset(items=items, test_share=test_share, seed=seed)


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
        found = texts_in(source, BadItems(on_bad_item, bad_share))
    else:
        rows = rows_of(source, test_source, split_column, separator)
        found = rows.texts(rows.table.name_of("text", text_column), rows.table.name_of("label", label_column))
    return found.dataset(items=items, test_share=test_share, seed=seed)


def texts_in(source: str, bad: BadItems) -> Labelled:
    """The ``.txt`` files of the folder ``source``, with one folder a class."""
    found = class_folders(Path(source), (".txt",), "text")
    read = bad.check(found.paths, _text, found.skips)
    labels = read.labels(objects(found.classes), source).tolist()
    testing = None if found.testing is None else np.array(found.testing)[read.good].tolist()
    return Labelled.found(source, replace(found, classes=labels, testing=testing), objects(read.results))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BadItemError(path, "a text", error.strerror or first_line(error)) from None
    except UnicodeDecodeError as error:
        raise BadItemError(path, "a text", f"no UTF-8 at byte {error.start}") from None


@dataclass(frozen=True)
class Rows:
    """The rows of a table.

    Attributes:
        table: all of them.
        source: where they come from.
        testing: whether each row (N,) is for testing; None if nothing says so.
        split: how that was told.
        folders: which paths in the training and in the test part are relative to.
    """

    table: Table
    source: str
    testing: np.ndarray | None
    split: str
    folders: tuple[Path, Path]

    def images(self, path: str, label: str, files: ImageFiles) -> Labelled:
        """Image files by the columns of their paths and labels; they are tried as ``files`` says."""
        testing = np.zeros(self.table.rows, bool) if self.testing is None else self.testing
        named = zip(self.table.present(path), testing.tolist(), strict=True)
        paths = objects([self.folders[test] / str(name) for name, test in named])
        return self.labelled("paths", path, paths, label, files)

    def texts(self, text: str, label: str) -> Labelled:
        """Texts by the columns of texts and labels."""
        return self.labelled("texts", text, objects(self.table.texts(text)), label)

    def labelled(
        self, what: str, item: str, values: np.ndarray, label: str, files: ImageFiles | None = None
    ) -> Labelled:
        """Raw ``values`` (N,), which are ``what`` stands in the column ``item``, with the labels of a column."""
        notes = (f"{what} are in column '{item}', labels in column '{label}'",)
        about = DataSummary(source=self.source, split=self.split, notes=notes)
        labels = objects(self.table.labels(label))
        return Labelled(about, values, labels, self.testing, files, f"{self.source}, column '{label}'")


def rows_of(
    source: str, test_source: str | None = None, split_column: str | None = None, separator: str | None = None
) -> Rows:
    """The rows of a file, and of one with the test part.

    Raises:
        ConfigError: a file is no table, or does not say what is for testing as it should.
    """
    if not Path(source).is_file():
        raise ConfigError(
            f"dataset.source={source}: there is no such file; use one that ends in {', '.join(SUFFIXES)}"
        )
    table, folder = read_table(Path(source), separator), Path(source).parent
    if test_source is None:
        return Rows(table, source, *table.testing(split_column), (folder, folder))
    if split_column is not None:
        raise ConfigError("test_source and split_column both say what the test part is; give one of them")
    both, testing = joined(table, read_table(Path(test_source), separator))
    return Rows(both, source, testing, f"{test_source} is the test part", (folder, Path(test_source).parent))
