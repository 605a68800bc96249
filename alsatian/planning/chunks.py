"""Cutting a round's data into chunks of whole batches whose intermediates fit the cache."""

from collections.abc import Iterator, Sequence

from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Shape
from alsatian.tree import NO_VERTEX


def min_cache_size(shape: Shape, order: Sequence[int]) -> int:
    """C_min of ``order``: the largest cache content over all its steps, in the unit of ``shape.size``.

    A vertex enters when it is computed. It leaves when its last child has been computed; one without
    children leaves once it is scored, before the next vertex enters. What ``shape.kept`` says stays.
    """
    content = peak = 0
    for vertex, done in releases(shape, order):
        content += shape.entering(vertex)
        peak = max(peak, content)
        content -= sum(shape.size[v] for v in done)
    return peak


def releases(shape: Shape, order: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
    """Each vertex of ``order`` with the vertices that nothing reads after it was computed."""
    waiting = [len(children) for children in shape.children]
    for vertex in order:
        done = [] if shape.children[vertex] else [vertex]
        parent = shape.parent[vertex]
        if parent != NO_VERTEX:
            waiting[parent] -= 1
            if waiting[parent] == 0:
                done.append(parent)
        yield vertex, done


def tier_peaks(
    shape: Shape, order: Sequence[int], items: int, budgets: Sequence[int | None]
) -> tuple[int, ...] | None:
    """Largest content of each tier for a chunk of ``items``, in bytes; None if a vertex fits nowhere.

    The rule is the cache's: a vertex goes, whole, to the first tier that has room for it, and stays there
    until it is released. ``shape.kept`` does not count: features are no part of the cache.
    """
    used, peaks, tier_of = [0] * len(budgets), [0] * len(budgets), {}
    for vertex, done in releases(shape, order):
        size = shape.size[vertex] * items
        if size:
            tier = next((i for i, b in enumerate(budgets) if b is None or used[i] + size <= b), None)
            if tier is None:
                return None
            tier_of[vertex] = tier
            used[tier] += size
            peaks[tier] = max(peaks[tier], used[tier])
        for gone in done:
            if shape.size[gone]:
                used[tier_of[gone]] -= shape.size[gone] * items
    return tuple(peaks)


def cut(
    batches: Sequence[Batch], shape: Shape, order: Sequence[int], limits: Limits
) -> tuple[tuple[tuple[Batch, ...], ...], tuple[int, ...]]:
    """``batches`` in as few chunks as the budgets allow, and the largest content of each tier.

    Raises:
        BudgetError: not even one batch fits; names the smallest budget that would do.
    """
    need = min_cache_size(shape, order)
    fastest, *slower = limits.cache
    known: dict[int, tuple[int, ...] | None] = {}

    def peaks(chunk: Sequence[Batch]) -> tuple[int, ...] | None:
        items = _items(chunk)
        if fastest is None or need * items <= fastest:
            return (need * items, *(0 for _ in slower))
        if items not in known:
            known[items] = tier_peaks(shape, order, items, limits.cache) if slower else None
        return known[items]

    if any(peaks([batch]) is None for batch in batches):
        largest = max(batch.items for batch in batches)
        raise BudgetError(
            f"a cache budget of {limits.cache[0]} bytes is below one batch: {largest} items need "
            f"{need * largest} bytes; set cache.budget={need * largest} or more, or a smaller batch_size"
        )
    most = limits.chunk_batches or len(batches)
    capacity = _items(batches)
    if need and None not in limits.cache:
        # No chunk is larger. With one tier it is what fits; with more a vertex may not find a gap.
        capacity = min(capacity, sum(budget or 0 for budget in limits.cache) // need)
    while True:
        chunks = _groups(batches, capacity, most)
        found = [found for chunk in chunks if (found := peaks(chunk)) is not None]
        if len(found) == len(chunks):
            return chunks, tuple(max(column) for column in zip(*found, strict=True))
        capacity = max(_items(chunk) for chunk in chunks) - 1  # ends, at single batches, which fit


def _groups(batches: Sequence[Batch], capacity: int, most: int) -> tuple[tuple[Batch, ...], ...]:
    """``batches`` in groups of at most ``most`` batches and ``capacity`` items, but at least one batch."""
    groups: list[list[Batch]] = [[]]
    for batch in batches:
        if groups[-1] and (len(groups[-1]) == most or _items(groups[-1]) + batch.items > capacity):
            groups.append([])
        groups[-1].append(batch)
    return tuple(tuple(group) for group in groups)


def _items(batches: Sequence[Batch]) -> int:
    return sum(batch.items for batch in batches)
