"""Searches of very many models in closed form: what the simulator adds up step by step, added up by vertex.

It is exact for what it covers: planned releases or no sharing, blocks that are read whenever they are used, one
tier of cache, and a page cache of nothing. ``tests/experiments/studies/test_outlines.py`` holds it against the
simulator.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alsatian.blocks.candidate import Block, Candidate
from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch, upto
from alsatian.data.preprocessing import Preprocessing
from alsatian.machines.timed.machine import VALUE_BYTES
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Infer, Plan
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.contract import rounds_of
from alsatian.searching.schedules import Round
from alsatian.searching.strategy import Strategy
from alsatian.tree import NO_VERTEX, TaskTree


@dataclass(frozen=True)
class PositionCosts:
    """A cost model for models of one shape: their blocks differ in size, not in time, at the same position.

    Attributes:
        costs: of loading, preparing and scoring.
        segments: inference time by position in the chain.
    """

    costs: CostModel
    segments: tuple[SegmentCost, ...]

    @classmethod
    def of(cls, hardware: Hardware, example: Candidate, like: str, storage: Storage) -> "PositionCosts":
        """Of models with as many blocks as ``example``, on ``hardware``'s times for the shape ``like``.

        Raises:
            ConfigError: the hardware does not know that shape.
        """
        costs = CostModel.of(hardware, keys_for(hardware, [example], like=like), storage)
        return cls(costs, tuple(costs.segments[block.identity] for block in example.blocks))

    def load_s(self, parameter_bytes: np.ndarray) -> np.ndarray:
        """Seconds to load blocks of so many bytes, each on its own."""
        fixed = self.costs.load_s(Block("", 0, 0))
        return fixed + parameter_bytes * (self.costs.load_s(Block("", 10**9, 0)) - fixed) / 1e9

    def infer_s(self, batches: Sequence[Batch]) -> np.ndarray:
        """Seconds for all ``batches``, by position."""
        return np.array([sum(segment.seconds(batch.items) for batch in batches) for segment in self.segments])

    def prepare_s(self, preprocessing: Preprocessing, batches: Sequence[Batch]) -> float:
        """Seconds to prepare ``batches`` for one reader of the data."""
        seconds = sum(self.costs.prepare_s(preprocessing, batch.items) for batch in batches)
        for test in (True, False):
            if items := sum(batch.items for batch in batches if batch.test == test):
                seconds += self.costs.start_s(items)
        return seconds


@dataclass(frozen=True)
class RoundOutline:
    """One round.

    Attributes:
        models: that are scored.
        seconds: on one worker.
        bytes_read: from the store.
        cache_bytes: largest content of the cache of intermediates; 0 without sharing.
        chunks: that the data was cut into.
        ranges: seconds of every vertex, scores included, in the order of execution; empty without sharing.
        above: seconds of all that lies above each of them, from the data on.
    """

    models: int
    seconds: float
    bytes_read: float
    cache_bytes: int
    chunks: int
    ranges: np.ndarray
    above: np.ndarray

    def on_workers(self, workers: int) -> float:
        """Seconds until the last of ``workers`` is done.

        With sharing the depth-first order of the tree is cut into ranges of equal work. What a range starts from
        is computed again by its worker: the path above its first vertex, since everything else that the range
        needs lies in it. Without sharing every worker has as many models as the others, or one more.
        """
        if not len(self.ranges):
            return self.seconds / self.models * -(-self.models // workers)
        ends = np.cumsum(self.ranges)
        cuts = np.searchsorted(ends, ends[-1] * np.arange(1, workers) / workers)
        starts = np.unique(np.concatenate([[0], cuts]))
        sums = np.add.reduceat(self.ranges, starts)
        return float((sums + self.above[starts]).max())


@dataclass(frozen=True)
class Outline:
    """A search, round by round."""

    rounds: tuple[RoundOutline, ...]

    @property
    def seconds(self) -> float:
        """On one worker."""
        return sum(r.seconds for r in self.rounds)

    @property
    def bytes_read(self) -> float:
        """From the store."""
        return sum(r.bytes_read for r in self.rounds)

    @property
    def cache_bytes(self) -> int:
        """Largest content of the cache of intermediates."""
        return max(r.cache_bytes for r in self.rounds)

    def on_workers(self, workers: int) -> float:
        """Seconds with so many workers, which wait for one another behind every round."""
        return sum(r.on_workers(workers) for r in self.rounds)


def outline(
    tree: TaskTree,
    strategy: Strategy,
    batches: tuple[Sequence[Batch], Sequence[Batch]],
    costs: PositionCosts,
    budget: int | None,
    scores: dict[str, float],
) -> Outline:
    """The search of all models of the uncompressed ``tree``, with ``scores`` in every round.

    ``strategy`` either shares, with planned releases, or does not share; ``tree`` is shared in both cases.
    """
    found: list[RoundOutline] = []
    for upcoming, small, new, items in searched(tree, strategy, batches, scores):
        edges = Edges(small, costs, new, items)
        if strategy.shares:
            plan = strategy.plan(small, upcoming.models, new, Limits((budget,)))
            found.append(_shared(edges, plan, len(upcoming.models)))
        else:
            found.append(_alone(edges, new, len(upcoming.models)))
    return Outline(tuple(found))


def searched(
    tree: TaskTree, strategy: Strategy, batches: tuple[Sequence[Batch], Sequence[Batch]], scores: dict[str, float]
) -> Iterator[tuple[Round, TaskTree, list[Batch], tuple[int, int]]]:
    """Every round with its compressed tree, its new batches, and its training and test items."""
    test, train = batches
    models = tree.all_models()
    rounds = rounds_of(strategy, models, train)
    seen = -1
    upcoming: Round | None = next(rounds, None)
    while upcoming is not None:
        new = [*(test if seen < 0 else ()), *(b for b in upto(train, upcoming.train_items) if b.start >= seen)]
        seen = upcoming.train_items
        small = (tree if len(upcoming.models) == len(models) else tree.prune(upcoming.models)).compress()
        yield upcoming, small, new, (seen, sum(batch.items for batch in test))
        try:
            upcoming = rounds.send({model: scores[model] for model in upcoming.models})
        except StopIteration:
            return


def _shared(edges: "Edges", plan: Plan, models: int) -> RoundOutline:
    tree, costs, chunks = edges.tree, edges.costs, len(plan.chunks)
    seconds = chunks * (costs.costs.hardware.step_s + edges.load_s) + edges.infer_s
    prepare: dict[Preprocessing, float] = {}
    for root in tree.roots():
        kind = tree.preprocessing[root]
        if kind not in prepare:
            prepare[kind] = sum(costs.prepare_s(kind, chunk) for chunk in plan.chunks)
        seconds[root] += prepare[kind]
    above = _along_paths(tree, seconds) - seconds
    seconds += (tree.models.sizes > 0) * edges.score_s
    order = np.fromiter(_first_chunk(plan), np.int64, len(tree))
    peak = plan.peaks[0] if plan.peaks else 0
    read = chunks * float(edges.read_bytes.sum())
    return RoundOutline(models, float(seconds.sum()), read, peak, chunks, seconds[order], above[order])


def _alone(edges: "Edges", batches: Sequence[Batch], models: int) -> RoundOutline:
    tree, costs = edges.tree, edges.costs
    seconds = edges.load_s + edges.infer_s
    for root in tree.roots():
        seconds[root] += costs.prepare_s(tree.preprocessing[root], batches) + costs.costs.hardware.step_s
    counts = tree.models.sizes
    total = float((counts * (_along_paths(tree, seconds) + edges.score_s)).sum())
    read = float((counts * _along_paths(tree, edges.read_bytes)).sum())
    return RoundOutline(models, total, read, 0, 1, np.empty(0), np.empty(0))


def _first_chunk(plan: Plan) -> Iterator[int]:
    """The vertices in the order in which a chunk computes them."""
    for step in plan.steps:
        if isinstance(step, Infer):
            if step.chunk:
                return
            yield step.vertex


class Edges:
    """Sums over the blocks of the edge into every vertex (N,), and what scoring the vertex would take.

    Attributes:
        load_s, infer_s, read_bytes: of the blocks.
        score_s: seconds to score the features that each vertex would be.
    """

    def __init__(
        self, tree: TaskTree, costs: PositionCosts, batches: Sequence[Batch], items: tuple[int, int]
    ) -> None:
        self.tree, self.costs = tree, costs
        sizes = tree.blocks.sizes
        starts = np.frombuffer(tree.blocks.starts, np.int64)
        depth = _along_paths(tree, sizes.astype(float)).astype(np.int64) - sizes  # of the first block of an edge
        position = np.repeat(depth - starts[:-1], sizes) + np.arange(len(tree.blocks.items))
        nbytes = np.fromiter((b.parameter_bytes for b in tree.blocks.items), float, len(tree.blocks.items))
        self.load_s = _sums(costs.load_s(nbytes), starts)
        self.infer_s = _sums(costs.infer_s(batches)[position], starts)
        self.read_bytes = _sums(nbytes, starts)
        dimensions = np.array(tree.output_bytes) // VALUE_BYTES
        fixed, more = (costs.costs.score_s(*items, dimension) for dimension in (0, 1_000_000))
        self.score_s = fixed + dimensions * ((more - fixed) / 1e6)


def _sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Sums of groups of ``values`` (M,) that begin at ``starts`` (N + 1,); exact enough for times."""
    return np.diff(np.concatenate([[0.0], np.cumsum(values)])[starts])


def _along_paths(tree: TaskTree, values: np.ndarray) -> np.ndarray:
    """For every vertex (N,) the sum of ``values`` (N,) from its root to itself."""
    sums = values.tolist()
    for vertex, parent in enumerate(tree.parent):
        if parent != NO_VERTEX:
            sums[vertex] += sums[parent]
    return np.array(sums)
