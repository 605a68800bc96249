"""The blocks that one tier holds, within a budget that nothing can exceed."""

from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from alsatian.runtime.loading.transfer import Loaded


@dataclass
class Resident:
    """A block of the tier: its size in bytes, its content once it has come, and when it was last in use.

    ``last_use`` is a mark of the transfer; a block's memory is free once the device has passed it.
    """

    nbytes: int
    content: Loaded | None = None
    last_use: Any = None


@dataclass(eq=False)
class Residents:
    """At most ``budget`` bytes of blocks. Room is reserved before anything is allocated.

    ``next_use`` tells when a block is needed next. Those needed last go first; of those that are never
    needed again, the least recently used. ``evicted`` is told their names, ``note`` the bytes held.

    Not thread-safe; the loader's lock guards it.
    """

    budget: int
    next_use: Callable[[str], float]
    evicted: Callable[[str], None]
    note: Callable[[int], None]
    used: int = field(default=0, init=False)  # bytes held or reserved
    # The least recently used first.
    _blocks: OrderedDict[str, Resident] = field(default_factory=OrderedDict, init=False)

    def __contains__(self, identity: str) -> bool:
        return identity in self._blocks

    def get(self, identity: str) -> Loaded | None:
        """A block's content, for use now."""
        block = self._blocks.get(identity)
        if block is None or block.content is None:
            return None
        self._blocks.move_to_end(identity)
        return block.content

    def reserve(
        self, identity: str, nbytes: int, needed: float, stay: Collection[str] = (), *, equal: bool
    ) -> list[Any] | None:
        """Make room for a block that is ``needed`` then; None if it may not be held.

        Only blocks that are needed later go (with ``equal``, or as late), and none that ``stay``. Nothing
        goes in vain.

        Returns:
            The marks that the device has to pass before the room is free.
        """
        if self.budget == 0 or nbytes > self.budget:
            return None
        missing = self.used + nbytes - self.budget
        victims: list[str] = []
        if missing > 0:
            later = [
                (self.next_use(name), name, block.nbytes)
                for name, block in self._blocks.items()
                if block.content is not None and name not in stay
            ]
            later.sort(key=lambda item: -item[0])  # stable: equally late ones stay in order of use
            for use, name, size in later:
                if missing <= 0 or use < needed or (use == needed and not equal):
                    break
                victims.append(name)
                missing -= size
            if missing > 0:
                return None
        marks = [self._remove(name).last_use for name in victims]
        self._blocks[identity] = Resident(nbytes)
        self.used += nbytes
        self.note(self.used)
        return [mark for mark in marks if mark is not None]

    def resize(self, budget: int) -> None:
        """Hold at most ``budget`` bytes from now on; what is needed last goes first."""
        self.budget = budget
        by_use = sorted(self._blocks, key=self.next_use, reverse=True)  # stable: of equals the least recently used
        for name in by_use:
            if self.used <= budget:
                break
            if self._blocks[name].content is not None:
                self._remove(name)

    def fill(self, identity: str, content: Loaded | None) -> None:
        """The content of a block that room is reserved for; None gives the room back, since it has not come."""
        if content is None:
            self.used -= self._blocks.pop(identity).nbytes
            self.note(self.used)
        else:
            self._blocks[identity].content = content
            self._blocks.move_to_end(identity)

    def mark(self, identities: Collection[str], mark: Any) -> None:
        """Note when blocks were last in use."""
        for identity in identities:
            if identity in self._blocks:
                self._blocks[identity].last_use = mark

    def clear(self) -> int:
        """Drop all blocks that have come and return their bytes."""
        names = [name for name, block in self._blocks.items() if block.content is not None]
        return sum(self._remove(name).nbytes for name in names)

    def _remove(self, identity: str) -> Resident:
        block = self._blocks.pop(identity)
        self.used -= block.nbytes
        self.note(self.used)
        self.evicted(identity)
        return block
