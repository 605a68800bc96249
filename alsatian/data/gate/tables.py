"""Tables in files as people have them: columns by name, stated or found, and which rows are for testing."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from alsatian.data.gate.folders import SPLITS, part_for_testing
from alsatian.data.gate.labels import is_missing
from alsatian.errors import ConfigError, first_line, nearest
from alsatian.units import printable

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
# What columns are usually called, in lower case.
NAMES: Mapping[str, tuple[str, ...]] = {
    "label": ("label", "labels", "class", "category", "target"),
    "path": ("path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path"),
    "text": ("text", "sentence", "content", "review", "document"),
    "item": ("text", "sentence", "content", "review", "document", "image", "img", "picture"),
    "split": ("split", "subset", "partition"),
}
# What parts are called in columns and splits: besides what their folders are.
PARTS = {**SPLITS, "training": "train", "dev": "val", "testing": "test"}


@dataclass(frozen=True)
class Table:
    """Columns of equal length by name; ``where`` names the file in errors."""

    where: str
    columns: Mapping[str, Sequence[Any]]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.columns.values()), ()))

    def name_of(self, kind: str, stated: str | None) -> str:
        """Name of the column of ``kind``: the ``stated`` one, or the only one with a usual name.

        Raises:
            ConfigError: there is no such column, or there are several.
        """
        if stated is not None:
            if stated not in self.columns:
                raise ConfigError(f"{self.where}: has no column '{stated}'; {nearest(stated, self.columns)}")
            return stated
        usual = [name for name in self.columns if name.strip().lower() in NAMES[kind]]
        if len(usual) == 1:
            return usual[0]
        problem = (
            f"several columns may be the {kind}s" if usual else f"no column is called {' or '.join(NAMES[kind])}"
        )
        shown = ", ".join(f"'{printable(name)[:40]}'" for name in list(self.columns)[:20])
        raise ConfigError(f"{self.where}: {problem}; state {kind}_column, one of {shown}")

    def present(self, name: str) -> Sequence[Any]:
        """The values of a column, none of which is missing.

        Raises:
            ConfigError: some are.
        """
        values = self.columns[name]
        if missing := [
            place for place, value in enumerate(values) if is_missing(value) and not isinstance(value, str)
        ]:
            raise ConfigError(
                f"{self.where}: column '{name}' is missing in {len(missing):,} of {self.rows:,} rows, the first is "
                f"row {missing[0] + 1}"
            )
        return values

    def texts(self, name: str) -> list[str]:
        """The values of the column of texts.

        Raises:
            ConfigError: some are missing, or no texts.
        """
        values = list(self.present(name))
        if other := [place for place, value in enumerate(values) if not isinstance(value, str)]:
            kind = type(values[other[0]]).__name__
            raise ConfigError(
                f"{self.where}: column '{name}' holds a value of type {kind}, no text, in row {other[0] + 1}"
            )
        return values

    def labels(self, name: str) -> list[Any]:
        """The values of the column of labels; numbers that were written as text are numbers again."""
        values = list(self.columns[name])
        if not all(isinstance(value, str) for value in values) or any(map(is_missing, values)):
            return values
        try:
            numbers = [float(value) for value in values]
        except ValueError:
            return values
        return numbers if len(set(numbers)) == len(set(values)) else values

    def testing(self, stated: str | None) -> tuple[np.ndarray | None, str]:
        """Whether each row (N,) is for testing by its column of parts, if there is one, and that in words.

        Raises:
            ConfigError: the column is not there, or holds something else than names of parts.
        """
        usual = [name for name in self.columns if name.strip().lower() in NAMES["split"]]
        if stated is None and not usual:
            return None, ""
        name = self.name_of("split", stated)
        written = [str(value).strip().lower() for value in self.columns[name]]
        if unknown := sorted(set(written) - PARTS.keys()):
            raise ConfigError(
                f"{self.where}: column '{name}' says which part a row belongs to, but holds "
                f"'{printable(unknown[0])}'; use {', '.join(sorted(PARTS))}"
            )
        parts = [PARTS[value] for value in written]
        tested = part_for_testing(self.where, parts)
        if tested is None:
            return None, ""
        others = " and ".join(sorted(set(parts) - {tested}))
        split = f"column '{name}': {tested} is the test part, {others} the training part"
        return np.array([part == tested for part in parts]), split


def joined(train: Table, test: Table) -> tuple[Table, np.ndarray]:
    """The rows of both tables, and whether each is for testing.

    Raises:
        ConfigError: the second lacks a column of the first.
    """
    if lacking := sorted(train.columns.keys() - test.columns.keys()):
        raise ConfigError(f"{test.where}: has no column '{lacking[0]}', which {train.where} has")
    columns = {name: [*values, *test.columns[name]] for name, values in train.columns.items()}
    return Table(train.where, columns), np.arange(train.rows + test.rows) >= train.rows


def read_table(path: Path, separator: str | None = None) -> Table:
    """The table in ``path``, whose ending says what it is; values in CSV and TSV stay text.

    Raises:
        ConfigError: the file cannot be read, is no such table, or has no rows.
    """
    ending = next((end for end in path.suffixes[::-1] if end.lower() in SUFFIXES), "").lower()
    if not ending:
        raise ConfigError(f"{path}: is of no kind that is read; use {', '.join(SUFFIXES)}")
    try:
        columns = _lines_of_json(path) if ending in (".jsonl", ".ndjson") else _frame(path, ending, separator)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or first_line(error)})") from None
    except ValueError as error:  # among them what pandas raises, and bytes that are no UTF-8
        raise ConfigError(f"{path}: is no table in UTF-8 ({first_line(error)})") from None
    table = Table(str(path), columns)
    if not table.rows:
        raise ConfigError(f"{path}: has no rows")
    return table


def _frame(path: Path, ending: str, separator: str | None) -> dict[str, list[Any]]:
    import pandas as pd  # takes a moment; only tables need it

    if ending == ".parquet":
        try:
            frame = pd.read_parquet(path)
        except ImportError:
            raise ConfigError(f"{path}: reading Parquet needs the package pyarrow: pip install pyarrow") from None
    else:
        # What looks like a number or like NA may be the name of a class.
        between = separator or ("\t" if ending == ".tsv" else ",")
        as_text: Any = {"sep": between, "dtype": str, "keep_default_na": False, "encoding": "utf-8-sig"}
        frame = pd.read_csv(path, **as_text)
        if not isinstance(frame.index, pd.RangeIndex):  # pandas takes what is too much as names of rows
            raise ConfigError(f"{path}: its rows hold more values than its first line names columns")
        names = [name for name in pd.read_csv(path, header=None, nrows=1, **as_text).iloc[0] if name]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ConfigError(f"{path}: has several columns '{printable(twice[0])}'; rename all but one")
        if len(frame.columns) == 1 and separator is None and any(mark in str(frame.columns[0]) for mark in ";\t|"):
            raise ConfigError(f"{path}: has one column, '{printable(str(frame.columns[0]))}'; state separator")
    return {str(name): frame[name].tolist() for name in frame.columns}


def _lines_of_json(path: Path) -> dict[str, list[Any]]:
    rows: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise ConfigError(f"{path}: line {number} is no JSON ({error.msg})") from None
                if not isinstance(row, dict):
                    raise ConfigError(f"{path}: line {number} is no JSON object")
                rows.append(row)
    names: Collection[str] = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}
