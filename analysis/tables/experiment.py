"""The table of an experiment: one row per run, as data, as text for a terminal and as Markdown."""

import math
from collections.abc import Sequence
from statistics import median

import pandas as pd

from alsatian.records.reading import Run
from alsatian.units import factor_text, format_bytes, printable, wall_text
from analysis.comparing.checks import verdict
from analysis.comparing.comparable import conditions, reference, workload
from analysis.comparing.labels import in_order
from analysis.tables import grid

PARTS = ("prepare_model", "prepare_data", "inference", "proxy_scoring", "planning", "cache_io", "other")
WIDTH = 140


def summary(runs: Sequence[Run]) -> pd.DataFrame:
    """One row for each finished run, in the order of ``labels.FIRST``, other strategies after by name.

    Columns: ``strategy`` (label), ``wall_s``, ``wall_min``, ``wall_max`` (median and spread over the
    repeats, seconds), ``repeats`` (their number), ``speedup`` (median wall time of base over that of the
    row; NaN without a base run under the same conditions), the median seconds of each part (NaN where only
    the wall time was measured),
    ``bytes_read`` from the store and ``block_executions`` (medians), ``cache_peak_bytes`` (largest),
    ``winner``, ``scores_check`` (see ``checks.verdict``), and what may be compared: ``model_set`` and
    ``dataset`` (names), ``workload`` and ``conditions`` (digests, see ``comparable``).
    """
    return pd.DataFrame([_row(label, run, runs) for label, run in in_order(runs)])


def _row(label: str, run: Run, runs: Sequence[Run]) -> dict[str, object]:
    walls = [repeat.wall_s for repeat in run.repeats]
    base = reference(run, runs, "base")
    return {
        "strategy": label,
        "wall_s": median(walls),
        "wall_min": min(walls),
        "wall_max": max(walls),
        "repeats": len(walls),
        "speedup": median(r.wall_s for r in base.repeats) / median(walls) if base else math.nan,
        **{f"{part}_s": _median_part(run, part) for part in PARTS},
        "bytes_read": _median_count(run, "bytes_read"),
        "block_executions": _median_count(run, "block_executions"),
        "cache_peak_bytes": max(r.peaks.get("cache_bytes", 0) for r in run.repeats),
        "winner": run.winner,
        "scores_check": verdict(runs, label),
        "model_set": run.model_set.name,
        "dataset": run.dataset.name,
        "workload": workload(run),
        "conditions": conditions(run),
    }


def _median_part(run: Run, part: str) -> float:
    """Seconds; NaN for a run that measured only its wall time."""
    found = [repeat.parts_s.get(part, 0.0) for repeat in run.repeats if repeat.level != "total"]
    return median(found) if found else math.nan


def _median_count(run: Run, name: str) -> int:
    return round(median(repeat.counters.get(name, 0) for repeat in run.repeats))


def by_workload(summary: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows of each model set and data, which are not compared with others, and a heading for them."""
    groups = [rows for _, rows in summary.groupby("workload", sort=False)]
    headings = [f"{rows['model_set'].iloc[0]} on {rows['dataset'].iloc[0]}" for rows in groups]
    return [
        (f"{heading} ({rows['workload'].iloc[0]})" if headings.count(heading) > 1 else heading, rows)
        for heading, rows in zip(headings, groups, strict=True)
    ]


def render(summary: pd.DataFrame) -> str:
    """``summary`` as an aligned table of at most 140 columns, one for each workload.

    Long texts go on in further lines; nothing is cut off.
    """
    parts = [
        (printable(heading), grid.text(HEADER, cells(rows), WIDTH, wrap=("scores", "winner", "strategy")))
        for heading, rows in by_workload(summary)
    ]
    return parts[0][1] if len(parts) == 1 else "\n\n".join(f"{heading}\n{table}" for heading, table in parts)


def markdown(summary: pd.DataFrame) -> str:
    """``summary`` as Markdown, a table for each workload."""
    parts = [(grid.escape(heading), grid.markdown(HEADER, cells(rows))) for heading, rows in by_workload(summary)]
    return parts[0][1] if len(parts) == 1 else "\n\n".join(f"## {heading}\n\n{table}" for heading, table in parts)


def part_text(seconds: float) -> str:
    """Seconds of a part, or that they were not measured."""
    return "–" if math.isnan(seconds) else f"{seconds:,.2f}"


def numbers(frame: pd.DataFrame) -> tuple[tuple[str, ...], list[tuple[str, ...]], tuple[int, ...]]:
    """Titles, texts of the rows and which columns hold numbers, for any table; empty columns are left out.

    Numbers have three digits: all of them are in the files beside a figure.
    """
    kept = frame.dropna(axis="columns", how="all")
    titles = tuple(str(name).replace("_", " ") for name in kept.columns)
    numeric = tuple(i for i, name in enumerate(kept.columns) if pd.api.types.is_numeric_dtype(kept[name]))
    return titles, [tuple(map(_short, row)) for row in kept.itertuples(index=False)], numeric


def _short(value: object) -> str:
    if pd.isna(value):  # type: ignore[call-overload]
        return "–"
    if isinstance(value, float):
        digits = 0 if abs(value) >= 99.95 else 1 if abs(value) >= 9.995 else 2
        return f"{value:,.{digits}f}" if abs(value) >= 0.0995 or value == 0 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else printable(str(value))


# Title of each column, and whether it holds numbers.
HEADER = (
    ("strategy", False),
    ("wall time", False),
    ("speed-up", True),
    (f"prepare model{grid.NO_BREAK}s", True),
    (f"prepare data{grid.NO_BREAK}s", True),
    ("inference s", True),
    (f"proxy scoring{grid.NO_BREAK}s", True),
    ("bytes read", True),
    ("block executions", True),
    ("winner", False),
    ("scores", False),
)


def cells(summary: pd.DataFrame) -> list[list[str]]:
    """The texts of the table, a list for each row, in the order of ``HEADER``."""
    return [
        [
            printable(str(row["strategy"])),
            wall_text(row["wall_s"], row["wall_min"], row["wall_max"], row["repeats"]),
            factor_text(row["speedup"]),
            *(part_text(row[f"{part}_s"]) for part in PARTS[:4]),
            format_bytes(row["bytes_read"]),
            f"{row['block_executions']:,}",
            printable(str(row["winner"])),
            row["scores_check"].replace(" score", f"{grid.NO_BREAK}score"),
        ]
        for row in summary.to_dict("records")
    ]
