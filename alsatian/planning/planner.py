"""From a task tree, an order and the budgets to a plan."""

from collections.abc import Sequence

from alsatian.data.dataset import Batch
from alsatian.planning.chunks import cut, releases
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Order, Shape
from alsatian.planning.plan import Infer, Plan, Release, Score, Step
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
    sequence = order(shape)
    if not batches:  # all features are there already
        return Plan(tree, (), tuple(Score(vertex) for vertex in sequence if tree.models[vertex]), (0,))
    if planned_releases:
        chunks, peaks = cut(batches, shape, sequence, limits)
        return Plan(tree, chunks, tuple(_planned(tree, shape, sequence, len(chunks))), peaks)
    most = limits.chunk_batches or len(batches)
    pieces = tuple(tuple(batches[i : i + most]) for i in range(0, len(batches), most))
    return Plan(tree, pieces, tuple(_listed(tree, sequence, len(pieces))), None)


def _planned(tree: TaskTree, shape: Shape, sequence: Sequence[int], chunks: int) -> list[Step]:
    """Every vertex once per chunk, each released behind its last reader."""
    steps: list[Step] = []
    for chunk in range(chunks):
        for vertex, done in releases(shape, sequence):
            steps.append(Infer(vertex, chunk))
            if tree.models[vertex] and chunk == chunks - 1:
                steps.append(Score(vertex))
            # A vertex without children was never in the cache: its features went out as computed.
            steps.extend(Release(v, chunk) for v in done if shape.children[v])
    return steps


def _listed(tree: TaskTree, sequence: Sequence[int], chunks: int) -> list[Step]:
    """Only the features."""
    outputs = [vertex for vertex in sequence if tree.models[vertex]]
    steps: list[Step] = []
    for chunk in range(chunks):
        for vertex in outputs:
            steps.append(Infer(vertex, chunk))
            if chunk == chunks - 1:
                steps.append(Score(vertex))
    return steps
