"""From a task tree, an order and the budgets to a plan."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial

from alsatian.data.dataset import Batch
from alsatian.planning.chunks import cut
from alsatian.planning.computation import NONE, InferenceStep, inference_steps
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Arrangement, Order, Shape, arrange
from alsatian.planning.plan import Infer, Plan, Release, Score, Step, Steps
from alsatian.tree import TaskTree


def make_plan(
    tree: TaskTree,
    models: Sequence[str],
    batches: Sequence[Batch],
    order: Order | Arrangement,
    *,
    planned_releases: bool,
    limits: Limits,
    fused: frozenset[int] = NONE,
    recomputed: frozenset[int] = NONE,
    spilled: frozenset[int] = NONE,
) -> Plan:
    """Plan one round: the features of ``models`` for ``batches``, then their scores.

    ``tree`` is compressed and holds just ``models``. With ``planned_releases`` every edge is computed
    once per chunk, and the data is cut into chunks if the cache content of a whole chunk exceeds the
    budgets. Without, the plan lists only features, in order, and the cache policy decides at run time
    what is kept.

    ``fused`` and ``recomputed`` vertices (see :mod:`.computation`) are not kept: both are for planned
    releases, and for vertices with children. ``spilled`` ones are kept in a lower tier even if there is room above.

    A model is scored as soon as all its features are there, while blocks for the next are being read.

    Raises:
        BudgetError: not even one batch fits; names the smallest budget that would do.
        ValueError: a vertex cannot be fused or recomputed.
    """
    if fused & recomputed or ((fused or recomputed) and not planned_releases):
        raise ValueError("a vertex is fused or recomputed, under planned releases")
    if childless := [v for v in fused | recomputed if not tree.children[v]]:
        raise ValueError(f"vertex {min(childless)} has no children; it cannot be fused or recomputed")
    shape = Shape.of(tree, models)
    arrangement = arrange(order, shape)
    sequence, note = arrangement.order, arrangement.note
    scored = [count > 0 for count in tree.models.sizes.tolist()]
    outputs = (vertex for vertex in sequence if scored[vertex])
    if not batches:  # all features are there already
        return Plan(tree, (), Steps((Score(vertex) for vertex in outputs), 1), (0,), note)
    if planned_releases:
        steps_of_chunk = partial(inference_steps, shape, sequence, fused, recomputed)
        chunks, peaks = cut(batches, shape, steps_of_chunk, limits, spilled)
        steps = Steps(_planned(shape, steps_of_chunk(), scored, fused | recomputed), len(chunks))
        return Plan(tree, chunks, steps, peaks, note, fused, recomputed, spilled)
    most = limits.chunk_batches or len(batches)
    pieces = tuple(tuple(batches[i : i + most]) for i in range(0, len(batches), most))
    features = (step for vertex in outputs for step in (Infer(vertex, 0), Score(vertex)))
    return Plan(tree, pieces, Steps(features, len(pieces)), None, note)


def _planned(
    shape: Shape, order: Iterable[InferenceStep], scored: Sequence[bool], uncached: Collection[int]
) -> Iterator[Step]:
    """One chunk: its inference steps, each followed by the scores it allows and by releases."""
    again = set[int]()  # computed before
    for step in order:
        yield Infer(step.target, 0)
        for vertex in step.computed:
            if scored[vertex] and vertex not in again:
                yield Score(vertex)
                if vertex in uncached:
                    again.add(vertex)
        # A vertex without children was never in the cache: its features went out as computed.
        yield from (Release(v, 0) for v in step.done if shape.children[v])
