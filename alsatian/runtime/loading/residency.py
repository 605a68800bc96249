"""Which blocks are held on the device and in the host's memory, and which one is to be read next."""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from alsatian.blocks.candidate import Block
from alsatian.runtime.loading.block_source import Need
from alsatian.runtime.loading.foresight import NEVER, Foresight
from alsatian.runtime.loading.resident_blocks import Residents
from alsatian.runtime.loading.transfer import Loaded, Parameters
from alsatian.runtime.meter.meter import Meter


class Residency:
    """Decides for a loader, whatever its clock; reads and copies nothing.

    A budget of 0 keeps nothing. What does not fit is read for the step that needs it and is no resident block; a
    block that the current step uses stays until the step is over, since its memory would not be free any earlier.

    Blocks are read ahead in order, into room that is free or that holds blocks which the plan does not need any
    more. Blocks that are needed again give way to those of the next step only, and only if they are needed later:
    further ahead, reading early would mean reading more often.

    ``mark`` gives the point that the search's work on the device has come to.

    Attributes:
        change: guards all of it, and is told when a block has come or a step begins.
        device, host: the blocks of both tiers, at most ``budget`` and ``host_budget`` bytes.
        foresight: the plan's steps.
        fetching: blocks that are on their way.
    """

    def __init__(self, meter: Meter, mark: Callable[[], Any], budget: int, host_budget: int = 0) -> None:
        self._mark = mark
        self.change = threading.Condition()
        self.foresight = Foresight()
        on_device = partial(meter.holds, "resident_block_bytes")
        on_host = partial(meter.peak, "host_block_bytes")
        self.device = Residents(budget, self.foresight.next_use, self.foresight.go_back, on_device)
        self.host = Residents(host_budget, self.foresight.next_use, lambda _: None, on_host)
        self.fetching: set[str] = set()
        self._paused = False
        self._in_use: set[str] = set()
        self._lent: Counter[str] = Counter()
        self._unreadable: set[str] = set()

    def follow(self, steps: Iterable[Sequence[Need]], budget: int | None = None) -> bool:
        """Expect a plan whose steps need these blocks, with ``budget`` bytes on the device if given.

        Returns:
            Whether anything is kept; if not, ``steps`` are left alone.
        """
        if not (self.device.budget or self.host.budget):
            return False
        with self.change:
            self.foresight.follow(steps)
            if budget is not None:
                self.device.resize(budget)
            self._paused = False
        return True

    def to_bring(self) -> int:
        """Bytes of the plan's blocks that have to come; of all of them if they cannot stay together."""
        with self.change:
            sizes = self.foresight.sizes()
            stay = sum(sizes.values()) <= self.device.budget
            return sum(size for identity, size in sizes.items() if not (stay and identity in self.device))

    def advance(self) -> None:
        """The next step begins; the blocks of the last one are not in use any more."""
        with self.change:
            self._end_step()
            self._paused = False
            self.foresight.advance()
            self.change.notify_all()

    def end(self) -> None:
        """The plan is over; what is resident stays."""
        with self.change:
            self._end_step()
            self.foresight.follow(())
            self._unreadable.clear()

    def claim(self, need: Need) -> tuple[Loaded | None, list[Any] | None]:
        """Use a block, which is not on its way, in the current step.

        Returns:
            Its content if it is resident. Otherwise the block counts as being fetched, into room that waits for
            these marks; None if it is not to be held.
        """
        identity, size = need.identity, need.nbytes
        with self.change:
            self.foresight.used(identity)
            if self.foresight.follows:
                self._in_use.add(identity)
            if (loaded := self.device.get(identity)) is not None:
                return loaded, None
            self.fetching.add(identity)
            if self._paused:
                return None, None
            later = self.foresight.next_use(identity)
            return None, self.device.reserve(identity, size, later, self._staying, equal=True)

    def borrow(self, needs: Sequence[Need]) -> list[Loaded] | None:
        """Blocks that the current step uses beside what the plan says, if all of them are resident."""
        with self.change:
            found = [self.device.get(need.identity) for need in needs]
            if not all(found):
                return None
            if self.foresight.follows:
                self._in_use.update(need.identity for need in needs)
            return [loaded for loaded in found if loaded is not None]

    def holds(self, blocks: Iterable[Block]) -> bool:
        """Whether all of these can be on the device at once."""
        distinct = {block.identity: block.parameter_bytes for block in blocks}
        return sum(distinct.values()) <= self.device.budget

    def order(self) -> tuple[Need, list[Any]] | None:
        """The next block to read ahead, with room reserved and what that waits for; None if there is none now."""
        with self.change:
            if self._paused or (upcoming := self._upcoming()) is None:
                return None
            step, need = upcoming
            identity, size = need.identity, need.nbytes
            limit, equal = (step, False) if step <= self.foresight.now + 1 else (NEVER, True)
            room = self.device.reserve(identity, size, limit, self._staying, equal=equal)
            if room is not None:
                self.fetching.add(identity)
            return None if room is None else (need, room)

    @contextlib.contextmanager
    def lent(self, identities: Collection[str]) -> Iterator[dict[str, Parameters] | None]:
        """Blocks that another one is made of, which stay meanwhile; None unless all are resident. Waits for
        those that are on their way."""
        with self.change:
            self.change.wait_for(lambda: self.fetching.isdisjoint(identities))
            found = {i: loaded.parameters for i in identities if (loaded := self.device.get(i)) is not None}
            self._lent.update(found.keys())
        try:
            yield found if len(found) == len(identities) else None
        finally:
            with self.change:
                self._lent -= Counter(found.keys())
                self.change.notify_all()

    @property
    def _staying(self) -> Collection[str]:
        return self._in_use | self._lent.keys()

    def fetched(self, identity: str, loaded: Loaded | None, reserved: bool) -> None:
        """A block has come, or could not be had; ``reserved`` tells whether room was reserved for it."""
        with self.change:
            self.fetching.discard(identity)
            if reserved:
                self.device.fill(identity, loaded)
            if not reserved or loaded is None:
                # Reading ahead may have passed by a later use, since the block was on its way.
                self.foresight.go_back(identity)
            self.change.notify_all()

    def reserve_host(self, identity: str, nbytes: int) -> list[Any] | None:
        """Room for a copy in the host's memory, as :meth:`Residents.reserve` makes it."""
        with self.change:
            return self.host.reserve(identity, nbytes, self.foresight.next_use(identity), equal=True)

    def pass_over(self, identity: str) -> None:
        """Do not read a block ahead in this plan: it cannot be read."""
        with self.change:
            self._unreadable.add(identity)

    def pause(self) -> None:
        """Keep and read ahead nothing more before the next step."""
        with self.change:
            self._paused = True

    def shrink(self) -> int:
        """Drop all blocks on the device, where at most half as many bytes are held from now on; their bytes."""
        with self.change:
            freed = self.device.clear()
            if freed:
                self.device.budget = freed // 2
            return freed

    def clear(self) -> None:
        """Drop all blocks."""
        self.device.clear()
        self.host.clear()

    def _upcoming(self) -> tuple[int, Need] | None:
        """The next use of a block that is neither here nor on its way, and could be."""
        while (upcoming := self.foresight.upcoming()) is not None:
            step, need = upcoming
            identity, size = need.identity, need.nbytes
            known = identity in self.device or identity in self.fetching or identity in self._unreadable
            # The step may have used it already.
            if not known and size <= self.device.budget and self.foresight.next_use(identity) <= step:
                return upcoming
            self.foresight.pass_on()
        return None

    def _end_step(self) -> None:
        if self._in_use:
            self.device.mark(self._in_use, self._mark())
            self._in_use.clear()
