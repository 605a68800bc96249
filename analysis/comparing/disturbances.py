"""Repeats that others disturbed: the mark of times that rest on them, and what is said of them."""

from collections.abc import Iterable

from alsatian.records import Run
from alsatian.units import count_text, printable
from analysis.comparing.labels import in_order, some

MARK = "†"
"""Behind a time of a run of which others disturbed every repeat."""


def mark(run: Run) -> str:
    """``MARK`` if the times of ``run`` rest on disturbed repeats; nothing if not."""
    return MARK if run.disturbed else ""


def lines(runs: Iterable[Run]) -> list[str]:
    """What others disturbed among ``runs``: what is left out of medians, and what is marked."""
    labelled = in_order(list(runs))
    out = [
        f"{label} ({len(run.repeats) - len(run.quiet)} of {count_text(len(run.repeats), 'repeat')})"
        for label, run in labelled
        if len(run.quiet) < len(run.repeats)
    ]
    marked = [label for label, run in labelled if run.disturbed and not _beside(run)]
    beside = {label: _beside(run) for label, run in labelled if run.disturbed and _beside(run)}
    told = [f"Disturbed by other processes and left out of all times: {some(out)}"] if out else []
    if marked:
        told.append(f"{MARK} Other processes disturbed every repeat, which decides nothing: {some(marked)}")
    if beside:
        others = count_text(max(beside.values()), "other run")
        told.append(f"{MARK} Measured beside up to {others}, which decides nothing: {some(list(beside))}")
    return [printable(line) for line in told]


def caption(runs: Iterable[Run]) -> str:
    """The same below a figure, with numbers of runs in place of names; empty if nobody was disturbed."""
    known = list(runs)
    out = sum(len(run.repeats) - len(run.quiet) for run in known)
    marked = sum(run.disturbed and not _beside(run) for run in known)
    beside = [_beside(run) for run in known if run.disturbed and _beside(run)]
    told = f" {count_text(out, 'repeat')} that other processes disturbed left out." if out else ""
    if marked:
        told += f" {MARK}: other processes disturbed every repeat ({marked} of {count_text(len(known), 'run')})."
    if beside:
        others = count_text(max(beside), "other run")
        told += f" {MARK}: measured beside up to {others} ({len(beside)} of {count_text(len(known), 'run')})."
    return told


def _beside(run: Run) -> int:
    """Beside how many other runs of its sweep every repeat of ``run`` was measured; 0 if one was not."""
    return min((repeat.beside for repeat in run.repeats), default=0)
