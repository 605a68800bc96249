"""The cache of intermediates, whose content never exceeds its budget."""

from alsatian.blocks.segment import State
from alsatian.errors import BudgetError
from alsatian.runtime.meter import Meter
from alsatian.runtime.policies.base import CachePolicy


class Cache:
    """Intermediates of one chunk by vertex, batch by batch.

    Space is reserved for a whole vertex before its first batch is stored, so that the budget holds at
    every moment. ``budget`` is in bytes, None for no limit.
    """

    def __init__(self, policy: CachePolicy, budget: int | None, meter: Meter) -> None:
        self.policy = policy
        self._budget = budget
        self._meter = meter
        self._states: dict[int, list[State]] = {}
        self._reserved: dict[int, int] = {}
        self._stored: dict[int, int] = {}
        self._used = 0

    def __contains__(self, vertex: int) -> bool:
        return vertex in self._states

    def reserve(self, vertex: int, nbytes: int, pinned: frozenset[int], cost: float = 1.0) -> bool:
        """Make room for ``nbytes`` of ``vertex``, evicting by policy but nothing ``pinned``.

        ``cost`` is the work to compute the vertex again from its parent, in any unit, for policies that look
        at it. Returns whether it may be stored. Raises :class:`BudgetError` if a planned intermediate does
        not fit, which a correct plan never causes.
        """
        if not self.policy.keeps:
            return False
        if self._budget is not None:
            if nbytes > self._budget and not self.policy.planned:
                return False
            short = self._used + nbytes - self._budget
            if short > 0 and not self.policy.admits(vertex, short, pinned):
                return False
            while self._used + nbytes > self._budget:
                victim = self.policy.victim(pinned)
                if victim is None:
                    if self.policy.planned:
                        raise BudgetError(
                            f"the plan holds {self._used + nbytes} bytes, over the cache budget of {self._budget}"
                        )
                    return False
                self._meter.counters["evictions"] += 1
                self.release(victim)
        self._states[vertex] = []
        self._reserved[vertex] = nbytes
        self._stored[vertex] = 0
        self._used += nbytes
        self._meter.peak("cache_bytes", self._used)
        self.policy.inserted(vertex, nbytes, cost)
        return True

    def put(self, vertex: int, state: State) -> None:
        """Store the next batch of ``vertex``.

        Raises:
            BudgetError: it is larger than what was reserved.
        """
        self._stored[vertex] += sum(t.untyped_storage().nbytes() for t in state)
        if self._stored[vertex] > self._reserved[vertex]:
            raise BudgetError(
                f"an intermediate takes {self._stored[vertex]} bytes where {self._reserved[vertex]} were planned"
            )
        self._states[vertex].append(state)

    def get(self, vertex: int) -> list[State]:
        """The states of ``vertex``, one a batch."""
        self.policy.used(vertex)
        return self._states[vertex]

    def release(self, vertex: int) -> None:
        """Drop ``vertex``."""
        del self._states[vertex], self._stored[vertex]
        self._used -= self._reserved.pop(vertex)
        self.policy.removed(vertex)

    def clear(self) -> None:
        """Drop everything."""
        for vertex in list(self._states):
            self.release(vertex)

    @property
    def used(self) -> int:
        """Bytes held or reserved."""
        return self._used
