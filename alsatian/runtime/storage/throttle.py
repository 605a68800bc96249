"""A bandwidth that concurrent readers share, piece by piece."""

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

WINDOW_S = 1.0
OVER = 0.01
"""How much a window of ``WINDOW_S`` seconds may hold beyond the bandwidth, to make up for what came late."""
LATE_S = 0.1
"""Seconds of lateness that are made up for; what is lost beyond stays lost."""
CATCH_UP = 4
"""How much faster than the bandwidth that is done."""
PIECE_S, LONGEST_S = 0.001, 0.012
"""Seconds that a piece takes, and at most takes if it is late."""


class Timetable:
    """When bytes may be over at ``rate`` bytes per second. It is told the time, and waits for nothing.

    Every piece gets a slot behind those of the pieces asked for before it. A reader asks for one piece at a
    time, so readers take turns and each gets the same share, however much the others want. A piece that is
    late is larger, so that a reader that has to wait for the interpreter after each one keeps up; but no
    window gets more than its bandwidth and ``OVER``.

    Only time during which somebody reads counts. Idle time is therefore no credit, but a wake-up that came
    late is made up for, also by the next of many small files.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._readers = 0
        self._idle = 0.0
        self._idle_since = 0.0
        self._free = 0.0  # end of the last slot, in time without idle time
        self._recent: deque[tuple[float, int]] = deque()  # when pieces of the last window are over, their bytes
        self._recent_bytes = 0
        self._last = 0.0

    def enter(self, now: float) -> None:
        """Somebody begins to read."""
        if self._readers == 0:
            self._idle += now - self._idle_since
        self._readers += 1

    def leave(self, now: float) -> None:
        """Somebody has read everything and waited for it."""
        self._readers -= 1
        if self._readers == 0:
            self._idle_since = now

    def grant(self, now: float, wanted: int) -> tuple[int, float]:
        """How many of the ``wanted`` bytes, asked for ``now``, are the next piece, and when it may be over."""
        time = now - self._idle
        start = max(self._free, time - LATE_S)
        seconds = min(max(0.0, time - start) + PIECE_S, LONGEST_S)
        nbytes = min(wanted, max(1, round(seconds * self._rate)))
        self._free = start + nbytes / self._rate
        soonest = self._last + nbytes / (CATCH_UP * self._rate)
        return nbytes, self._in_window(max(self._free + self._idle, now, soonest), nbytes)

    def _in_window(self, end: float, nbytes: int) -> float:
        """``end``, or when the window that ends then can hold ``nbytes`` more."""
        while self._recent and (
            self._recent[0][0] <= end - WINDOW_S or self._recent_bytes + nbytes > (1 + OVER) * WINDOW_S * self._rate
        ):
            oldest, count = self._recent.popleft()
            self._recent_bytes -= count
            end = max(end, oldest + WINDOW_S)
        self._recent.append((end, nbytes))
        self._recent_bytes += nbytes
        self._last = end
        return end


class Throttle:
    """``rate`` bytes per second for all threads that read through it; None for no limit.

    ``clock`` returns seconds, ``sleep`` waits for as many, by default until :meth:`release` at most.
    """

    def __init__(
        self,
        rate: int | None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.rate = rate
        self._table = None if rate is None else Timetable(rate)
        self._clock = clock
        self._released = threading.Event()
        self._sleep = sleep or self._released.wait
        self._lock = threading.Lock()

    @property
    def limits(self) -> bool:
        """Whether there is a limit."""
        return self._table is not None

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        """Around the pieces that one reader reads one after the other."""
        if self._table is None:
            yield
            return
        with self._lock:
            self._table.enter(self._clock())
        try:
            yield
        finally:
            with self._lock:
                self._table.leave(self._clock())

    @contextlib.contextmanager
    def piece(self, wanted: int) -> Iterator[int]:
        """Around reading the next piece, in a :meth:`stream`: yields its bytes, and takes as long as they may."""
        if self._table is None or self._released.is_set():
            yield wanted
            return
        with self._lock:
            nbytes, end = self._table.grant(self._clock(), wanted)
        yield nbytes
        if (wait := end - self._clock()) > 0:
            self._sleep(wait)

    def release(self) -> None:
        """Nobody waits any longer: what is read from here on is for nothing, as when a search is broken off."""
        self._released.set()

    def charge(self, nbytes: int) -> None:
        """Take as long as reading ``nbytes`` would, for data that is in memory already."""
        if self._table is None:
            return
        with self.stream():
            while nbytes > 0:
                with self.piece(nbytes) as count:
                    nbytes -= count
