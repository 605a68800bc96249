"""From a task tree, an order and a budget to a plan."""

from collections.abc import Sequence

from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError
from alsatian.planning.orders.base import Order, Shape
from alsatian.planning.plan import Infer, Plan, Release, Score, Step
from alsatian.tree import NO_VERTEX, TaskTree


def min_cache_size(shape: Shape, order: Sequence[int]) -> int:
    """C_min of ``order``: the largest cache content over all its steps, in the unit of ``shape.size``.

    A vertex enters when it is computed. It leaves when its last child has been computed; one without
    children leaves once it is scored, before the next vertex enters.
    """
    waiting = [len(children) for children in shape.children]
    content = peak = 0
    for vertex in order:
        content += shape.size[vertex]
        peak = max(peak, content)
        for done in _finished(shape, waiting, vertex):
            content -= shape.size[done]
    return peak


def make_plan(
    tree: TaskTree,
    models: Sequence[str],
    batches: Sequence[Batch],
    order: Order,
    *,
    planned_releases: bool,
    budget: int | None,
) -> Plan:
    """Plan one round: the features of ``models`` for ``batches``, then their scores.

    ``tree`` is compressed and holds just ``models``. With ``planned_releases`` every edge is computed
    once per chunk, and the data is cut into chunks if the cache content of a whole pass exceeds
    ``budget`` (bytes, None for no limit). Without, the plan lists only features, in order, and the cache
    policy decides at run time what is kept.

    A model is scored as soon as all its features are there, while blocks for the next are being read.

    Raises:
        BudgetError: not even one batch fits; names the smallest budget that would do.
    """
    shape = Shape.of(tree, models)
    sequence = order(shape)
    steps: list[Step] = []
    peak: int | None = None
    if not batches:  # all features are there already
        return Plan(tree, (), tuple(Score(vertex) for vertex in sequence if tree.models[vertex]), 0)
    if planned_releases:
        need = min_cache_size(shape, sequence)
        chunks = _chunks(batches, need, budget)
        peak = need * max((sum(b.items for b in chunk) for chunk in chunks), default=0)
        for chunk in range(len(chunks)):
            waiting = [len(children) for children in shape.children]
            for vertex in sequence:
                steps.append(Infer(vertex, chunk))
                if tree.models[vertex] and chunk == len(chunks) - 1:
                    steps.append(Score(vertex))
                # A vertex without children was never in the cache: its features went out as computed.
                done = [v for v in _finished(shape, waiting, vertex) if shape.children[v]]
                steps.extend(Release(v, chunk) for v in done)
    else:
        chunks = (tuple(batches),)
        for vertex in (v for v in sequence if tree.models[v]):
            steps.extend((Infer(vertex, 0), Score(vertex)))
    return Plan(tree, chunks, tuple(steps), peak)


def _finished(shape: Shape, waiting: list[int], vertex: int) -> list[int]:
    """Vertices that nothing reads after ``vertex`` was computed. Counts down ``waiting`` children."""
    done = [] if shape.children[vertex] else [vertex]
    parent = shape.parent[vertex]
    if parent != NO_VERTEX:
        waiting[parent] -= 1
        if waiting[parent] == 0:
            done.append(parent)
    return done


def _chunks(batches: Sequence[Batch], need: int, budget: int | None) -> tuple[tuple[Batch, ...], ...]:
    """``batches`` in groups of whole batches whose items, times ``need`` bytes each, fit ``budget``."""
    if budget is None or need == 0:
        return (tuple(batches),)
    largest = max((b.items for b in batches), default=0)
    if need * largest > budget:
        raise BudgetError(
            f"a cache budget of {budget} bytes is below one batch: {largest} items need {need * largest} bytes; "
            f"set cache.budget={need * largest} or more, or a smaller batch_size"
        )
    groups: list[list[Batch]] = [[]]
    for batch in batches:
        if need * (sum(b.items for b in groups[-1]) + batch.items) > budget:
            groups.append([])
        groups[-1].append(batch)
    return tuple(tuple(group) for group in groups)
