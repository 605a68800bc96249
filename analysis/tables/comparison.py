"""A comparison as a table: for a terminal, as CSV, Markdown or LaTeX."""

import math
from collections.abc import Callable, Sequence

import pandas as pd

from alsatian.units import factor_text, format_bytes, printable, wall_text
from analysis.comparing.comparable import workload
from analysis.comparing.comparison import METRICS, Comparison, Row
from analysis.comparing.spread import Spread
from analysis.tables import grid
from analysis.tables.experiment import PARTS, WIDTH

# Of the parts those of the paper; the others are in the CSV.
SHOWN = PARTS[:4]
# Title of each column, and whether it holds numbers.
HEADER = (
    ("run", False),
    ("wall time", False),
    ("factor", False),
    *((f"{part.replace('_', ' ')} s", False) for part in SHOWN),
    ("bytes read", False),
    ("block executions", True),
    ("scores", False),
)
LEGEND = (
    "Medians, with the smallest and the largest of N repeats in brackets. Factors are the reference's value over "
    "the run's own: above 1 is less time, or fewer bytes. The reference is the nearest row above that is called so."
)
_STAR = "*"
_LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\\": r"\textbackslash{}",
    "×": r"$\times$",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    grid.NO_BREAK: "~",
}


def cells(rows: Sequence[Row]) -> list[list[str]]:
    """The texts of ``rows``, in the order of ``HEADER``."""
    return [
        [
            printable(row.label),
            _wall(row.values["wall_s"]),
            f"{_factor(row.factors['wall_s'])}{'' if row.comparable else _STAR}",
            *(_seconds(row.values[f"{part}_s"]) for part in SHOWN),
            _bytes(row.values["bytes_read"], row.factors["bytes_read"]),
            _count(row.values["block_executions"]),
            row.scores,
        ]
        for row in rows
    ]


def notes(comparison: Comparison) -> list[str]:
    """What stands under the table: how to read it, what cannot be compared, and in what runs differ."""
    lines = [LEGEND, *comparison.lines]
    same: dict[tuple[str, ...], list[Row]] = {}
    for row in comparison.rows:
        if row.differs:
            same.setdefault(row.differs, []).append(row)
    for differs, rows in same.items():
        who = ", ".join(row.label for row in rows)
        lines.append(f"{who}: {'; '.join(differs)}")
    if any(not row.comparable for row in comparison.rows):
        lines.append(
            f"{_STAR} Not measured under the conditions of the reference (storage, batch size, proxy, device, "
            "hardware or way of measuring): the factor is not that of a strategy."
        )
    return [printable(line) for line in lines]


def text(comparison: Comparison) -> str:
    """Aligned tables of at most 140 columns, one for each models and data."""
    names = [name for name, _ in HEADER]
    # What breaks first is what reads best in two lines; runs' names last.
    wrap = ("scores", "bytes read", *names[3:7], "factor", "wall time", "run")
    parts = [
        f"{printable(title)}\n{grid.text(HEADER, cells(rows), WIDTH, wrap)}"
        for title, rows in comparison.groups.items()
    ]
    return "\n\n".join([*parts, "\n".join(notes(comparison))]) + "\n"


def markdown(comparison: Comparison) -> str:
    """The same as Markdown."""
    parts = [
        f"## {grid.escape(printable(title))}\n\n{grid.markdown(HEADER, cells(rows))}"
        for title, rows in comparison.groups.items()
    ]
    return "\n\n".join([*parts, "\n".join(f"- {grid.escape(line)}" for line in notes(comparison))]) + "\n"


def latex(comparison: Comparison) -> str:
    """A ``table`` for each models and data; needs the package booktabs. Notes stand as comments above."""
    lines = [f"% {line}" for line in notes(comparison)]
    columns = "".join("r" if number else "l" for _, number in HEADER)
    for title, rows in comparison.groups.items():
        lines += [
            r"\begin{table*}",
            r"  \centering",
            f"  \\caption{{{escape_latex(printable(title))}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            f"    {_latex_row([name for name, _ in HEADER])}",
            r"    \midrule",
            *(f"    {_latex_row(row)}" for row in cells(rows)),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table*}",
        ]
    return "\n".join(lines) + "\n"


def frame(comparison: Comparison) -> pd.DataFrame:
    """One row for each run, with every number.

    Columns: ``models``, ``data``, ``workload`` (digest: rows with the same are compared), ``run``, ``path``,
    ``run_id``, ``strategy``, ``reference`` (a ``run``), ``comparable``, ``scores``, ``differs``, and for each of
    ``comparison.METRICS`` its ``_median``, ``_min``, ``_max``, ``_repeats`` and its ``_factor``, ``_factor_min``
    and ``_factor_max`` (the reference's over its own; NaN for a reference).
    """
    rows = []
    for row in comparison.rows:
        found: dict[str, object] = {
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
        for name in METRICS:
            value, factor = row.values[name], row.factors[name]
            found |= {f"{name}_median": value.median, f"{name}_min": value.low, f"{name}_max": value.high}
            found |= {f"{name}_repeats": value.count, f"{name}_factor": factor.median}
            found |= {f"{name}_factor_min": factor.low, f"{name}_factor_max": factor.high}
        rows.append(found)
    return pd.DataFrame(rows)


def csv(comparison: Comparison) -> str:
    """:func:`frame` as CSV."""
    return frame(comparison).to_csv(index=False, lineterminator="\n")


FORMATS: dict[str, Callable[[Comparison], str]] = {"table": text, "csv": csv, "markdown": markdown, "latex": latex}
SUFFIXES = {".txt": "table", ".csv": "csv", ".md": "markdown", ".tex": "latex"}


def escape_latex(cell: str) -> str:
    """``cell`` without anything that LaTeX would read as markup."""
    return "".join(_LATEX.get(c, c) for c in cell)


def _latex_row(row: Sequence[str]) -> str:
    return " & ".join(escape_latex(cell) for cell in row) + r" \\"


def _wall(value: Spread) -> str:
    return wall_text(value.median, value.low, value.high, value.count)


def _factor(factor: Spread) -> str:
    if math.isnan(factor.median):
        return "–"
    if factor.count == 1:
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
    shown = format_bytes(value.median).replace(" ", grid.NO_BREAK)
    return shown if math.isnan(factor.median) else f"{shown} ({factor_text(factor.median)})"


def _count(value: Spread) -> str:
    return "–" if math.isnan(value.median) else f"{value.median:,.0f}"
