"""A comparison as a table: for a terminal, as CSV, Markdown or LaTeX."""

import math
from collections.abc import Callable

import pandas as pd

from alsatian.units import factor_text, format_bytes, printable, wall_text
from analysis.comparing.comparison import Comparison
from analysis.comparing.disturbances import MARK
from analysis.comparing.labels import short, some
from analysis.comparing.measurements import PAPER_PARTS
from analysis.tables import formats
from analysis.tables.formats import WIDTH, Table
from analysis.tables.metrics import METRICS

# Of the parts those of the paper; the others are in the CSV.
SHOWN = tuple(f"{part}_s" for part in PAPER_PARTS)
FACTOR = ("factor", "factor_min", "factor_max")
SPREAD = ("median", "min", "max")
LEGEND = (
    "Medians, with the smallest and the largest of N repeats in brackets. Factors are the reference's value over "
    "the run's own: above 1 is less time, or fewer bytes. The reference is the nearest row above that is called so."
)
_STAR = "*"


def table(rows: pd.DataFrame, title: str = "") -> Table:
    """``rows`` of a comparison for people; below a title, labels leave out what all of them have in common."""
    labels = list(rows["run"])
    shown = [
        {
            "run": label,
            "wall time": wall_text(*(row[f"wall_s_{end}"] for end in (*SPREAD, "repeats")))
            + MARK * row["disturbed"],
            "factor": _spread(factor_text, *(row[f"wall_s_{end}"] for end in FACTOR))
            + ("" if row["comparable"] else _STAR),
            **{
                METRICS[name].title: _spread("{:,.2f}".format, *(row[f"{name}_{end}"] for end in SPREAD))
                for name in SHOWN
            },
            "bytes read": _bytes(row["bytes_read_median"], row["bytes_read_factor"]),
            "block_executions": row["block_executions_median"],
            "scores": row["scores"],
        }
        for label, row in zip(short(labels) if title else labels, rows.to_dict("records"), strict=True)
    ]
    return Table.of(pd.DataFrame(shown), title)


def _tables(comparison: Comparison) -> list[Table]:
    """A table for each models and data."""
    return [table(rows, printable(str(title))) for title, rows in comparison.frame.groupby("group", sort=False)]


def notes(comparison: Comparison) -> list[str]:
    """What stands under the table: how to read it, what cannot be compared, and in what runs differ."""
    lines = [LEGEND, *comparison.lines]
    differing = comparison.frame[comparison.frame["differs"] != ""]
    for differs, rows in differing.groupby("differs", sort=False):
        lines.append(f"{some(list(rows['run']))}: {differs}")
    if not comparison.frame["comparable"].all():
        lines.append(
            f"{_STAR} Not measured under the conditions of the reference (storage, batch size, proxy, device, "
            "hardware or way of measuring), or one of both computes nothing: the factor is not that of a strategy."
        )
    return [printable(line) for line in lines]


def text(comparison: Comparison, width: int = WIDTH) -> str:
    """Aligned tables, see ``formats.terminal``, one for each models and data."""
    parts = [f"{one.title}\n{formats.terminal(one, width)}" for one in _tables(comparison)]
    return "\n\n".join([*parts, "\n".join(notes(comparison))]) + "\n"


def markdown(comparison: Comparison) -> str:
    """The same as Markdown."""
    parts = [f"## {formats.escape(one.title)}\n\n{formats.markdown(one)}" for one in _tables(comparison)]
    return "\n\n".join([*parts, "\n".join(f"- {formats.escape(line)}" for line in notes(comparison))]) + "\n"


def latex(comparison: Comparison) -> str:
    """A ``table`` for each models and data; needs the package booktabs. Notes stand as comments above."""
    return "".join([*(f"% {line}\n" for line in notes(comparison)), *map(formats.latex, _tables(comparison))])


def csv(comparison: Comparison) -> str:
    """Every number of every run."""
    return formats.csv(comparison.frame.drop(columns=["group", "wrong"]))


FORMATS: dict[str, Callable[[Comparison], str]] = {"table": text, "csv": csv, "markdown": markdown, "latex": latex}
SUFFIXES = {".txt": "table", ".csv": "csv", ".md": "markdown", ".tex": "latex"}


def _spread(text: Callable[[float], str], median: float, low: float, high: float) -> str:
    """A number with the smallest and the largest, where they differ."""
    if math.isnan(median):
        return "–"
    extremes = "" if low == high else f" ({text(low).removesuffix('×')}–{text(high).removesuffix('×')})"
    return text(median) + extremes


def _bytes(size: float, factor: float) -> str:
    if math.isnan(size):
        return "–"
    return format_bytes(size) if math.isnan(factor) else f"{format_bytes(size)} ({factor_text(factor)})"
