"""Captions of figures: the claim to look for, then what the marks are and what was measured."""

from collections.abc import Sequence

from alsatian.records import Run, Vertex
from alsatian.records.trace import Trace
from alsatian.units import seconds_text
from analysis.comparing import winners
from analysis.comparing.sweeps import Sweep, crossing
from analysis.figures.timeline import SHORT_S
from analysis.report.findings import storage_lines

# Cache policies that make room by evicting.
EVICTING = frozenset({"fifo", "lru", "lfu", "gdsf", "belady"})


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


def timeline(trace: Trace, run: Run) -> str:
    """For what every thread of one search did when."""
    rows = trace.slices
    seconds = rows["end_s"] - rows["start_s"]
    beside = seconds[(rows["lane"] != trace.lanes[0]) & ~rows["stalled"]].sum()
    waiting = seconds[(rows["lane"] == trace.lanes[0]) & rows["stalled"]].sum()
    claim = "one thread does one thing after the other; nothing overlaps."
    if beside:
        claim = f"{seconds_text(beside)} of work run beside the search, which waits for it {seconds_text(waiting)}"
        claim += " (pale)." if waiting else "."
    marks = "A lane is a thread, from the first repeat."
    if trace.end_s > SHORT_S:
        marks += (
            " In the upper panel a step of time is filled with the shares of its parts; below are single slices."
        )
    notes = "".join(f" Not shown: {note}." for note in trace.notes)
    return f"Claim to look for: {claim} {marks}{notes} {_measured([run])}"


def sweep(found: Sweep) -> str:
    """For wall time, block executions and hit ratio over the cache budget."""
    lines = set(found.lines)
    claim = " ".join(winners.told(found.runs)) or "where lines cross, another choice becomes the better one."
    if "planned" in lines and lines & EVICTING:
        claim = (
            "planned runs every block once at any budget, for it cuts the data until a pass fits; "
            f"policies that evict{', an oracle included,' if 'belady' in lines else ''} need room for whole "
            "intermediates, and meet it only at the largest budgets."
        )
    elif {"dfs", "dfs_plus"} & lines and {"given", "random"} & lines:
        claim = (
            "orders that keep the models of a branch together, depth-first ones above all, need less cache than "
            "the given or a random order for the same number of block executions."
        )
    marks = (
        f"Markers are medians of {_repeats(found.runs)} at the measured budgets, bands the fastest to the slowest."
    )
    if _once(found.runs):
        marks = "Markers are the measured budgets, each measured once."
    ratio = "Hits are computations that start from a cached intermediate, out of all"
    ratio += (
        "; planned counts those of intermediates too, the others of features only." if "planned" in lines else "."
    )
    return f"Claim to look for: {claim} {crossing(found)}. {marks} {ratio} {_measured(found.runs)}"


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
    return all(len(run.repeats) == 1 for run in runs)


def _repeats(runs: Sequence[Run]) -> str:
    counts = sorted({len(run.repeats) for run in runs})
    return f"{counts[0]} repeats" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} repeats"


def _measured(runs: Sequence[Run]) -> str:
    """What was searched, on how much data, how the store was read."""
    models, data = runs[0].model_set, runs[0].dataset
    items = data.train_items + data.test_items
    regimes = storage_lines(runs)
    storage = regimes[0] if len(regimes) == 1 else "several storage regimes"
    return f"{models.models:,} models of {models.name}, {items:,} items of {data.name}; {storage}."
