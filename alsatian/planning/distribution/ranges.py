"""Cuts a line of units into ranges, one for each lane, so that the last lane is done as early as can be."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alsatian.planning.distribution.distribution import Worker
from alsatian.planning.distribution.work import Cost, Line

_EXACT = 1e-9
NOTHING = Cost(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Lane:
    """A worker, or several that divide the data of their models, which the first one that has any scores.

    Attributes:
        workers: one or several.
        shares: the part of the items that each computes; their sum is 1.
        bandwidth: bytes per second of the slowest worker's way to the store.
        read_ahead: whether blocks are read beside computing.
        moved_items: items whose features come from other workers.
    """

    workers: tuple[Worker, ...]
    shares: tuple[float, ...]
    bandwidth: float
    read_ahead: bool
    moved_items: float = 0.0

    @cached_property
    def rate(self) -> float:
        """Seconds for what takes one worker of speed 1 a second."""
        return max(share / worker.speed for share, worker in zip(self.shares, self.workers, strict=True))

    @cached_property
    def scorer(self) -> Worker:
        """Who scores."""
        return next(worker for worker, share in zip(self.workers, self.shares, strict=True) if share)

    def seconds(self, cost: Cost, base: Cost = NOTHING) -> float:
        """Until the last worker is done with work of this ``cost`` beside that of ``base``, which does not move."""
        computing = self.rate * (cost.compute_s + base.compute_s)
        computing += (cost.score_s + base.score_s) / self.scorer.speed
        reading = cost.load_s + base.load_s + (cost.read_bytes + base.read_bytes) / self.bandwidth
        busy = max(computing, reading) if self.read_ahead else computing + reading
        return busy + self.moved_items * cost.feature_bytes / self.bandwidth


def reach(line: Line, lane: Lane, start: int, limit: float, base: Cost = NOTHING) -> int:
    """The furthest end of a range from ``start`` with which ``lane`` is done within ``limit`` seconds."""
    return bisect_right(
        range(len(line)), limit, lo=start, key=lambda last: lane.seconds(line.cost(start, last + 1), base)
    )


def fits(line: Line, lanes: Sequence[Lane], limit: float) -> bool:
    """Whether ``lanes``, one after another, take all units within ``limit`` seconds. Fewer units never take longer,
    so that each may take as many as it can."""
    start = 0
    for lane in lanes:
        if start == len(line):
            return True
        start = reach(line, lane, start, limit)
    return start == len(line)


def least(fit: Callable[[float], bool], low: float, high: float) -> float:
    """The least seconds that ``fit``, which ``high`` does; ``low`` may."""
    while high - low > _EXACT * high:
        middle = (low + high) / 2
        low, high = (low, middle) if fit(middle) else (middle, high)
    return high


def cut(line: Line, lanes: Sequence[Lane], limit: float, again_s: np.ndarray) -> list[np.ndarray]:
    """The units of every lane, all within ``limit`` seconds, which :func:`fits`.

    Where there is room every cut lies where least has to be computed again: ``again_s`` (N,) seconds by the first
    unit behind it.
    """
    latest = [len(line)]  # where each lane has to end at least, so that those behind take the rest
    for lane in reversed(lanes[1:]):
        stop = latest[-1]

        def within(start: int, lane: Lane = lane, stop: int = stop) -> bool:
            return lane.seconds(line.cost(start, stop)) <= limit

        latest.append(bisect_left(range(stop), True, key=within))
    parts, start = [], 0
    for lane, low in zip(lanes, reversed(latest), strict=True):
        low, high = max(low, start), reach(line, lane, start, limit)
        stop = high if high == len(line) or low >= high else low + int(np.argmin(again_s[low : high + 1]))
        parts.append(line.units[start:stop])
        start = stop
    return parts
