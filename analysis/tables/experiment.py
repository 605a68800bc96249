"""The table of an experiment: one row for each run."""

import math
from collections.abc import Sequence

import pandas as pd

from alsatian.records import Run
from alsatian.units import wall_text
from analysis.comparing import disturbances
from analysis.comparing.checks import ScoreCheck, compare_scores, verdict
from analysis.comparing.comparable import conditions, reference, workload
from analysis.comparing.labels import comparable_groups, in_order, short
from analysis.comparing.measurements import PAPER_PARTS, PARTS, limited, measured, median_count, wall
from analysis.tables.formats import Table

# What the table shows of the summary behind the wall time. Of the parts those of the paper.
SHOWN = (
    "speedup",
    "over_limit",
    *(f"{part}_s" for part in PAPER_PARTS),
    "bytes_read",
    "block_executions",
    "winner",
)
# Of more runs than these a terminal shows only the time; a screen holds no more.
MANY = 40
# What it shows beside that of runs that are predicted, of which there is no more to look up.
PREDICTED = ("cache_io_s", "other_s", "cache_peak_bytes", "block_peak_bytes")


def summary(runs: Sequence[Run], checks: Sequence[ScoreCheck] | None = None) -> pd.DataFrame:
    """One row for each finished run, in the order of ``labels.FIRST``, other strategies after by name.

    Columns: ``strategy`` (label), ``wall_s``, ``wall_min``, ``wall_max`` (median and spread over the
    repeats that count, seconds), ``repeats`` (their number), ``disturbed`` (whether others disturbed all of them),
    ``speedup`` (median wall time of base over that of the
    row; NaN without a base run under the same conditions), ``over_limit`` and ``stalled_share`` (medians; NaN where
    a record does not tell), the median seconds of each part (NaN where only
    the wall time was measured),
    ``bytes_read`` from the store and ``block_executions`` (medians), ``cache_peak_bytes`` and ``block_peak_bytes``
    (largest), ``winner``, ``scores_check`` (see ``checks.verdict``), and what may be compared: ``model_set`` and
    ``dataset`` (names), ``workload`` and ``conditions`` (digests, see ``comparable``), the ``kind``, and the
    ``group`` of runs that it is compared with, by what sets it apart (see ``labels.comparable_groups``).

    ``checks`` are those of ``runs``, if they are known.
    """
    checks = compare_scores(runs) if checks is None else checks
    labelled = in_order(runs)
    groups = comparable_groups([run for _, run in labelled])
    group = {run.run_id: title for title, own in groups.items() for run in own}
    rows = [_row(label, run, runs, checks) for label, run in labelled]
    return pd.DataFrame(rows).assign(group=[group[run.run_id] for _, run in labelled])


def _row(label: str, run: Run, runs: Sequence[Run], checks: Sequence[ScoreCheck]) -> dict[str, object]:
    values = measured(run)
    own = values["wall_s"]
    base = reference(run, runs, "base")
    return {
        "strategy": label,
        "wall_s": own.median,
        "wall_min": own.low,
        "wall_max": own.high,
        "repeats": own.count,
        "disturbed": run.disturbed,
        "speedup": wall(base).median / own.median if base else math.nan,
        **{name: value.median for name, value in limited(run).items()},
        **{f"{part}_s": values[f"{part}_s"].median for part in PARTS},
        **{name: median_count(run, name) for name in ("bytes_read", "block_executions")},
        "cache_peak_bytes": max(r.peaks.get("cache_bytes", 0) for r in run.repeats),
        "block_peak_bytes": max(r.peaks.get("resident_block_bytes", 0) for r in run.repeats),
        "winner": run.winner,
        "scores_check": run.prediction.scores if run.prediction else verdict(checks, label),
        "model_set": run.model_set.name,
        "dataset": run.dataset.name,
        "workload": workload(run),
        "conditions": conditions(run),
        "kind": run.kind,
    }


def tables(summary: pd.DataFrame, brief: bool = False) -> list[Table]:
    """A table for each group of runs that are compared with each other; the only one has no title.

    Below a title, labels leave out what all runs of the group have in common. What is ``brief`` has the times only.
    """
    groups = summary.groupby("group", sort=False)
    if len(groups) == 1:
        return [Table.of(_shown(summary, list(summary["strategy"]), brief))]
    return [Table.of(_shown(rows, short(list(rows["strategy"])), brief), str(title)) for title, rows in groups]


def _shown(rows: pd.DataFrame, labels: Sequence[str], brief: bool) -> pd.DataFrame:
    """``rows``, called by ``labels``, with the columns that people see."""
    walls = zip(rows["wall_s"], rows["wall_min"], rows["wall_max"], rows["repeats"], strict=True)
    more = PREDICTED if (rows["kind"] == "predicted").all() else ()
    shown = rows[["strategy", *(SHOWN[:1] if brief else (*SHOWN, *more))]].assign(
        strategy=labels, scores=rows["scores_check"]
    )
    if not brief and rows["over_limit"].isna().all():  # records of earlier versions
        shown = shown.drop(columns="over_limit")
    marks = [disturbances.MARK * disturbed for disturbed in rows["disturbed"]]
    shown.insert(1, "wall time", [wall_text(*wall) + mark for wall, mark in zip(walls, marks, strict=True)])
    return shown
