"""What a run record says of one measurement. Times in seconds, sizes in bytes."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from alsatian.records.base import Count, Flag, Number, Record, Seconds
from alsatian.records.conditions import Conditions
from alsatian.records.limit import Limit

Warmed = Literal["search", "kernels", "nothing"]
"""What was computed unmeasured before: a batch is searched, or goes through each architecture."""


def _has_kind(event: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(event.get("kind"), str):
        raise ValueError("expected an object with its kind")
    return event


def added(*all_: dict[str, float] | dict[str, int]) -> dict[str, float]:
    """Sums by key."""
    return {key: sum(one.get(key, 0) for one in all_) for key in dict.fromkeys(k for one in all_ for k in one)}


def largest(*all_: dict[str, int]) -> dict[str, int]:
    """Largest values by key."""
    return {key: max(one.get(key, 0) for one in all_) for key in dict.fromkeys(k for one in all_ for k in one)}


class WorkerShare(Record):
    """One worker's part of a measurement, over all processes that had its name.

    Attributes:
        wall_s: time at work on portions.
        parts_s: the same by exclusive parts.
        busy_s: time that parts were at work, in background threads as well.
        counters: bytes, blocks, executions, hits and so on.
        peaks: largest sizes; every worker has the budgets of the search for itself.
    """

    wall_s: Seconds
    parts_s: dict[str, Seconds] = {}
    busy_s: dict[str, Seconds] = {}
    counters: dict[str, Count] = {}
    peaks: dict[str, Count] = {}

    def plus(self, later: "WorkerShare") -> "WorkerShare":
        """Both as one: times and counters add up, peaks are the larger ones."""
        return WorkerShare(
            wall_s=self.wall_s + later.wall_s,
            parts_s=added(self.parts_s, later.parts_s),
            busy_s=added(self.busy_s, later.busy_s),
            counters={key: round(value) for key, value in added(self.counters, later.counters).items()},
            peaks=largest(self.peaks, later.peaks),
        )


class Repeat(Record):
    """One measurement.

    Attributes:
        wall_s: wall time.
        parts_s: exclusive parts, which add up to the wall time within 5%; empty at level ``"total"``.
        busy_s: time that parts were at work in background threads.
        stalled_s: time that the search waited for them.
        counters: bytes, blocks, executions, hits and so on; those that never counted may be absent.
        peaks: largest sizes.
        process: what the operating system says about the process; None where it does not know.
        events: what happened on the way, each with its ``"kind"``.
        level: ``"parts"`` or ``"total"``.
        warm_up: what was computed unmeasured before; None where nothing says so.
        limit: what it would have taken at least; None where that was not told.
        conditions: who had the machine meanwhile; None where nothing says so.
        workers: what each of several workers did, by name; then parts are their mean, busy seconds and counters
            their sums, peaks the largest.
        valid: whether the measurement can be trusted.
    """

    wall_s: Seconds
    parts_s: dict[str, Seconds]
    counters: dict[str, Count] = {}
    peaks: dict[str, Count] = {}
    valid: Flag
    busy_s: dict[str, Seconds] = {}
    stalled_s: dict[str, Seconds] = {}
    process: dict[str, Number | None] = {}
    events: tuple[Annotated[dict[str, Any], AfterValidator(_has_kind)], ...] = ()
    level: Literal["parts", "total"] = "parts"
    warm_up: Warmed | None = None
    limit: Limit | None = None
    conditions: Conditions | None = None
    workers: dict[str, WorkerShare] = {}

    @property
    def disturbed(self) -> bool:
        """Whether others took so much of the machine that it decides nothing; False where nothing says so."""
        return self.conditions is not None and self.conditions.disturbed(self.wall_s)

    @property
    def beside(self) -> int:
        """How many other runs of its sweep may have been measured on the machine meanwhile."""
        return 0 if self.conditions is None else self.conditions.beside

    @property
    def over_limit(self) -> float | None:
        """Wall time over the limit; None where that is not known."""
        return None if self.limit is None else self.limit.over(self.wall_s)

    @property
    def stalled_share(self) -> float | None:
        """Share of the wall time that the search waited for its threads; None where no parts were measured."""
        return sum(self.stalled_s.values()) / self.wall_s if self.stalled_s and self.wall_s else None
