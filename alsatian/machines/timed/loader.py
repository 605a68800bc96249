"""Loading blocks on a virtual clock, by the rules of the real loader."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from alsatian.budgets import BlockBudgets
from alsatian.costs.model import CostModel
from alsatian.machines.timed.clock import VirtualClock
from alsatian.machines.timed.recent import Recent
from alsatian.runtime.loading.block_source import Need
from alsatian.runtime.loading.loader import Loader
from alsatian.runtime.loading.residency import Residency
from alsatian.runtime.loading.transfer import Loaded, Parameters
from alsatian.runtime.meter.meter import Meter

NOTHING = Loaded([])
"""What a block holds here."""


@dataclass
class _UnderWay:
    """A block that the reading thread is bringing: since when, when the store is done, when it is here."""

    identity: str
    start: float
    read_end: float
    end: float


class TimedLoader(Loader):
    """:class:`Residency` decides which block is read when, kept and dropped; what takes time is not done.

    The reading thread is a second time line. Between two moments at which the search changes something it is
    given the time that has passed. The store is shared while both threads read.

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
        self._meter = meter
        self._costs = costs.of_whole_models() if model_files else costs
        self._clock = clock
        self._reads_ahead = ahead
        self._file_bytes = file_bytes or {}
        self._copies = Recent(budgets.ssd)
        self._model_files = model_files
        self._pages = Recent((costs.hardware.page_cache_bytes or math.inf) if costs.page_cache else 0)
        self._thread_free_at = 0.0
        self._changed_at = 0.0
        self._busy_s = 0.0  # of the reading thread, with blocks that are here
        self._under_way: _UnderWay | None = None
        lost = costs.read_ahead_loss
        self._delay = lost / (1 - lost)
        clock.disturb = self._delayed

    def follow(self, steps: Iterable[Sequence[Need]], budget: int | None = None) -> None:
        self.stop()
        self._residency.follow(steps, budget)
        self._thread_free_at = self._changed_at = self._clock.now

    def advance(self) -> None:
        self._catch_up()
        self._residency.advance()

    def load(self, need: Need) -> Parameters:
        self._catch_up()
        if self._under_way is not None and self._under_way.identity == need.block.identity:
            self._wait(self._under_way)
        with self._meter.part("prepare_model"):
            loaded, room = self._residency.claim(need)
            if loaded is None:
                self._fetch(need)
                self._residency.fetched(need.block.identity, NOTHING, room is not None)
        return []

    def stop(self) -> None:
        self._catch_up()
        if self._under_way is not None:
            self._wait(self._under_way)
        self._residency.end()

    def close(self) -> None:
        self.stop()
        self._residency.clear()

    def give_up(self) -> int:
        self._catch_up()
        self._residency.pause()
        if self._under_way is not None:
            self._wait(self._under_way)
        return self._residency.shrink()

    def _wait(self, under_way: _UnderWay) -> None:
        """For a block that the reading thread is bringing."""
        with self._meter.stalled("prepare_model"):
            self._clock.wait_until(under_way.end)
        self._finish(under_way)

    def _delayed(self, start: float) -> float:
        """Seconds by which reading ahead delayed what was computed since ``start``."""
        if not self._delay or not self._reads_ahead:
            return 0.0
        before = self._busy_until(start)
        self._run_until(self._clock.now)
        return (self._busy_until(self._clock.now) - before) * self._delay

    def _busy_until(self, moment: float) -> float:
        """Seconds for which the reading thread had worked at ``moment``."""
        other = self._under_way
        return self._busy_s + (max(0.0, moment - other.start) if other is not None else 0.0)

    def _catch_up(self) -> None:
        """The search is about to change something: what the reading thread did until now, it did before."""
        self._run_until(self._clock.now)
        self._changed_at = self._clock.now

    def _run_until(self, moment: float) -> None:
        """Let the reading thread do what it can until ``moment``, given what it knows since the last change."""
        while self._reads_ahead and self._residency.foresight.follows:
            if self._under_way is not None:
                if self._under_way.end > moment:
                    break
                self._finish(self._under_way)
            start = max(self._thread_free_at, self._changed_at)
            if start >= moment or (order := self._residency.order()) is None:
                break
            need = order[0]
            read, rest = self._seconds(need)
            rest += self._costs.hardware.read_ahead_s
            self._under_way = _UnderWay(need.block.identity, start, start + read, start + read + rest)

    def _finish(self, under_way: _UnderWay) -> None:
        self._residency.fetched(under_way.identity, NOTHING, True)
        self._busy_s += under_way.end - under_way.start
        self._thread_free_at, self._under_way = under_way.end, None

    def _fetch(self, need: Need) -> None:
        """On the thread that searches."""
        read, rest = self._seconds(need)
        other = self._under_way
        if other is not None:  # each gets half of the store as long as both read
            shared = min(read, max(0.0, other.read_end - self._clock.now))
            read += shared
            other.read_end += shared
            other.end += shared
        self._clock.advance(read + rest)

    def _seconds(self, need: Need) -> tuple[float, float]:
        """Seconds that the store is read for, and those of the rest; counts what is read."""
        block = need.block
        read = self._costs.read_s(block)
        rest = self._costs.load_s(block) - read
        size = self._file_bytes.get(block.identity, block.parameter_bytes)
        if self._residency.host.get(block.identity) is not None:
            self._meter.count("host_block_hits")
            return 0.0, rest
        if self._residency.reserve_host(block.identity, size) is not None:
            self._residency.host.fill(block.identity, NOTHING)
        if self._copies.use(block.identity):
            self._meter.count("ssd_hits")
            self._meter.count("ssd_bytes_read", size)
            return 0.0, rest + self._costs.cache_s("ssd", size, write=False)
        self._meter.count("blocks_read")
        self._meter.count("bytes_read", size)
        if self._copies.keep(block.identity, size):
            self._meter.count("ssd_bytes_written", size)
            self._meter.peak("ssd_block_bytes", self._copies.used)
        file = f"{need.model}/{block.identity}" if self._model_files else block.identity
        if self._pages.use(file):
            return 0.0, rest
        self._pages.keep(file, size)
        return read, rest
