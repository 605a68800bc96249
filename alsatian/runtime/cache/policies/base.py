"""What a cache policy decides."""

from collections.abc import Sequence
from typing import ClassVar


class CachePolicy:
    """Which intermediates to keep when not all fit; this one remembers nothing and never evicts.

    The cache tells its policy what happens and asks it for a victim when room is needed.

    Attributes:
        name: as in ``conf/cache``.
        planned: the plan lists every intermediate and says when it is released, so that nothing is
            evicted; otherwise the plan lists features only and intermediates are kept as they come along.
        keeps: whether anything is kept at all.
        foresees: whether ``expect`` is of use, which costs the engine a walk over the plan.
    """

    name: ClassVar[str]
    planned: ClassVar[bool] = False
    keeps: ClassVar[bool] = True
    foresees: ClassVar[bool] = False

    def fresh(self) -> "CachePolicy":
        """A policy with the same settings and no history, for one search; settings have to be passed on."""
        return type(self)()

    def expect(self, needs: Sequence[Sequence[int]]) -> None:
        """A chunk starts; ``needs[i]`` is what its step ``i`` will look for in the cache.

        These are the vertices any of which would serve the step, the one that serves it best first; none if
        the step computes nothing. ``advance`` says when a step begins.
        """

    def advance(self) -> None:
        """The next step of what ``expect`` was told begins."""

    def admits(self, vertex: int, short: int, pinned: frozenset[int]) -> bool:
        """Whether ``vertex`` is worth the ``short`` bytes that have to be evicted for it, none of ``pinned``."""
        return True

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        """``vertex`` entered the cache with ``nbytes``.

        ``cost`` is the work to compute it again from its parent, in any unit that is the same for all
        vertices.
        """

    def used(self, vertex: int) -> None:
        """``vertex`` was read."""

    def removed(self, vertex: int) -> None:
        """``vertex`` left the cache."""

    def victim(self, pinned: frozenset[int]) -> int | None:
        """The vertex to evict next, none of ``pinned``; None if there is nothing to evict."""
        return None
