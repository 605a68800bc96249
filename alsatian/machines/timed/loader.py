"""Loading blocks on a virtual clock, by the rules of the real loader."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alsatian.blocks.candidate import Block
from alsatian.budgets import BlockBudgets
from alsatian.costs.model import CostModel
from alsatian.machines.timed.clock import VirtualClock
from alsatian.machines.timed.recent import Recent
from alsatian.runtime.loading.block_source import Need, in_parts
from alsatian.runtime.loading.loader import Loader, Work, nothing_to_do
from alsatian.runtime.loading.residency import Residency
from alsatian.runtime.loading.settings import LANES, WORTH_BYTES
from alsatian.runtime.loading.transfer import Loaded, Parameters
from alsatian.runtime.meter.meter import Meter
from alsatian.store.parts import NO_PARTS

NOTHING = Loaded([])
"""What a block holds here."""


@dataclass
class _UnderWay:
    """A block that a reading thread is bringing, and when it is here."""

    identity: str
    end: float


class TimedLoader(Loader):
    """:class:`Residency` decides which block is read when, kept and dropped; what takes time is not done.

    The reading threads are time lines of their own. Between two moments at which the search changes something they
    are given the time that has passed. They take turns at the store, which is shared while the search reads, too.

    ``file_bytes`` are the sizes of block files by identity, where they differ from those of the parameters.
    Copies of blocks on a fast local path take no time to write. If the storage regime has a page cache, the
    hardware's ``page_cache_bytes`` of the files that were read need not be waited for again; with ``model_files``
    every model has files of its own, so that another one's do not help, and loads as whole models do.
    """

    def __init__(
        self,
        costs: CostModel,
        clock: VirtualClock,
        meter: Meter,
        budgets: BlockBudgets,
        *,
        ahead: bool = False,
        model_files: bool = False,
        file_bytes: Mapping[str, int] | None = None,
    ) -> None:
        self._residency = Residency(meter, clock.mark, budgets.device, budgets.host)
        self._parts = NO_PARTS if model_files else costs.parts
        self._meter = meter
        self._costs = costs.of_whole_models() if model_files else costs
        self._clock = clock
        self._reads_ahead = ahead
        self._file_bytes = file_bytes or {}
        self._copies = Recent(budgets.ssd)
        self._model_files = model_files
        self._pages = Recent((costs.hardware.page_cache_bytes or math.inf) if costs.page_cache else 0)
        self._changed_at = 0.0
        self._turn_free_at = 0.0  # when the last block that was read ahead had come from the store
        self._came_at = 0.0  # when the last one was here
        self._under_way: list[_UnderWay] = []  # in the order in which the store is read
        self._busy_since = self._busy_s = 0.0  # of the reading threads, together
        lost = costs.read_ahead_loss
        self._delay = lost / (1 - lost)
        clock.disturb = self._delayed

    def follow(self, steps: Iterable[Sequence[Need]], budget: int | None = None) -> None:
        self.stop()
        self._residency.follow(in_parts(steps, self._parts), budget)
        self._changed_at = self._clock.now

    def advance(self) -> None:
        self._catch_up()
        self._residency.advance()

    def load(self, need: Need, meanwhile: Work = nothing_to_do) -> Parameters:
        for part in need.in_parts(self._parts):
            self._load(part, meanwhile)
        return []

    def _load(self, need: Need, meanwhile: Work) -> None:
        self._catch_up()
        while (end := self._here_at(need.identity)) is not None:
            if not meanwhile():
                self._wait(end)
            self._catch_up()
        with self._meter.part("prepare_model"):
            loaded, room = self._residency.claim(need)
            if loaded is None:
                self._fetch(need)
                self._residency.fetched(need.identity, NOTHING, room is not None)

    def resident(self, needs: Sequence[Need]) -> list[Parameters] | None:
        self._catch_up()
        parts = [part for need in needs for part in need.in_parts(self._parts)]
        return None if self._residency.borrow(parts) is None else [[] for _ in needs]

    def holds(self, blocks: Iterable[Block]) -> bool:
        return self._residency.holds(blocks)

    def _here_at(self, identity: str) -> float | None:
        """When a block that is under way is here."""
        return next((block.end for block in self._under_way if block.identity == identity), None)

    def stop(self) -> None:
        self._catch_up()
        self._drain()
        self._residency.end()

    def close(self) -> None:
        self.stop()
        self._residency.clear()

    def give_up(self) -> int:
        self._catch_up()
        self._residency.pause()
        self._drain()
        return self._residency.shrink()

    def _drain(self) -> None:
        """Wait for all blocks that are on their way, and begin no other."""
        while self._under_way:
            first = self._first()
            self._wait(first.end)
            self._finish(first)

    def _wait(self, moment: float) -> None:
        """For what the reading threads bring until ``moment``."""
        with self._meter.stalled("prepare_model"):
            self._clock.wait_until(moment)

    def _first(self) -> _UnderWay:
        """The block that is here before all others."""
        return min(self._under_way, key=lambda block: block.end)

    def _delayed(self, start: float) -> float:
        """Seconds by which reading ahead delayed what was computed since ``start``."""
        if not self._delay or not self._reads_ahead:
            return 0.0
        self._run_until(start)  # a block may have come while the computing before this was delayed
        before = self._busy_until(start)
        self._run_until(self._clock.now)
        return (self._busy_until(self._clock.now) - before) * self._delay

    def _busy_until(self, moment: float) -> float:
        """Seconds for which any of the reading threads had worked at ``moment``."""
        return self._busy_s + (max(0.0, moment - self._busy_since) if self._under_way else 0.0)

    def _catch_up(self) -> None:
        """The search is about to change something: what the reading threads did until now, they did before."""
        self._run_until(self._clock.now)
        self._changed_at = self._clock.now

    def _run_until(self, moment: float) -> None:
        """Let the reading threads do what they can until ``moment``, given what they know since the last change."""
        while self._reads_ahead and self._residency.foresight.follows:
            first = self._first() if self._under_way else None
            start = max(self._turn_free_at, self._changed_at)
            if len(self._under_way) == LANES or (first is not None and first.end <= start):
                if first is None or first.end > moment:
                    break
                self._finish(first)
                continue
            start = max(start, self._came_at)
            order = self._residency.order() if start < moment else None
            if order is not None:
                self._begin(order[0], start)
            elif first is not None and first.end <= moment:
                self._finish(first)
            else:
                break

    def _begin(self, need: Need, start: float) -> None:
        here = {block.identity for block in self._under_way}
        based = all(base in here or self._residency.device.get(base) is not None for base in need.bases)
        read, rest = self._seconds(need, based)
        rest += self._costs.hardware.read_ahead_s
        if not self._under_way:
            self._busy_since = start
        self._turn_free_at = start + read + (0.0 if need.nbytes >= WORTH_BYTES else rest)
        self._under_way.append(_UnderWay(need.identity, start + read + rest))

    def _finish(self, block: _UnderWay) -> None:
        self._residency.fetched(block.identity, NOTHING, True)
        self._under_way.remove(block)
        self._came_at = block.end
        if not self._under_way:
            self._busy_s += block.end - self._busy_since

    def _fetch(self, need: Need) -> None:
        """On the thread that searches."""
        read, rest = self._seconds(need)
        # Each gets half of the store as long as both read.
        shared = min(read, max(0.0, self._turn_free_at - self._clock.now)) if self._under_way else 0.0
        if shared:
            read += shared
            self._turn_free_at += shared
            self._under_way[-1].end += shared
        self._clock.advance(read + rest)

    def _seconds(self, need: Need, based: bool = True) -> tuple[float, float]:
        """Seconds that the store is read for, and those of the rest; counts what is read. ``based`` if the
        parts that it is made of are at hand."""
        block, part = need.unit, need.part
        read = self._costs.read_s(block)
        rest = self._costs.load_s(block) - read
        size = part.read_bytes if part else self._file_bytes.get(block.identity, block.parameter_bytes)
        if part and not based:
            read += (part.alone_bytes - size) / self._costs.bandwidth
            self._count(part.alone_bytes)
            return read, rest
        if self._residency.host.get(block.identity) is not None:
            self._meter.count("host_block_hits")
            return 0.0, rest
        if self._residency.reserve_host(block.identity, part.staged_bytes if part else size) is not None:
            self._residency.host.fill(block.identity, NOTHING)
        if self._copies.use(block.identity):
            self._meter.count("ssd_hits")
            self._meter.count("ssd_bytes_read", size)
            return 0.0, rest + self._costs.cache_s("ssd", size, write=False)
        self._count(size)
        if self._copies.keep(block.identity, size):
            self._meter.count("ssd_bytes_written", size)
            self._meter.peak("ssd_block_bytes", self._copies.used)
        file = f"{need.model}/{block.identity}" if self._model_files else block.identity
        if self._pages.use(file):
            return 0.0, rest
        self._pages.keep(file, size)
        return read, rest

    def _count(self, size: int) -> None:
        self._meter.count("blocks_read")
        self._meter.count("bytes_read", size)
