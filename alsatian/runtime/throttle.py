"""A bandwidth that concurrent readers share, piece by piece."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

# With these two, any window of one second holds at most 2 % and a piece a reader more than its bandwidth,
# and at most that much less, unless the readers are held up for longer than LATE_S by something else.
LATE_S = 0.02
"""Seconds of lateness that are caught up with; what is lost beyond stays lost."""
PIECE_S = 0.001
"""Seconds that a piece takes at most."""
LARGEST_PIECE = 256 * 1024


class Timetable:
    """When bytes may be over at ``rate`` bytes per second. It is told the time, and waits for nothing.

    Every piece gets a slot behind those of the pieces asked for before it. A reader asks for one piece at a
    time, so readers take turns and each gets the same share, however much the others want.

    Only time during which somebody reads counts. Idle time is therefore no credit, but a wake-up that came
    late is made up for, also by the next of many small files.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._readers = 0
        self._idle = 0.0
        self._idle_since = 0.0
        self._free = 0.0  # end of the last slot, in time without idle time

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

    def reserve(self, now: float, nbytes: int) -> float:
        """The time at which ``nbytes``, asked for ``now``, may be over."""
        start = max(self._free, now - self._idle - LATE_S)
        self._free = start + nbytes / self._rate
        return self._free + self._idle


class Throttle:
    """``rate`` bytes per second for all threads that read through it; None for no limit.

    ``clock`` returns seconds, ``sleep`` waits for as many.
    """

    def __init__(
        self,
        rate: int | None,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._table = None if rate is None else Timetable(rate)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self.largest_piece = LARGEST_PIECE if rate is None else max(1, min(LARGEST_PIECE, int(rate * PIECE_S)))

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
    def piece(self, nbytes: int) -> Iterator[None]:
        """Around reading ``nbytes``, at most ``largest_piece``, in a :meth:`stream`. Takes as long as they may."""
        if self._table is None:
            yield
            return
        with self._lock:
            end = self._table.reserve(self._clock(), nbytes)
        yield
        if (wait := end - self._clock()) > 0:
            self._sleep(wait)

    def charge(self, nbytes: int) -> None:
        """Take as long as reading ``nbytes`` would, for data that is in memory already."""
        if self._table is None:
            return
        with self.stream():
            while nbytes > 0:
                with self.piece(min(nbytes, self.largest_piece)):
                    nbytes -= self.largest_piece
