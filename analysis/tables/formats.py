"""A frame as a table for people: in a terminal, as Markdown, LaTeX or CSV, or on a page."""

import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import measure_renderables
from rich.table import Table as RichTable
from rich.text import Text

from alsatian.units import printable
from analysis.tables.metrics import METRICS, text

# Columns of text for what is no terminal.
WIDTH = 140
GAP = 2
_LATEX = str.maketrans(
    {
        **{c: f"\\{c}" for c in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "×": r"$\times$",
        "–": "--",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
    }
)


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: stands above it; may be empty.
        header: titles of the columns; none for a list of facts.
        rows: a text for each column.
        numeric: which columns hold numbers, which are aligned to the right.
        about: what each column's numbers say; empty for columns that speak for themselves.
    """

    title: str
    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numeric: tuple[int, ...] = ()
    about: tuple[str, ...] = ()

    @classmethod
    def of(cls, frame: pd.DataFrame, title: str = "") -> Self:
        """``frame`` with the titles and texts of ``metrics``; other columns are called by their names."""
        names = [str(name) for name in frame.columns]
        columns = [[printable(text(name, value)) for value in frame[name].tolist()] for name in names]
        return cls(
            title,
            tuple(METRICS[name].title if name in METRICS else name.replace("_", " ") for name in names),
            list(zip(*columns, strict=True)),
            tuple(i for i, name in enumerate(names) if pd.api.types.is_numeric_dtype(frame[name])),
            tuple(METRICS[name].about if name in METRICS else "" for name in names),
        )


def terminal(table: Table, width: int = WIDTH) -> str:
    """``table`` in lines of at most ``width`` characters, where they hold its longest words.

    Columns that do not fit follow in a further table below, behind the first column again. No text is cut off.
    """
    if (plain := _fitting(table, width)) is not None:
        return plain
    output = io.StringIO()
    console = Console(file=output, width=width, color_system=None)
    columns = list(zip(table.header, *table.rows, strict=True))
    # Without breaking any word of a cell or title, any cell, anything.
    least, most, full = [], [], []
    for i, column in enumerate(columns):
        cells = [Text(cell) for cell in column]
        words = measure_renderables(console, console.options, cells).minimum
        whole = measure_renderables(console, console.options, cells[1:]).maximum
        least.append(min(max(words, whole) if i in table.numeric else words, width // 3))
        most.append(max(least[-1], whole))
        full.append(max(whole, cells[0].cell_len))
    if sum(full) + GAP * (len(full) - 1) <= width:
        least = most = full
    parts: list[list[int]] = []
    room: list[int] = []
    for i in range(len(columns)):
        if not parts or (room[-1] < GAP + least[i] and len(parts[-1]) > 1):
            parts.append([0])
            room.append(width - least[0])
        if i:
            parts[-1].append(i)
            room[-1] -= GAP + least[i]
    for part, spare in zip(parts, room, strict=True):
        shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, GAP - 1, 0, 0), pad_edge=False, show_edge=False)
        # Columns that lack least come first, so that a few characters keep a number and its unit in one line.
        wide = dict[int, int]()
        for i in sorted(part, key=lambda i: most[i] - least[i]):
            wide[i] = least[i] + max(0, min(spare, most[i] - least[i]))
            spare -= wide[i] - least[i]
        for i in part:
            side: Literal["left", "right"] = "right" if i in table.numeric else "left"
            shown.add_column(Text(table.header[i]), justify=side, width=wide[i], overflow="fold")
        for row in table.rows:
            shown.add_row(*(Text(row[i]) for i in part))
        console.print(shown)
        console.print()
    return "\n".join(line.rstrip() for line in output.getvalue().rstrip().splitlines())


def _fitting(table: Table, width: int) -> str | None:
    """``table`` as :func:`terminal` writes it, where every cell fits; None where one does not. For thousands of
    rows, with which Rich takes seconds."""
    columns = list(zip(table.header, *table.rows, strict=True))
    wide = [max(map(cell_len, column)) for column in columns]
    if not wide or not all(wide) or sum(wide) + GAP * (len(wide) - 1) > width:
        return None
    padded = []
    for i, column in enumerate(columns):
        gaps = [" " * (wide[i] - cell_len(cell)) for cell in column]
        padded.append([g + c if i in table.numeric else c + g for c, g in zip(column, gaps, strict=True)])
    lines = [(" " * GAP).join(cells).rstrip() for cells in zip(*padded, strict=True)]
    return "\n".join([lines[0], "─" * (sum(wide) + GAP * (len(wide) - 1)), *lines[1:]]).rstrip()


def markdown(table: Table) -> str:
    """``table`` as Markdown, without its title."""
    sides = ["right" if i in table.numeric else "left" for i in range(len(table.header))]
    return _escaped(table, escape).to_markdown(index=False, disable_numparse=True, colalign=sides)


def latex(table: Table) -> str:
    """``table`` as a LaTeX table that needs the package booktabs; its title is the caption."""
    shown = _escaped(table, escape_latex).style.hide(axis="index")
    return shown.to_latex(
        column_format="".join("r" if i in table.numeric else "l" for i in range(len(table.header))),
        hrules=True,
        caption=escape_latex(table.title),
        environment="table*",
        position_float="centering",
    )


def csv(frame: pd.DataFrame) -> str:
    """``frame`` with every digit, as CSV."""
    return frame.to_csv(index=False, lineterminator="\n")


def escape(cell: str) -> str:
    """``cell`` without anything that Markdown or HTML would read as markup."""
    return re.sub(r"([\\`*_\[\]<>|&])", r"\\\1", cell)


def escape_latex(cell: str) -> str:
    """``cell`` without anything that LaTeX would read as markup."""
    return cell.translate(_LATEX)


def _escaped(table: Table, escape: Callable[[str], str]) -> pd.DataFrame:
    return pd.DataFrame([list(map(escape, row)) for row in table.rows], columns=list(map(escape, table.header)))
