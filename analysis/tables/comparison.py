"""A comparison as a table: for a terminal, as CSV, Markdown or LaTeX."""

import math
from collections.abc import Callable, Sequence

import pandas as pd

from alsatian.units import factor_text, format_bytes, printable, wall_text
from analysis.comparing.comparable import workload
from analysis.comparing.comparison import Comparison, Row
from analysis.comparing.measurements import MEASURED, PARTS, Spread
from analysis.tables import formats, metrics
from analysis.tables.formats import WIDTH, Table

# Of the parts those of the paper; the others are in the CSV.
SHOWN = tuple(f"{part}_s" for part in PARTS[:4])
LEGEND = (
    "Medians, with the smallest and the largest of N repeats in brackets. Factors are the reference's value over "
    "the run's own: above 1 is less time, or fewer bytes. The reference is the nearest row above that is called so."
)
_STAR = "*"


def table(rows: Sequence[Row], title: str = "") -> Table:
    """The table of ``rows``, for people."""
    shown = [
        {
            "run": row.label,
            "wall time": _wall(row.values["wall_s"]),
            "factor": f"{_factor(row.factors['wall_s'])}{'' if row.comparable else _STAR}",
            **{metrics.METRICS[name].title: _seconds(row.values[name]) for name in SHOWN},
            "bytes read": _bytes(row.values["bytes_read"], row.factors["bytes_read"]),
            "block_executions": row.values["block_executions"].median,
            "scores": row.scores,
        }
        for row in rows
    ]
    return Table.of(pd.DataFrame(shown), title)


def notes(comparison: Comparison) -> list[str]:
    """What stands under the table: how to read it, what cannot be compared, and in what runs differ."""
    lines = [LEGEND, *comparison.lines]
    same: dict[tuple[str, ...], list[str]] = {}
    for row in comparison.rows:
        if row.differs:
            same.setdefault(row.differs, []).append(row.label)
    lines += [f"{', '.join(who)}: {'; '.join(differs)}" for differs, who in same.items()]
    if any(not row.comparable for row in comparison.rows):
        lines.append(
            f"{_STAR} Not measured under the conditions of the reference (storage, batch size, proxy, device, "
            "hardware or way of measuring): the factor is not that of a strategy."
        )
    return [printable(line) for line in lines]


def text(comparison: Comparison, width: int = WIDTH) -> str:
    """Aligned tables, see ``formats.terminal``, one for each models and data."""
    parts = [
        f"{printable(title)}\n{formats.terminal(table(rows), width)}" for title, rows in comparison.groups.items()
    ]
    return "\n\n".join([*parts, "\n".join(notes(comparison))]) + "\n"


def markdown(comparison: Comparison) -> str:
    """The same as Markdown."""
    parts = [
        f"## {formats.escape(printable(title))}\n\n{formats.markdown(table(rows))}"
        for title, rows in comparison.groups.items()
    ]
    return "\n\n".join([*parts, "\n".join(f"- {formats.escape(line)}" for line in notes(comparison))]) + "\n"


def latex(comparison: Comparison) -> str:
    """A ``table`` for each models and data; needs the package booktabs. Notes stand as comments above."""
    parts = [formats.latex(table(rows, printable(title))) for title, rows in comparison.groups.items()]
    return "".join([*(f"% {line}\n" for line in notes(comparison)), *parts])


def frame(comparison: Comparison) -> pd.DataFrame:
    """One row for each run, with every number.

    Columns: ``models``, ``data``, ``workload`` (digest: rows with the same are compared), ``run``, ``path``,
    ``run_id``, ``strategy``, ``reference`` (a ``run``), ``comparable``, ``scores``, ``differs``, and for each of
    ``MEASURED`` its ``_median``, ``_min``, ``_max``, ``_repeats`` and its ``_factor``, ``_factor_min``
    and ``_factor_max`` (the reference's over its own; NaN for a reference).
    """
    rows = []
    for row in comparison.rows:
        values: dict[str, object] = {
            "models": row.run.model_set.name,
            "data": row.run.dataset.name,
            "workload": workload(row.run),
            "run": row.label,
            "path": row.path,
            "run_id": row.run.run_id,
            "strategy": row.run.strategy,
            "reference": row.reference,
            "comparable": row.comparable,
            "scores": row.scores,
            "differs": "; ".join(row.differs),
        }
        for name in MEASURED:
            value, factor = row.values[name], row.factors[name]
            values |= {f"{name}_median": value.median, f"{name}_min": value.low, f"{name}_max": value.high}
            values |= {f"{name}_repeats": value.count, f"{name}_factor": factor.median}
            values |= {f"{name}_factor_min": factor.low, f"{name}_factor_max": factor.high}
        rows.append(values)
    return pd.DataFrame(rows)


def csv(comparison: Comparison) -> str:
    """:func:`frame` as CSV."""
    return formats.csv(frame(comparison))


FORMATS: dict[str, Callable[[Comparison], str]] = {"table": text, "csv": csv, "markdown": markdown, "latex": latex}
SUFFIXES = {".txt": "table", ".csv": "csv", ".md": "markdown", ".tex": "latex"}


def _wall(value: Spread) -> str:
    return wall_text(value.median, value.low, value.high, value.count)


def _factor(factor: Spread) -> str:
    if math.isnan(factor.median) or factor.count == 1:
        return factor_text(factor.median)
    low, high = (factor_text(one).removesuffix("×") for one in (factor.low, factor.high))
    return f"{factor_text(factor.median)} ({low}–{high})"


def _seconds(value: Spread) -> str:
    if math.isnan(value.median):
        return "–"
    spread = f" ({value.low:,.2f}–{value.high:,.2f})" if value.count > 1 else ""
    return f"{value.median:,.2f}{spread}"


def _bytes(value: Spread, factor: Spread) -> str:
    if math.isnan(value.median):
        return "–"
    shown = format_bytes(value.median)
    return shown if math.isnan(factor.median) else f"{shown} ({factor_text(factor.median)})"
