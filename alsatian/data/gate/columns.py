"""Which column of a table holds the items, and what they are: by its name and by what stands in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alsatian.data.gate.labels import is_missing
from alsatian.data.gate.pixels import suffixes
from alsatian.data.gate.tables import NAMES, Table
from alsatian.errors import ConfigError
from alsatian.units import printable

DATA_KINDS = ("auto", "images", "texts")
_USUAL = frozenset(NAMES["path"]) | frozenset(NAMES["text"]) | frozenset(NAMES["item"])


def table_of_frame(frame: Any) -> Table:
    """The columns of a DataFrame; rows count by position.

    Raises:
        ConfigError: two columns have one name, or there are no rows.
    """
    names = [str(name) for name in frame.columns]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ConfigError(f"DataFrame: has several columns '{printable(twice[0])}'; rename all but one")
    table = Table("DataFrame", {name: frame.iloc[:, place].tolist() for place, name in enumerate(names)})
    if not table.rows:
        raise ConfigError("DataFrame: has no rows")
    return table


def items_of_table(table: Table, stated: str | None, kind: str, label: str) -> tuple[str, str]:
    """The column of items beside the column ``label``, and what it holds: ``"images"`` (their paths), ``"texts"``
    or ``"objects"`` that are items already.

    The column is the ``stated`` one, the only one with a usual name, or the only one whose values look like paths
    of images or like texts. ``kind`` is one of ``DATA_KINDS``.

    Raises:
        ConfigError: several columns may be meant, or none.
    """
    if stated is not None:
        column = table.name_of("item", stated)
    else:
        others = [name for name in table.columns if name != label and name.strip().lower() not in NAMES["split"]]
        usual = [name for name in others if name.strip().lower() in _USUAL]
        column = _only(table, usual or [name for name in others if _looks(table.columns[name])], kind)
    if column == label:
        raise ConfigError(f"{table.where}: column '{column}' cannot hold both the items and their labels")
    values = table.present(column)
    if not isinstance(values[0], str | Path):
        return column, "objects"
    if kind != "auto":
        return column, kind
    odd = [place for place, value in enumerate(values) if not _is_image(value)]
    if odd and (column.strip().lower() in NAMES["path"] or isinstance(values[0], Path)):
        raise ConfigError(
            f"{table.where}: column '{column}' holds no name of an image in {len(odd):,} of {table.rows:,} rows, "
            f"the first is row {odd[0] + 1}; state kind=images or kind=texts"
        )
    return column, "texts" if odd else "images"


def _only(table: Table, names: Sequence[str], kind: str) -> str:
    """The one of ``names`` that holds items of ``kind``."""
    if len(names) > 1 and kind != "auto":
        named = {name: all(map(_is_image, table.columns[name])) for name in names}
        names = [name for name, images in named.items() if images == (kind == "images")]
    if len(names) == 1:
        return names[0]
    shown = ", ".join(f"'{printable(name)[:40]}'" for name in (names or list(table.columns))[:20])
    problem = (
        "several columns may hold the items" if names else "no column looks like paths of images or like texts"
    )
    raise ConfigError(f"{table.where}: {problem}; state item_column, one of {shown}")


def _looks(values: Sequence[Any]) -> bool:
    """Whether ``values`` look like paths of images, or like texts of more than a word."""
    if any(is_missing(value) or not isinstance(value, str) for value in values):
        return False
    return all(map(_is_image, values)) or sum(" " in value.strip() for value in values) > len(values) / 2


def _is_image(value: Any) -> bool:
    return isinstance(value, str | Path) and Path(value).suffix.lower() in suffixes()
