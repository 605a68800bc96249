"""The page of the study of a GPU: what was measured, beside the paper, and what there was no time for."""

from collections.abc import Iterator, Sequence

import pandas as pd

from alsatian.units import format_bytes
from experiments.studies.gpu.jobs import OUT_OF_MEMORY, Job
from experiments.studies.published import rows as published
from experiments.studies.study import Page, table

_NAMES = {"alsatian_published": "alsatian", "auto": "alsatian"}
"""The paper's names of ours."""


def page(found: pd.DataFrame, skipped: Sequence[tuple[Job, str]], about: str, finished: bool) -> Page:
    """Of the searches ``found`` so far, a row each, and of jobs that were ``skipped``, with the reason."""
    blocks = [about, "\n".join(f"- {line}" for line in _facts(found, finished))]
    searched = found[found["strategy"] != OUT_OF_MEMORY] if len(found) else found
    for cell, own in searched.groupby("cell", sort=False) if len(found) else ():
        blocks += [f"## {cell}", table(_lines(own))]
    reasons: dict[tuple[str, str], list[str]] = {}
    for job, why in skipped:
        reasons.setdefault((job.cell, why), []).append(f"`{job.strategy}`")
    if skipped:
        rows = [{"cell": cell, "search": ", ".join(who), "why": why} for (cell, why), who in reasons.items()]
        blocks += ["## Not measured", table(rows)]
    good = not len(found) or bool(found["identical"].all() and found["kept"].all() and _recovered(found).all())
    return Page("On a GPU", blocks, found.drop(columns="job") if len(found) else None, good=good)


def _recovered(found: pd.DataFrame) -> "pd.Series[bool]":
    full = found[found["strategy"] == OUT_OF_MEMORY]
    return (full["out_of_memory"] > 0) & full["identical"]


def _facts(found: pd.DataFrame, finished: bool) -> Iterator[str]:
    if not finished:
        yield "The study has not come to its end."
    if not len(found):
        yield "Nothing was measured."
        return
    compared = f"{found['scores'].sum():,} scores and digests of features that two searches of a cell found"
    yield f"Bit-identity: {compared} are {'the same' if found['identical'].all() else 'NOT all the same'}."
    over = ", ".join(dict.fromkeys(found.loc[~found["kept"], "cell"]))
    yield f"Budgets: {f'EXCEEDED in {over}' if over else 'kept in every search'}."
    full = found[found["strategy"] == OUT_OF_MEMORY]
    if len(full):
        times = int(full["out_of_memory"].sum())
        what = f"the memory was full {times} times, the search ended, its scores are the same"
        yield f"Out of memory: {what if _recovered(found).all() else 'NOT recovered, or not met'}."


def _lines(own: pd.DataFrame) -> Iterator[dict[str, object]]:
    walls = own.groupby("strategy")["wall_s"].median()
    theirs = _published(own["job"].iloc[0])
    base = walls.get("base")
    for row in own.to_dict("records"):
        name, device = str(row["strategy"]), row["device_bytes"]
        paper = theirs.get(_NAMES.get(name, name))
        yield {
            "search": f"`{name}`",
            "wall s": f"{row['wall_s']:.1f}",
            "predicted s": "" if pd.isna(row["predicted_s"]) else f"{row['predicted_s']:.1f}",
            "over base": f"{base / row['wall_s']:.1f}×" if base else "",
            "published": f"{theirs['base'] / paper:.1f}×" if paper else "",
            "over limit": "" if pd.isna(row["over_limit"]) else f"{row['over_limit']:.2f}×",
            "stalled": f"{row['stalled']:.0%}",
            "scoring": f"{row['scoring']:.0%}",
            "peak": "" if pd.isna(device) else format_bytes(float(device)),
        }


def _published(job: Job) -> dict[str, float]:
    """Seconds in the paper, by its names of the approaches."""
    workload, items, distribution = job.published
    shown = published("10", "17").query("unit == 'seconds'")
    own = shown[
        (shown["workload"] == workload) & (shown["items"] == items) & (shown["distribution"] == distribution)
    ]
    return dict(zip(own["approach"], own["value"].astype(float), strict=True))
