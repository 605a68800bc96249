"""Cutting a round's data into chunks of whole batches whose intermediates fit the cache."""

from collections.abc import Callable, Collection, Iterable, Sequence

from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError
from alsatian.planning.computation import NONE, InferenceStep
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Shape


def cache_needs(shape: Shape, steps: Iterable[InferenceStep]) -> list[tuple[int, int]]:
    """Contents that no other content over all ``steps`` exceeds in both of its parts.

    The parts are what grows with the items of a chunk and, for fused vertices, with those of a batch; both in
    the unit of ``shape.size``.
    """
    size, content = shape.size, 0
    most: dict[int, int] = {}  # the largest first part by the second
    for step in steps:
        content += sum(size[v] for v in step.stored)
        passing = sum(size[v] for v in step.fused)
        most[passing] = max(most.get(passing, 0), content)
        content -= sum(size[v] for v in step.done)
    needs: list[tuple[int, int]] = []
    for passing, content in sorted(most.items(), reverse=True):
        if not needs or content > needs[-1][0]:
            needs.append((content, passing))
    return needs


def place(
    shape: Shape,
    steps: Iterable[InferenceStep],
    items: int,
    batch: int,
    budgets: Sequence[int | None],
    spilled: Collection[int] = NONE,
) -> tuple[tuple[int, ...], dict[int, int]] | None:
    """Largest content of each tier in bytes, and the tier of each stored vertex; None if a vertex fits nowhere.

    For a chunk of ``items`` in batches of up to ``batch``. The rule is the cache's: one batch of every fused vertex
    is in the fastest tier while its step runs; a stored vertex goes, whole, to the first tier that has room for it,
    and stays there until it is released; one that is ``spilled`` looks at the fastest tier last. ``shape.kept``
    does not count: features are no part of the cache.
    """
    used, peaks, tier_of = [0] * len(budgets), [0] * len(budgets), {}
    for step in steps:
        passing = sum(shape.size[v] for v in step.fused) * batch
        if budgets[0] is not None and used[0] + passing > budgets[0]:
            return None
        used[0] += passing
        for vertex in step.stored:
            size = shape.size[vertex] * items
            tiers = tier_order(len(budgets), vertex in spilled)
            tier = next((i for i in tiers if (b := budgets[i]) is None or used[i] + size <= b), None)
            if tier is None:
                return None
            tier_of[vertex] = tier
            used[tier] += size
        # Nothing leaves while a step runs, so its end is where most is held.
        peaks = [max(pair) for pair in zip(peaks, used, strict=True)]
        used[0] -= passing
        for gone in step.done:
            used[tier_of[gone]] -= shape.size[gone] * items
    return tuple(peaks), tier_of


def tier_order(tiers: int, spilled: bool) -> Sequence[int]:
    """In which order a vertex looks for room in so many tiers."""
    return [*range(1, tiers), 0] if spilled else range(tiers)


def cut(
    batches: Sequence[Batch],
    shape: Shape,
    steps: Callable[[], Iterable[InferenceStep]],
    limits: Limits,
    spilled: Collection[int] = NONE,
) -> tuple[tuple[tuple[Batch, ...], ...], tuple[int, ...]]:
    """``batches`` in as few chunks as the budgets allow for ``steps``, and the largest content of each tier.

    Raises:
        BudgetError: not even one batch fits; names the smallest budget that would do.
    """
    needs = cache_needs(shape, steps())
    fastest, *slower = limits.cache
    known: dict[tuple[int, int], tuple[int, ...] | None] = {}

    def need(items: int, batch: int) -> int:
        return max(content * items + passing * batch for content, passing in needs)

    def peaks(chunk: Sequence[Batch]) -> tuple[int, ...] | None:
        items, batch = _items(chunk), max(batch.items for batch in chunk)
        if not spilled and (fastest is None or need(items, batch) <= fastest):
            return (need(items, batch), *(0 for _ in slower))
        if (items, batch) not in known:
            placed = None
            if slower or spilled:
                placed = place(shape, steps(), items, batch, limits.cache, spilled)
            known[items, batch] = placed[0] if placed else None
        return known[items, batch]

    if any(peaks([batch]) is None for batch in batches):
        largest = max(batch.items for batch in batches)
        least = need(largest, largest)
        raise BudgetError(
            f"a cache budget of {limits.cache[0]} bytes is below one batch: {largest} items need "
            f"{least} bytes; set cache.budget={least} or more, or a smaller batch_size"
        )
    most = limits.chunk_batches or len(batches)
    capacity = _items(batches)
    per_item = max(content for content, _ in needs)
    if per_item and None not in limits.cache:
        # No chunk is larger. With one tier it is what fits; with more a vertex may not find a gap.
        capacity = min(capacity, sum(budget or 0 for budget in limits.cache) // per_item)
    while True:
        chunks = _groups(batches, capacity, most)
        contents = [content for chunk in chunks if (content := peaks(chunk)) is not None]
        if len(contents) == len(chunks):
            return chunks, tuple(max(column) for column in zip(*contents, strict=True))
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
