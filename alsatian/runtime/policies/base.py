"""What a cache policy decides."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar


class CachePolicy(ABC):
    """Which intermediates to keep when not all fit.

    The cache tells its policy what happens and asks it for a victim when room is needed.

    Attributes:
        name: as in ``conf/cache``.
        planned: the plan lists every intermediate and says when it is released, so that nothing is
            evicted; otherwise the plan lists features only and intermediates are kept as they come along.
        keeps: whether anything is kept at all.
    """

    name: ClassVar[str]
    planned: ClassVar[bool] = False
    keeps: ClassVar[bool] = True

    @abstractmethod
    def fresh(self) -> "CachePolicy":
        """A policy with the same settings and no history, for one search."""

    def expect(self, needs: Sequence[Sequence[int]]) -> None:  # noqa: B027
        """Learn the steps of a chunk that begins: for each the vertices of which any serves it, nearest first."""

    def advance(self) -> None:  # noqa: B027
        """The next of the expected steps begins."""

    @abstractmethod
    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        """``vertex``, which it takes ``cost`` to compute again, entered the cache with ``nbytes``."""

    @abstractmethod
    def used(self, vertex: int) -> None:
        """``vertex`` was read."""

    @abstractmethod
    def removed(self, vertex: int) -> None:
        """``vertex`` left the cache."""

    @abstractmethod
    def victim(self, pinned: frozenset[int]) -> int | None:
        """The vertex to evict next, none of ``pinned``; None if there is nothing to evict."""


class Stateless(CachePolicy):
    """A policy that never evicts and remembers nothing."""

    def fresh(self) -> "Stateless":
        return self

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        """Nothing to note."""

    def used(self, vertex: int) -> None:
        """Nothing to note."""

    def removed(self, vertex: int) -> None:
        """Nothing to note."""

    def victim(self, pinned: frozenset[int]) -> int | None:
        return None
