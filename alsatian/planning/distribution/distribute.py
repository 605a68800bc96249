"""Cuts the work of a round into portions and packs them onto workers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from alsatian.data.dataset import Batch
from alsatian.errors import ConfigError, nearest
from alsatian.planning.distribution.costs import Costs
from alsatian.planning.distribution.distribution import Distribution, Worker
from alsatian.planning.distribution.homes import matched, stay
from alsatian.planning.distribution.job import Job
from alsatian.planning.distribution.packing import pack_blocks, packed_order
from alsatian.planning.distribution.portions import distribution
from alsatian.planning.distribution.ranges import Lane, cut, fits, least
from alsatian.planning.distribution.work import Line, Work
from alsatian.tree import TaskTree

SUBTREES, BLOCKS, DATA, BOTH = WAYS = ("subtrees", "blocks", "data", "both")
"""Ranges of units; models with any block in common stay together; all workers have all models and divide the data;
ranges of units of which several workers divide the data."""
_BETTER = 1 - 1e-6
Packed = tuple[Sequence[Lane], list[np.ndarray]]


def distribute(
    tree: TaskTree,
    models: Sequence[str],
    batches: Sequence[Batch],
    workers: Sequence[Worker],
    costs: Costs,
    homes: Mapping[str, str] | None = None,
    held_items: int = 0,
    way: str | None = None,
) -> Distribution:
    """Who of ``workers`` does what of ``models`` on ``batches``.

    Args:
        tree: the task tree of these models, or of more.
        models: ids of candidates.
        batches: those that the models lack.
        workers: at least one.
        costs: of a worker of speed 1.
        homes: the worker that holds a model's features so far, by model; moving them costs their bytes.
        held_items: items of these features.
        way: one of :data:`WAYS`; by default what is predicted to be done first.

    Raises:
        ConfigError: there is no such way, or no worker.
    """
    pruned = tree if len(models) == len(tree.all_models()) else tree.prune(models)
    work = Work.of(pruned.compress(), costs, sum(batch.items for batch in batches))
    return cut_work(work, batches, workers, costs.bandwidth, costs.read_ahead, homes, held_items, way)


def cut_work(
    work: Work,
    batches: Sequence[Batch],
    workers: Sequence[Worker],
    bandwidth: float,
    read_ahead: bool = True,
    homes: Mapping[str, str] | None = None,
    held_items: int = 0,
    way: str | None = None,
) -> Distribution:
    """The same for work whose costs are known; ``bandwidth`` is that of workers without one of their own.

    Every candidate is cut exactly: its last worker is done as early as ranges of its order of units allow. The
    orders are depth-first, and that of subtrees packed into bins; the numbers of bins, and of workers that divide
    the data of a range, are all small ones and some larger ones, the same whatever the number of workers, so that
    one more never makes a round longer.
    """
    if way is not None and way not in WAYS:
        raise ConfigError(f"way={way}: {nearest(way, WAYS)}")
    if not workers or len({worker.name for worker in workers}) < len(workers):
        raise ConfigError("a round needs at least one worker, each with a name of its own")
    job = Job(work, tuple(batches), workers, bandwidth, read_ahead, homes or {}, held_items)
    if not len(work):
        return replace(distribution(job, way or SUBTREES, (), ()), note="nothing is missing")
    found: dict[str, Distribution] = {}
    for name in WAYS if way is None else (way,):
        tried = [distribution(job, name, *packed) for packed in _PACKERS[name](job)]
        found[name] = min(tried, key=lambda one: (one.wall_s, one.moved_bytes))
    best = min(found.values(), key=lambda one: one.wall_s)
    return replace(best, note=_note(best, found))


def _subtrees(job: Job) -> list[Packed]:
    """Ranges of units: depth-first, or of subtrees that are packed."""
    orders = (packed_order(job.work, job.line, job.seconds, bins) for bins in job.counts()[1:])
    lanes = job.lanes(1)
    lines = (job.line, *(Line(job.work, order) for order in orders if order is not None))
    found, limit = _fastest(job, [(line, lanes) for line in lines])
    if not (job.home >= 0).any():
        return [found]
    kept = stay(job, 2 * limit)
    return [(lanes, matched(job, *found)), *([] if kept is None else [kept])]


def _both(job: Job) -> list[Packed]:
    """Ranges of units, the data of each divided among several workers."""
    sizes = [size for size in job.counts()[1:] if size <= len(job.batches)] or [1]
    return [_fastest(job, [(job.line, job.lanes(size)) for size in sizes])[0]]


def _fastest(job: Job, tries: Sequence[tuple[Line, list[Lane]]]) -> tuple[Packed, float]:
    """The try whose last lane is done first, cut, and when that is."""
    best, limit = tries[0], math.inf
    for line, lanes in tries:
        high = min(limit * _BETTER, lanes[0].seconds(line.cost(0, len(line))))
        if limit == math.inf or fits(line, lanes, high):
            best, limit = (line, lanes), least(partial(fits, line, lanes), 0.0, high)
    line, lanes = best
    return (lanes, cut(line, lanes, limit, job.again_s()[line.units])), limit


def _blocks(job: Job) -> list[Packed]:
    """Models that have any block in common stay together."""
    lanes = job.lanes(1)
    return [(lanes, pack_blocks(job.work, lanes))]


def _data(job: Job) -> list[Packed]:
    """All workers, or some, have all models and divide the data."""
    lanes = [job.lanes(size)[0] for size in job.counts() if size <= max(1, len(job.batches))]
    whole = job.line.cost(0, len(job.work))
    return [((min(lanes, key=lambda lane: lane.seconds(whole)),), [job.line.units])]


_PACKERS: Mapping[str, Callable[[Job], list[Packed]]] = {
    SUBTREES: _subtrees,
    BLOCKS: _blocks,
    DATA: _data,
    BOTH: _both,
}


def _note(best: Distribution, found: Mapping[str, Distribution]) -> str:
    """Why ``best`` was chosen."""
    others = [f"{name} {one.wall_s:.3g} s" for name, one in found.items() if one is not best]
    chosen = f"cut by {best.way}, {best.wall_s:.3g} s"
    return f"{chosen}; predicted of the others: {', '.join(others)}" if others else chosen
