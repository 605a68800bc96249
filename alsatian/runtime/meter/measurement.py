"""What a meter found: wall time, its parts, counters and peaks."""

from dataclasses import dataclass, field
from typing import Any

from alsatian.errors import ConfigError, nearest
from alsatian.records.conditions import Conditions
from alsatian.records.limit import Limit
from alsatian.records.repeat import WorkerShare

LEVELS = ("parts", "total")
PARTS = ("planning", "prepare_model", "prepare_data", "inference", "proxy_scoring", "cache_io", "other")
# A run whose parts miss more of its wall time than this is invalid, unless it is less than one break that the
# operating system gives another process on a busy machine, in seconds.
TOLERANCE = 0.05
BREAK_S = 0.03
NOT_PREDICTED = ("warm_reads", "bytes_verified")
"""Counters of what the operating system and earlier searches left, not of plans."""


def check_settings(level: str, timeline: bool) -> None:
    """Refuse settings that no :class:`~alsatian.runtime.meter.meter.Meter` takes.

    Raises:
        ConfigError: names the setting and what would be right.
    """
    if level not in LEVELS:
        raise ConfigError(f"meter.level={level}: {nearest(str(level), LEVELS)}")
    if not isinstance(timeline, bool):
        raise ConfigError(f"meter.timeline={timeline}: must be true or false")
    if timeline and level == "total":
        raise ConfigError("meter.timeline=true: there are no parts to show at meter.level=total; use parts")


@dataclass(frozen=True)
class Measurement:
    """Where one search spent its time.

    Attributes:
        wall_s: wall time in seconds.
        parts_s: exclusive seconds of each part in ``PARTS``, on the thread that searches; empty at level
            ``"total"``.
        counters: bytes, blocks, executions, hits and so on; see the engine.
        peaks: largest values: bytes held by the cache, by resident blocks and by features.
        busy_s: seconds of work on each part in all threads together, without waiting for one another; what
            overlaps makes their sum larger than the wall time. Empty at level ``"total"``.
        stalled_s: the share of ``parts_s`` spent waiting for another thread's work. Empty at ``"total"``.
        events: what happened, ends of rounds too, in order: ``kind``, ``at_s`` (seconds from the start), facts.
        process: peaks and I/O as the operating system counts them; see ``ProcessUse.until_now``.
        timeline: trace events, if asked for; see ``Timeline.trace``.
        level: how finely was measured, ``"parts"`` or ``"total"``.
        limit: what the search would have taken at least, where it has ended.
        conditions: who had the machine meanwhile; None where the time is not the machine's own.
        workers: what each of several workers did, by name; empty where one process did it all.
    """

    wall_s: float
    parts_s: dict[str, float]
    counters: dict[str, int]
    peaks: dict[str, int]
    busy_s: dict[str, float] = field(default_factory=dict)
    stalled_s: dict[str, float] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    process: dict[str, int | None] = field(default_factory=dict)
    timeline: list[dict[str, Any]] | None = None
    level: str = "parts"
    limit: Limit | None = None
    conditions: Conditions | None = None
    workers: dict[str, WorkerShare] = field(default_factory=dict)

    @property
    def unattributed_s(self) -> float:
        """Wall time that belongs to no part, in seconds."""
        return self.wall_s - sum(self.parts_s.values())

    @property
    def valid(self) -> bool:
        """Whether the parts add up to the wall time within ``TOLERANCE`` or ``BREAK_S``; not judged where none were
        measured. Of a whole search nothing is left out, so what this can find there are a device's clock and the
        host's that disagree."""
        return self.level == "total" or abs(self.unattributed_s) <= max(TOLERANCE * self.wall_s, BREAK_S)
