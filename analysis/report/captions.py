"""Captions of figures: the claim to look for, then what the marks are and what was measured."""

from collections.abc import Sequence

from alsatian.records import Run, Vertex
from alsatian.records.trace import Trace
from alsatian.units import count_text, seconds_text
from analysis.comparing import winners
from analysis.comparing.disturbances import caption
from analysis.comparing.facts import code
from analysis.comparing.labels import some
from analysis.comparing.sweeps import Sweep
from analysis.figures.timeline import SHORT_S
from analysis.grammar.charts import Chart
from analysis.report.findings import storage_lines
from analysis.tables.metrics import METRICS


def speedup(runs: Sequence[Run]) -> str:
    """For the speed-up over base."""
    claim = "bars above the dashed line are faster than base."
    if _has(runs, "alsatian", "base"):
        ahead = "base and shift" if _has(runs, "shift") else "base"
        claim = f"alsatian is faster than {ahead}; it reads each shared block and computes each shared prefix once."
    marks = "Bars are median wall time of base over median wall time of the strategy; "
    marks += f"whiskers are the slowest and the fastest of {_repeats(runs)}."
    if _once(runs):
        marks = "Bars are wall time of base over wall time of the strategy, each measured once."
    return f"Claim to look for: {claim} {marks} {_measured(runs)}"


def breakdown(runs: Sequence[Run]) -> str:
    """For the parts of the wall time."""
    claim = "inference and preparing the models take most of the time."
    if _has(runs, "alsatian", "shift"):
        claim = (
            "alsatian shrinks preparing models, preparing data and inference; proxy scoring stays as with shift."
        )
    elif _has(runs, "alsatian", "base"):
        claim = "alsatian shrinks preparing models, preparing data and inference."
    marks = f"Parts are medians over {_repeats(runs)}; the number above a bar is the median wall time."
    if _once(runs):
        marks = "Parts were measured once; the number above a bar is the wall time."
    return f"Claim to look for: {claim} {marks} {_measured(runs)}"


def timeline(trace: Trace, run: Run, whole: bool = True) -> str:
    """For what every thread of one search did when; ``whole`` if a long one has two panels."""
    rows = trace.slices
    seconds = rows["end_s"] - rows["start_s"]
    beside = seconds[(rows["lane"] != trace.lanes[0]) & ~rows["stalled"]].sum()
    waiting = seconds[(rows["lane"] == trace.lanes[0]) & rows["stalled"]].sum()
    claim = "one thread does one thing after the other; nothing overlaps."
    if beside:
        claim = f"{seconds_text(beside)} of work run beside the search, which waits for it {seconds_text(waiting)}"
        claim += " (pale)." if waiting else "."
    marks = "A lane is a thread, from the first repeat."
    if whole and trace.end_s > SHORT_S:
        marks += (
            " In the upper panel a step of time is filled with the shares of its parts; below are single slices."
        )
    notes = "".join(f" Not shown: {note}." for note in trace.notes)
    return f"Claim to look for: {claim} {marks}{notes} {_measured([run])}"


def chart(found: Chart) -> str:
    """For the curves that words ask for: what the words say of them, then where each is the best."""
    words, joined = found.words, found.x.joined
    told = [] if words.caption or words.x != "cache.budget" or "wall_s" not in words.y else winners.told(found.runs)
    claim = (
        words.caption
        or " ".join(told)
        or ("where curves cross, another choice becomes the better one." if joined else "")
    )
    marks = f"Markers are medians of {_repeats(found.runs)}, bands and bars from the least to the most."
    if _once(found.runs):
        marks = "Each marker was measured once."
    hits = "Hits are computations that start from a cached intermediate, out of all"
    hits += "; plans count those of intermediates too, other caches those of features only."
    parts = [
        f"Claim to look for: {claim}" if claim else "",
        *(_best(found, name) for name in words.y if METRICS[name].better and not (told and name == "wall_s")),
        marks,
        hits if "hit_ratio" in words.y else "",
        *found.notes,
        _measured(found.runs),
    ]
    return " ".join(part for part in parts if part)


def _best(found: Chart, name: str) -> str:
    """Which curves have the least or the most of a metric, and where."""
    less = METRICS[name].better == "less"
    told = []
    for (row, column), own in found.points[found.points[name].notna()].groupby(["row", "column"], sort=False):
        winners: dict[str, list[str]] = {}
        for _, there in own.groupby("place"):
            best = there[name].min() if less else there[name].max()
            winners.setdefault(some(list(there.loc[there[name] == best, "curve"])), []).append(there["x"].iloc[0])
        where = [who + (f" at {some(at)}" if len(winners) > 1 else " throughout") for who, at in winners.items()]
        told.append(": ".join(part for part in (f"{row} {column}".strip(), "; ".join(where)) if part))
    title = METRICS[name].title.removesuffix(" s")
    return f"{'Least' if less else 'Most'} {title}: {'. '.join(told)}." if found.x.ticks else ""


def tree(run: Run, vertices: Sequence[Vertex]) -> str:
    """For the task tree of a run's first round."""
    blocks, alone = sum(vertex.blocks for vertex in vertices), run.model_set.blocks
    claim = f"what models have in common is computed once, {blocks:,} blocks for a batch in place of {alone:,}."
    marks = (
        "From left to right are the blocks of the first round's models, which part where their parameters differ."
    )
    times = " Times are of inference in the first repeat." if any(vertex.seconds for vertex in vertices) else ""
    return f"Claim to look for: {claim} {marks}{times} {_measured([run])}"


def at_budget(found: Sweep) -> str:
    """For bars, which show one budget of several."""
    return f"Shown at the middle one of {len(found.budgets)} cache budgets, {found.text(found.middle)}."


def _has(runs: Sequence[Run], *names: str) -> bool:
    return set(names) <= {run.strategy for run in runs}


def _once(runs: Sequence[Run]) -> bool:
    return all(len(run.quiet) == 1 for run in runs)


def _repeats(runs: Sequence[Run]) -> str:
    counts = sorted({len(run.quiet) for run in runs})
    return f"{counts[0]} repeats" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} repeats"


def _measured(runs: Sequence[Run]) -> str:
    """What was searched, on how much data, how the store was read."""
    searched = {
        f"{count_text(run.model_set.models, 'model')} of {run.model_set.name}, "
        f"{run.dataset.train_items + run.dataset.test_items:,} items of {run.dataset.name}": None
        for run in runs
    }
    regimes = storage_lines(runs)
    versions = len({code(run) for run in runs})
    mixed = f" Made by {versions} versions of the code." if versions > 1 else ""
    return (
        f"{'; '.join(searched)}; {regimes[0] if len(regimes) == 1 else 'several storage regimes'}.{mixed}"
        + caption(runs)
    )
