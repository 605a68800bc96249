"""From the units of every lane to what is told of a distribution."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from alsatian.data.dataset import Batch
from alsatian.planning.distribution.distribution import Distribution, Portion
from alsatian.planning.distribution.job import Job
from alsatian.planning.distribution.ranges import NOTHING, Lane
from alsatian.planning.distribution.work import Cost, Line

PARTS = ("prepare_model", "prepare_data", "inference", "proxy_scoring", "other")
MOST = 8
"""Portions of a worker."""
WORTH = 0.01
"""Share of a worker's seconds that all its portions may compute again, so that they can move to idle workers."""


def distribution(job: Job, way: str, lanes: Sequence[Lane], parts: Sequence[np.ndarray]) -> Distribution:
    """What ``lanes`` do if each has the units of its part."""
    told = {worker.name: _Told() for worker in job.given}
    computed, moved = 0.0, 0.0
    again_s = job.again_s()
    for lane, units in zip(lanes, parts, strict=True):
        if not len(units):
            continue
        line = Line(job.work, units)
        here = [job.numbers[worker.name] for worker in lane.workers] if job.homes else []
        away = (job.home[units] >= 0) & ~np.isin(job.home[units], here)
        features = job.work.path[4, units]
        comes = float(features.sum() * lane.moved_items + features[away].sum() * job.held_items)
        moved += comes
        nbytes = job.work.distinct_bytes(units.tolist())
        for start, stop in _pieces(job, lane, line):
            cost, own = line.cost(start, stop), units[start:stop].tolist()
            computed += cost.compute_s
            again = float(again_s[own[0]])
            why = _why(again, job.seconds(cost), int(away[start:stop].sum()))
            prepare_s = sum(job.work.prepare_s[root] for root in {job.work.data[unit] for unit in own})
            for worker, share, batches in zip(lane.workers, lane.shares, job.divided(lane.workers), strict=True):
                if share:
                    told[worker.name].read_bytes = nbytes
                    of = cost if worker is lane.scorer else cost._replace(score_s=0.0)
                    one = Lane((worker,), (share,), job.way_to_store(worker), job.read_ahead)
                    said = why if batches == job.batches else f"{len(batches)} of {len(job.batches)} batches, {why}"
                    told[worker.name].adds(job.work.models(own), batches, one, of, prepare_s, said, again)
        told[lane.scorer.name].parts_s["other"] = comes / lane.bandwidth
    whole = job.line.cost(0, len(job.work)) if len(job.work) else NOTHING
    return Distribution(
        way,
        {name: tuple(of.portions) for name, of in told.items()},
        {name: sum(of.parts_s.values()) for name, of in told.items()},
        {name: of.parts_s for name, of in told.items()},
        {name: of.read_bytes for name, of in told.items()},
        computed,
        max(0.0, computed - whole.compute_s) if parts else 0.0,
        sum(of.read_bytes for of in told.values()) - job.distinct_bytes if parts else 0,
        round(moved),
        job.seconds(whole),
    )


@dataclass(eq=False)
class _Told:
    """What is told of a worker."""

    portions: list[Portion] = field(default_factory=list)
    parts_s: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    read_bytes: int = 0

    def adds(
        self,
        models: tuple[str, ...],
        batches: tuple[Batch, ...],
        lane: Lane,
        cost: Cost,
        prepare_s: float,
        why: str,
        again_s: float,
    ) -> None:
        """One more portion; what is neither computing nor scoring is waiting for blocks."""
        seconds, scoring = lane.seconds(cost), cost.score_s / lane.scorer.speed
        self.portions.append(Portion(models, batches, seconds, why, again_s))
        self.parts_s["prepare_data"] += lane.rate * prepare_s
        self.parts_s["inference"] += lane.rate * (cost.compute_s - prepare_s)
        self.parts_s["proxy_scoring"] += scoring
        self.parts_s["prepare_model"] += seconds - lane.rate * cost.compute_s - scoring


def _pieces(job: Job, lane: Lane, line: Line) -> Iterator[tuple[int, int]]:
    """Ranges of ``line`` that share nothing worth sharing, of about an eighth of its seconds or more."""
    whole, start = lane.seconds(line.cost(0, len(line))), 0
    for stop in range(1, len(line)) if len(job.given) > 1 else ():  # there has to be someone to take one
        again = lane.seconds(Cost(*line.shared[:, stop]))
        if again <= WORTH / MOST * whole <= whole / MOST <= lane.seconds(line.cost(start, stop)):
            yield start, stop
            start = stop
    yield start, len(line)


def _why(again: float, seconds: float, away: int) -> str:
    text = "whole subtrees" if again <= WORTH * seconds else "part of a subtree"
    return f"{text}, {away} moved here" if away else text
