"""The seconds of a plan in closed form, for comparing many. :mod:`alsatian.machines.timed` is exact and slower."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.tree import NO_VERTEX, TaskTree


@dataclass(frozen=True)
class Workload:
    """What one round has to do, whatever the plan.

    Attributes:
        tree: the compressed task tree of the round's models.
        compute_s: seconds to compute each vertex from its parent for all batches.
        prepare_s: seconds to prepare the data above each vertex.
        read_s: seconds to read and load the blocks of each vertex.
        block_bytes: of the blocks of each vertex.
        later: share of the blocks that the next round is expected to use again.
    """

    tree: TaskTree
    costs: CostModel
    items: int
    compute_s: Sequence[float]
    prepare_s: Sequence[float]
    read_s: Sequence[float]
    block_bytes: Sequence[int]
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
        return cls(
            tree,
            costs,
            sum(batch.items for batch in batches),
            [sum(seconds[block.identity] for block in blocks) for blocks in tree.blocks],
            [prepared[preprocessing] for preprocessing in tree.preprocessing],
            [sum(costs.load_s(block) for block in blocks) for blocks in tree.blocks],
            [sum(block.parameter_bytes for block in blocks) for blocks in tree.blocks],
            later,
        )

    def least_s(self) -> float:
        """Seconds that no plan stays below: every vertex is computed and every block read once."""
        return max(sum(self.compute_s) + max(self.prepare_s, default=0.0), sum(self.read_s))


def estimate(
    work: Workload,
    steps: Sequence[Sequence[int]],
    chunks: int,
    block_budget: int | None,
    placed: Mapping[int, str],
    vertex_bytes: Sequence[int],
) -> float:
    """Seconds of a plan in so many ``chunks``, with ``block_budget`` bytes for blocks on the device.

    ``steps``: the vertices that each step of a chunk computes, each behind its parent. ``placed``:
    tier, by name, of each stored vertex that is not in the fastest. ``vertex_bytes``: of each vertex, per item.

    Inference does not depend on chunks, since batches do not. Blocks are used in the same sequence in every chunk;
    if they do not all fit, what does not fit is read again each time (Belady on a cyclic sequence keeps the rest).
    What is read beside the computing costs only what is longer, and the computing it disturbs. Scores are left out:
    they are the same for every plan.
    """
    tree = work.tree
    computing = uses_s = 0.0
    largest = 0
    for step in steps:
        nbytes = 0
        for vertex in step:
            computing += work.compute_s[vertex]
            uses_s += work.read_s[vertex]
            nbytes += work.block_bytes[vertex]
        largest = max(largest, nbytes)
        if tree.parent[step[0]] == NO_VERTEX:
            computing += work.prepare_s[step[0]]
    distinct, distinct_s = sum(work.block_bytes), sum(work.read_s)
    budget = distinct if block_budget is None else block_budget
    short = max(0.0, 1 - budget / distinct) if distinct else 0.0
    again = (chunks - 1) * distinct_s * short + chunks * (uses_s - distinct_s) * short
    # What the next round wants of these blocks and does not find.
    next_s = max(0.0, work.later - (1 - short)) * distinct_s
    reading = distinct_s + again
    steps_s = len(steps) * chunks * work.costs.hardware.step_s
    moving = 0.0
    for vertex, tier in placed.items():
        nbytes = vertex_bytes[vertex] * work.items
        readers = max(1, len(tree.children[vertex]))
        moving += work.costs.cache_s(tier, nbytes, True) + readers * work.costs.cache_s(tier, nbytes, False)
    computing += steps_s + moving
    if budget < min(2 * largest, distinct):
        return computing + reading + next_s
    lost = work.costs.read_ahead_loss
    beside = min(computing, reading)
    return max(computing + beside * lost / (1 - lost), reading) + next_s
