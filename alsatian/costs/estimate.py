"""The seconds of a plan, for comparing many. :mod:`alsatian.machines.timed` is exact and slower."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alsatian.blocks.candidate import Block
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.runtime.loading.settings import interval
from alsatian.tree import NO_VERTEX, TaskTree


@dataclass(frozen=True)
class Workload:
    """What one round has to do, whatever the plan.

    Attributes:
        tree: the compressed task tree of the round's models.
        compute_s: seconds to compute each vertex from its parent for all batches.
        prepare_s: seconds to prepare the data above each vertex.
        read_s: seconds to read and load the blocks of each vertex, one after the other. What blocks have in common
            is that of the first vertex that needs it.
        lane_s: the same as they come one behind the other if they are read ahead.
        late_s: seconds by which the last one of a vertex comes later than that.
        block_bytes: of the blocks of each vertex.
        distinct_bytes: of all blocks, with what they have in common once.
        later: share of the blocks that the next round is expected to use again.
    """

    tree: TaskTree
    costs: CostModel
    items: int
    compute_s: Sequence[float]
    prepare_s: Sequence[float]
    read_s: Sequence[float]
    lane_s: Sequence[float]
    late_s: Sequence[float]
    block_bytes: Sequence[int]
    distinct_bytes: int
    later: float

    @classmethod
    def of(
        cls,
        tree: TaskTree,
        batches: Sequence[Batch],
        costs: CostModel,
        later: float = 0.0,
    ) -> "Workload":
        """The work of ``tree`` on ``batches``."""
        sizes: dict[int, int] = {}
        for batch in batches:
            sizes[batch.items] = sizes.get(batch.items, 0) + 1
        seconds: dict[str, float] = {}
        for block in tree.blocks.items:
            if block.identity not in seconds:
                seconds[block.identity] = sum(n * costs.infer_s(block, items) for items, n in sizes.items())
        prepared: dict[object, float] = {}
        for preprocessing in tree.preprocessing:
            if preprocessing not in prepared:
                prepared[preprocessing] = sum(n * costs.prepare_s(preprocessing, i) for i, n in sizes.items())
        loaded, seen = [], set[str]()
        for blocks in tree.blocks:
            loaded.append([unit for block in blocks for unit in costs.units(block) if unit.identity not in seen])
            if costs.parts:
                seen.update(unit.identity for unit in loaded[-1])
        return cls(
            tree,
            costs,
            sum(batch.items for batch in batches),
            [sum(seconds[block.identity] for block in blocks) for blocks in tree.blocks],
            [prepared[preprocessing] for preprocessing in tree.preprocessing],
            [sum(costs.load_s(unit) for unit in units) for units in loaded],
            [sum(_lane_s(costs, unit) for unit in units) for units in loaded],
            [costs.load_s(units[-1]) - _lane_s(costs, units[-1]) if units else 0.0 for units in loaded],
            [sum(block.parameter_bytes for block in blocks) for blocks in tree.blocks],
            sum(unit.parameter_bytes for units in loaded for unit in units),
            later,
        )

    def least_s(self) -> float:
        """Seconds that no plan stays below: every vertex is computed and every block read once."""
        return max(sum(self.compute_s) + max(self.prepare_s, default=0.0), sum(self.lane_s))


def _lane_s(costs: CostModel, block: Block) -> float:
    """Seconds between this block and the one before, read ahead."""
    read = costs.read_s(block)
    return interval(read, costs.load_s(block) - read, block.parameter_bytes)


def estimate(
    work: Workload,
    steps: Sequence[Sequence[int]],
    chunk_items: Sequence[int],
    block_budget: int | None,
    placed: Mapping[int, str],
    vertex_bytes: Sequence[int],
) -> float:
    """Seconds of a plan whose chunks have so many items, with ``block_budget`` bytes for blocks on the device.

    ``steps``: the vertices that each step of a chunk computes, each behind its parent. ``placed``:
    tier, by name, of each stored vertex that is not in the fastest. ``vertex_bytes``: of each vertex, per item.

    Inference does not depend on chunks, since batches do not. Blocks are used in the same sequence in every chunk;
    if they do not all fit, what does not fit is read again each time (Belady on a cyclic sequence keeps the rest).
    A step waits until its blocks are there, which are read in its order beside the computing of earlier steps, and
    disturb it: reading that the first chunk is too short to hide is waited for, however long the others compute.
    Scores are left out: they are the same for every plan.
    """
    tree, costs = work.tree, work.costs
    distinct = work.distinct_bytes
    budget = distinct if block_budget is None else block_budget
    largest = max((sum(work.block_bytes[vertex] for vertex in step) for step in steps), default=0)
    ahead = budget >= min(2 * largest, distinct)
    read_s = work.lane_s if ahead else work.read_s
    computing, first_reads, all_reads, late = [], [], [], []
    seen = set[int]()
    for step in steps:
        source = tree.parent[step[0]]
        seconds = 0.0 if source != NO_VERTEX else work.prepare_s[step[0]]
        if source in placed:
            seconds += costs.cache_s(placed[source], vertex_bytes[source] * work.items, False)
        fresh = uses = 0.0
        for vertex in step:
            seconds += work.compute_s[vertex]
            if vertex in placed:
                seconds += costs.cache_s(placed[vertex], vertex_bytes[vertex] * work.items, True)
            uses += read_s[vertex]
            fresh += 0.0 if vertex in seen else read_s[vertex]
            seen.add(vertex)
        computing.append(seconds)
        first_reads.append(fresh)
        all_reads.append(uses)
        late.append(work.late_s[step[-1]])
    short = max(0.0, 1 - budget / distinct) if distinct else 0.0
    # What the next round wants of these blocks and does not find.
    next_s = max(0.0, work.later - (1 - short)) * sum(read_s)
    first = [fresh + short * (uses - fresh) for fresh, uses in zip(first_reads, all_reads, strict=True)]
    again = [short * uses for uses in all_reads]
    others, share = len(chunk_items) - 1, chunk_items[0] / max(1, work.items)
    overhead = costs.hardware.step_s
    if not ahead:
        steps_s = len(steps) * len(chunk_items) * overhead
        return sum(computing) + steps_s + sum(first) + others * sum(again) + next_s
    lost = costs.read_ahead_loss
    done, read = _overlapped(0.0, 0.0, [share * s + overhead for s in computing], first, late, lost)
    if others:  # all alike: each takes as long as the first of them
        share, read = (1 - share) / others, max(done, read)  # the room for reading is taken up to here
        end, _ = _overlapped(done, read, [share * s + overhead for s in computing], again, late, lost)
        done += others * (end - done)
    return done + next_s


def _overlapped(
    now: float,
    read: float,
    computing: Sequence[float],
    reading: Sequence[float],
    late: Sequence[float],
    lost: float,
) -> tuple[float, float]:
    """When the steps of a chunk are computed and their blocks read, if both may begin ``now`` and at ``read``.

    The reading threads do not stop, and each step waits for what is read for it, which is here ``late`` seconds
    after its turn. ``lost``: share of computing that is lost as long as they read.
    """
    end = read + sum(reading)
    for seconds, needs, after in zip(computing, reading, late, strict=True):
        read += needs
        now = max(now, read + after) if needs else now
        beside = min(seconds, max(0.0, end - now) * (1 - lost))
        now += seconds + beside * lost / (1 - lost)
    return now, read
