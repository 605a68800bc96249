"""Where the time went: exclusive parts that add up to the wall time, and counters."""

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

PARTS = ("planning", "prepare_model", "prepare_data", "inference", "proxy_scoring", "cache_io", "other")
# A run whose parts miss more of its wall time than this is invalid.
TOLERANCE = 0.05


@dataclass(frozen=True)
class Measurement:
    """Where one search spent its time.

    Attributes:
        wall_s: wall time in seconds.
        parts_s: exclusive seconds of each part in ``PARTS``.
        counters: bytes, blocks, executions, hits and so on; see the engine.
        peaks: largest values: bytes held by the cache, by resident blocks and by features.
    """

    wall_s: float
    parts_s: dict[str, float]
    counters: dict[str, int]
    peaks: dict[str, int]
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def unattributed_s(self) -> float:
        """Wall time that belongs to no part, in seconds."""
        return self.wall_s - sum(self.parts_s.values())

    @property
    def valid(self) -> bool:
        """Whether the parts add up to the wall time within ``TOLERANCE``."""
        return abs(self.unattributed_s) <= TOLERANCE * self.wall_s


class Clock(Protocol):
    """Marks points in time and tells the seconds between two of them, perhaps later."""

    def mark(self) -> Any: ...

    def seconds(self, start: Any, end: Any) -> float: ...


class HostClock:
    """The host's monotonic clock."""

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, start: float, end: float) -> float:
        return end - start


class CudaClock:
    """Events in the current CUDA stream, which needs no synchronisation when they are set.

    An event fires when all work queued before it is done and the host has reached it, so consecutive
    events divide the wall time: a part of the host that runs while the device is still busy with earlier
    work costs nothing, and waiting is charged to the work that is waited for.
    """

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000


@dataclass
class Meter:
    """Measures one search on ``device``. Parts nest; the inner part's time is not the outer's."""

    device: torch.device
    counters: Counter[str] = field(default_factory=Counter)
    peaks: dict[str, int] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._clock: Clock = CudaClock() if self.device.type == "cuda" else HostClock()
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._marks: list[tuple[str | None, Any]] = []
        self._part: str | None = None
        self._start = 0.0

    def start(self) -> None:
        """Start the clock."""
        self._synchronise()
        self._start = time.perf_counter()
        self._marks = [(None, self._clock.mark())]

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge the time inside to part ``name``."""
        outer = self._switch(name)
        try:
            yield
        finally:
            self._switch(outer)

    @contextlib.contextmanager
    def background(self, name: str) -> Iterator[None]:
        """Charge the time inside, in another thread, to the busy time of part ``name``."""
        yield

    @contextlib.contextmanager
    def stalled(self, name: str) -> Iterator[None]:
        """Like :meth:`part`, for time spent waiting for another thread."""
        with self.part(name):
            yield

    def count(self, name: str, n: int = 1) -> None:
        """Add ``n`` to a counter; from any thread."""
        with self._lock:
            self.counters[name] += n

    def peak(self, name: str, value: int) -> None:
        """Note ``value`` if it is the largest so far."""
        self.peaks[name] = max(value, self.peaks.get(name, 0))

    def event(self, kind: str, **facts: Any) -> None:
        """Note something out of the ordinary that a reader of the measurement has to know."""
        self.events.append({"kind": kind, **facts})

    def settle(self) -> None:
        """Turn marks into seconds. Waits for the device, so it belongs to the end of a round."""
        marks = [*self._marks, (self._part, self._clock.mark())]
        for (part, start), (_, end) in itertools.pairwise(marks):
            if part is not None:
                self._seconds[part] += self._clock.seconds(start, end)
        self._marks = [marks[-1]]

    def finish(self) -> Measurement:
        """Stop the clock."""
        return self.so_far()

    def so_far(self) -> Measurement:
        """The measurement up to now. Waits for the device."""
        self.settle()
        self._synchronise()
        wall = time.perf_counter() - self._start
        return Measurement(
            wall,
            dict(self._seconds),
            dict(sorted(self.counters.items())),
            dict(sorted(self.peaks.items())),
            list(self.events),
        )

    def _switch(self, part: str | None) -> str | None:
        outer, self._part = self._part, part
        self._marks.append((part, self._clock.mark()))
        if len(self._marks) > 100_000 and self.device.type == "cpu":
            self.settle()  # keeps long searches from collecting marks; free of charge on the host's clock
        return outer

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
