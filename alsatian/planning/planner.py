"""From a task tree, an order and the budgets to a plan."""

from collections.abc import Iterator, Sequence

from alsatian.data.dataset import Batch
from alsatian.planning.chunks import cut, releases
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Order, Shape, arrange
from alsatian.planning.plan import Infer, Plan, Release, Score, Step, Steps
from alsatian.tree import TaskTree


def make_plan(
    tree: TaskTree,
    models: Sequence[str],
    batches: Sequence[Batch],
    order: Order,
    *,
    planned_releases: bool,
    limits: Limits,
) -> Plan:
    """Plan one round: the features of ``models`` for ``batches``, then their scores.

    ``tree`` is compressed and holds just ``models``. With ``planned_releases`` every edge is computed
    once per chunk, and the data is cut into chunks if the cache content of a whole pass exceeds the
    budgets. Without, the plan lists only features, in order, and the cache policy decides at run time
    what is kept.

    A model is scored as soon as all its features are there, while blocks for the next are being read.

    Raises:
        BudgetError: not even one batch fits; names the smallest budget that would do.
    """
    shape = Shape.of(tree, models)
    arrangement = arrange(order, shape)
    sequence, note = arrangement.order, arrangement.note
    scored = [count > 0 for count in tree.models.sizes.tolist()]
    outputs = (vertex for vertex in sequence if scored[vertex])
    if not batches:  # all features are there already
        return Plan(tree, (), Steps((Score(vertex) for vertex in outputs), 1), (0,), note)
    if planned_releases:
        chunks, peaks = cut(batches, shape, sequence, limits)
        return Plan(tree, chunks, Steps(_planned(shape, sequence, scored), len(chunks)), peaks, note)
    most = limits.chunk_batches or len(batches)
    pieces = tuple(tuple(batches[i : i + most]) for i in range(0, len(batches), most))
    features = (step for vertex in outputs for step in (Infer(vertex, 0), Score(vertex)))
    return Plan(tree, pieces, Steps(features, len(pieces)), None, note)


def _planned(shape: Shape, sequence: Sequence[int], scored: Sequence[bool]) -> Iterator[Step]:
    """One chunk: every vertex once, each released behind its last reader."""
    for vertex, done in releases(shape, sequence):
        yield Infer(vertex, 0)
        if scored[vertex]:
            yield Score(vertex)
        # A vertex without children was never in the cache: its features went out as computed.
        yield from (Release(v, 0) for v in done if shape.children[v])
