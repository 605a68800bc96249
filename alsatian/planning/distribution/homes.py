"""Keeps models where their features are: whoever has too many hands some over."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from alsatian.planning.distribution.job import Job
from alsatian.planning.distribution.ranges import NOTHING, Lane, least, reach
from alsatian.planning.distribution.work import Line


def matched(job: Job, lanes: Sequence[Lane], parts: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same ``parts``, one for each worker, where workers are equal changed over so that more features stay."""
    kinds = [(lane.rate, lane.bandwidth) for lane in lanes]
    wishes = []
    for part, units in enumerate(parts):
        at, counts = np.unique(job.home[units], return_counts=True)
        wishes += [(n, part, lane) for lane, n in zip(at.tolist(), counts.tolist(), strict=True) if lane >= 0]
    taken: dict[int, int] = {}
    placed: set[int] = set()
    for _, part, lane in sorted(wishes, reverse=True):
        if kinds[part] == kinds[lane] and lane not in taken and part not in placed:
            taken[lane] = part
            placed.add(part)
    left: dict[tuple[float, float], list[int]] = {}
    for part, kind in enumerate(kinds):
        if part not in placed:
            left.setdefault(kind, []).append(part)
    return [parts[taken[lane] if lane in taken else left[kind].pop()] for lane, kind in enumerate(kinds)]


def stay(job: Job, high: float) -> tuple[list[Lane], list[np.ndarray]] | None:
    """Every worker keeps what it has, in depth-first order, as far as it is done in time; the others take the rest,
    whose features move. The time is the least with which all units are taken; None if that is above ``high``."""
    lanes = job.lanes(1)
    own = [np.flatnonzero(job.home == number) for number in range(len(job.workers))]
    lines = [Line(job.work, units) for units in own]
    takes = [replace(lane, moved_items=job.held_items) for lane in lanes]

    def packed(limit: float) -> list[np.ndarray] | None:
        kept = [reach(line, lane, 0, limit) for line, lane in zip(lines, lanes, strict=True)]
        rest = np.ones(len(job.work), bool)
        for units, count in zip(own, kept, strict=True):
            rest[units[:count]] = False
        pool, start, parts = Line(job.work, np.flatnonzero(rest)), 0, []
        for units, line, lane, count in zip(own, lines, takes, kept, strict=True):
            base = line.cost(0, count) if count else NOTHING
            stop = reach(pool, lane, start, limit, base) if start < len(pool) else start
            parts.append(np.sort(np.concatenate([units[:count], pool.units[start:stop]])))
            start = stop
        return parts if start == len(pool) else None

    if (parts := packed(high)) is None:
        return None
    return lanes, packed(least(lambda limit: packed(limit) is not None, 0.0, high)) or parts
