"""From the units of every lane to what is told of a distribution."""

from collections.abc import Iterator, Sequence

import numpy as np

from alsatian.planning.distribution.distribution import Distribution, Portion
from alsatian.planning.distribution.job import Job
from alsatian.planning.distribution.ranges import Lane
from alsatian.planning.distribution.work import Cost, Line

MOST = 8
"""Portions of a worker."""
WORTH = 0.01
"""Share of a worker's seconds that all its portions may compute again, so that they can move to idle workers."""


def distribution(job: Job, way: str, lanes: Sequence[Lane], parts: Sequence[np.ndarray]) -> Distribution:
    """What ``lanes`` do if each has the units of its part."""
    names = [worker.name for worker in job.given]
    portions: dict[str, list[Portion]] = {name: [] for name in names}
    seconds, read = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0)
    computed, moved = 0.0, 0.0
    again_s = job.again_s()
    for lane, units in zip(lanes, parts, strict=True):
        if not len(units):
            continue
        line, divided = Line(job.work, units), job.divided(lane.workers)
        homes = {job.workers.index(worker) for worker in lane.workers} if job.homes else set()
        away = [job.home[unit] >= 0 and job.home[unit] not in homes for unit in units] if job.homes else []
        features = job.work.path[3, units]
        comes = float(features.sum()) * lane.moved_items
        comes += float(features[np.array(away, bool)].sum()) * job.held_items if away else 0.0
        moved += comes
        nbytes = job.work.distinct_bytes(units.tolist())
        for start, stop in _pieces(job, lane, line):
            cost = line.cost(start, stop)
            computed += cost.compute_s
            why = _why(again_s, units[start:stop], job.seconds(cost), sum(away[start:stop]))
            for worker, share, batches in zip(lane.workers, lane.shares, divided, strict=True):
                if batches:
                    one = Lane((worker,), (share,), job.way_to_store(worker), job.read_ahead)
                    said = f"{len(batches)} of {len(job.batches)} batches; {why}" if len(divided) > 1 else why
                    models = job.work.models(units[start:stop].tolist())
                    portions[worker.name].append(Portion(models, batches, one.seconds(cost), said))
        for worker in lane.workers:
            if portions[worker.name]:
                way_s = comes / len(lane.workers) / job.way_to_store(worker)
                seconds[worker.name] = sum(portion.seconds for portion in portions[worker.name]) + way_s
                read[worker.name] = nbytes
    whole = job.line.cost(0, len(job.work)) if len(job.work) else Cost(0.0, 0.0, 0.0, 0.0)
    return Distribution(
        way,
        {name: tuple(found) for name, found in portions.items()},
        seconds,
        read,
        max(0.0, computed - whole.compute_s) if parts else 0.0,
        sum(read.values()) - job.distinct_bytes if parts else 0,
        round(moved),
        job.seconds(whole),
        "",
    )


def _pieces(job: Job, lane: Lane, line: Line) -> Iterator[tuple[int, int]]:
    """Ranges of ``line`` that share nothing worth sharing, of about an eighth of its seconds or more."""
    whole, start = lane.seconds(line.cost(0, len(line))), 0
    for stop in range(1, len(line)) if len(job.given) > 1 else ():  # there has to be someone to take one
        again = lane.seconds(Cost(*line.shared[:, stop]))
        if again <= WORTH / MOST * whole <= whole / MOST <= lane.seconds(line.cost(start, stop)):
            yield start, stop
            start = stop
    yield start, len(line)


def _why(again_s: np.ndarray, units: np.ndarray, seconds: float, away: int) -> str:
    again = again_s[units[0]]
    text = "whole subtrees" if again <= WORTH * seconds else f"part of a subtree, {again:.3g} s of it done again"
    return f"{text}; features of {away} come from other workers" if away else text
