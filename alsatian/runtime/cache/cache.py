"""The cache of intermediates, whose content never exceeds the budget of any tier."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from alsatian.blocks.segment import State
from alsatian.errors import BudgetError, StrategyError
from alsatian.planning.chunks import tier_order
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.tiers import DeviceTier, Fetch, Tier
from alsatian.runtime.meter.meter import Meter


@dataclass
class _Entry:
    """One vertex: the level of its tier, bytes reserved and stored, and a handle for each batch."""

    level: int
    reserved: int
    cost: float
    stored: int = 0
    handles: list[Any] = field(default_factory=list)


class Cache:
    """Intermediates of one chunk by vertex, batch by batch.

    Space is reserved for a whole vertex before its first batch is stored, so that the budgets hold at every
    moment. ``budget`` is that of the device's memory in bytes, None for no limit; ``lower`` are further
    tiers, fastest first. What a policy evicts from one tier moves to the next that has room; planned
    intermediates, which are never evicted, go to the first tier that has room. An intermediate is read from
    where it lies.
    """

    def __init__(self, policy: CachePolicy, budget: int | None, meter: Meter, lower: Sequence[Tier] = ()) -> None:
        self.policy = policy
        self._tiers: list[Tier] = [DeviceTier(budget), *lower]
        self._policies = [policy, *(policy.fresh() for _ in lower)]
        self._meter = meter
        self._entries: dict[int, _Entry] = {}

    def __contains__(self, vertex: object) -> bool:
        return vertex in self._entries

    def expect(self, needs: Sequence[Sequence[int]]) -> None:
        """Tell the policies what will be needed; see :meth:`CachePolicy.expect`."""
        for policy in self._policies:
            policy.expect(needs)

    def advance(self) -> None:
        """Tell the policies that the next step of what is expected begins."""
        for policy in self._policies:
            policy.advance()

    def reserve(
        self, vertex: int, nbytes: int, pinned: frozenset[int], cost: float = 1.0, spilled: bool = False
    ) -> bool:
        """Make room for ``nbytes`` of ``vertex``, evicting by policy but nothing ``pinned``.

        ``cost`` is the work to compute it again from its parent, in any unit; what is ``spilled`` looks at the
        device's memory last. Returns whether it may be
        stored. Raises :class:`BudgetError` if a planned intermediate does not fit, which a correct plan
        never causes.
        """
        if not self.policy.keeps:
            return False
        levels = tier_order(len(self._tiers), spilled)
        level = next((i for i in levels if self._make_room(i, vertex, nbytes, pinned)), None)
        if level is None:
            if self.policy.planned:
                held = ", ".join(f"{t.used} of {t.budget} bytes on {t.name}" for t in self._tiers)
                raise BudgetError(f"the plan needs {nbytes} bytes where the cache holds {held}")
            return False
        self._entries[vertex] = _Entry(level, nbytes, cost)
        self._enter(vertex, level)
        return True

    @contextlib.contextmanager
    def passing(self, nbytes: int) -> Iterator[None]:
        """Count ``nbytes`` in the device's memory for as long as it lasts: what a fused step holds of a batch.

        Raises:
            BudgetError: there is no room, which a correct plan never causes.
        """
        tier = self._tiers[0]
        if not tier.has_room(nbytes):
            raise BudgetError(
                f"the plan passes on {nbytes} bytes where the cache holds {tier.used} of {tier.budget}"
            )
        tier.used += nbytes
        self._note(0)
        try:
            yield
        finally:
            tier.used -= nbytes
            self._note(0)

    def put(self, vertex: int, state: State) -> None:
        """Store the next batch of ``vertex``.

        Raises:
            BudgetError: it is larger than what was reserved.
        """
        entry = self._entries[vertex]
        size = sum(t.untyped_storage().nbytes() for t in state)
        if entry.stored + size > entry.reserved:
            raise BudgetError(
                f"an intermediate takes {entry.stored + size} bytes where {entry.reserved} were planned"
            )
        entry.stored += size
        entry.handles.append(self._store(entry.level, state, size))

    def read(self, vertex: int) -> Iterator[State]:
        """The states of ``vertex``, one a batch. The next one is on its way while one is in use."""
        entry = self._entries[vertex]
        self._policies[entry.level].used(vertex)
        if entry.level:
            self._meter.count(f"cache_{self._tiers[entry.level].name}_hits")
            self._meter.count(f"cache_{self._tiers[entry.level].name}_bytes_read", entry.stored)
        return self._states(entry)

    def release(self, vertex: int) -> None:
        """Drop ``vertex``."""
        entry = self._entries.pop(vertex)
        tier = self._tiers[entry.level]
        for handle in entry.handles:
            tier.drop(handle)
        tier.used -= entry.reserved
        self._note(entry.level)
        self._policies[entry.level].removed(vertex)

    def clear(self) -> None:
        """Drop everything."""
        for vertex in list(self._entries):
            self.release(vertex)

    def resize(self, budget: int) -> None:
        """Hold at most ``budget`` bytes in the device's memory from now on; for an empty cache."""
        self._tiers[0].budget = budget

    @property
    def capacity(self) -> int | None:
        """Bytes that the device's memory holds at most; None for no limit."""
        return self._tiers[0].budget

    @property
    def used(self) -> int:
        """Bytes held or reserved in all tiers."""
        return sum(tier.used for tier in self._tiers)

    def _make_room(self, level: int, vertex: int, nbytes: int, pinned: frozenset[int]) -> bool:
        """Evict from the tier at ``level`` until ``nbytes`` of ``vertex`` fit; False if that may not be."""
        tier, policy = self._tiers[level], self._policies[level]
        short = 0 if tier.budget is None else tier.used + nbytes - tier.budget
        if tier.budget is not None and nbytes > tier.budget:
            return False
        if short > 0 and not policy.admits(vertex, short, pinned):
            return False
        while not tier.has_room(nbytes):
            victim = policy.victim(pinned)
            if victim is None:
                return False
            entry = self._entries.get(victim)
            if entry is None or entry.level != level or victim in pinned:
                why = "is not there" if entry is None or entry.level != level else "is in use"
                raise StrategyError(f"cache={policy.name}: evicts vertex {victim!r}, which {why}")
            self._evict(victim, pinned)
        return True

    def _evict(self, vertex: int, pinned: frozenset[int]) -> None:
        """Move ``vertex`` to the next tier that takes it, or drop it."""
        entry = self._entries[vertex]
        above = entry.level
        level = next(
            (i for i in range(above + 1, len(self._tiers)) if self._make_room(i, vertex, entry.reserved, pinned)),
            None,
        )
        if level is None:
            self._meter.counters["evictions"] += 1
            self.release(vertex)
            return
        handles, entry.handles = entry.handles, []
        for handle in handles:
            state = self._tiers[above].fetch(handle)()
            entry.handles.append(self._store(level, state, sum(t.untyped_storage().nbytes() for t in state)))
            self._tiers[above].drop(handle)
        self._tiers[above].used -= entry.reserved
        self._note(above)
        self._policies[above].removed(vertex)
        entry.level = level
        self._enter(vertex, level)

    def _store(self, level: int, state: State, size: int) -> Any:
        if level:
            self._meter.count(f"cache_{self._tiers[level].name}_bytes_written", size)
        return self._tiers[level].store(state)

    def _enter(self, vertex: int, level: int) -> None:
        tier, entry = self._tiers[level], self._entries[vertex]
        tier.used += entry.reserved
        self._note(level)
        self._policies[level].inserted(vertex, entry.reserved, entry.cost)

    def _note(self, level: int) -> None:
        tier = self._tiers[level]
        if level:
            self._meter.peak(f"cache_{tier.name}_bytes", tier.used)
        else:
            self._meter.holds("cache_bytes", tier.used)

    def _states(self, entry: _Entry) -> Iterator[State]:
        tier = self._tiers[entry.level]
        coming: Fetch | None = None
        for i in range(len(entry.handles)):
            fetch = coming or tier.fetch(entry.handles[i])
            coming = tier.fetch(entry.handles[i + 1]) if i + 1 < len(entry.handles) else None
            yield fetch()
