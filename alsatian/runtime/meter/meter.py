"""Where the time went: exclusive parts that add up to the wall time, what overlapped them, and counters."""

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from alsatian.runtime.meter.clock import Clock, CudaClock, HostClock
from alsatian.runtime.meter.lanes import Inside, Lanes
from alsatian.runtime.meter.measurement import PARTS, Measurement, check_settings
from alsatian.runtime.meter.process import ProcessUse
from alsatian.runtime.meter.surroundings import Surroundings
from alsatian.runtime.meter.timeline import MAIN, Subject, Timeline
from alsatian.runtime.meter.workers import Workers

_NOTHING = contextlib.nullcontext()
# Counters of bytes read from files.
_READ = ("bytes_read", "ssd_bytes_read", "cache_ssd_bytes_read")
# Marks kept before they are turned into seconds.
_MARKS = 100_000

# A part, whether its time is spent waiting for another thread that works on it, and the vertex and more it is for.
State = tuple[str, bool, int | None, Subject | None] | None
# Code, and the items that it ran on.
Run = tuple[str, int]
Within = contextlib.AbstractContextManager[None]


@dataclass
class Meter:
    """Measures one search on ``device``. Parts nest; the inner part's time is not the outer's.

    The thread that calls :meth:`start` is the one that searches: its time is divided into parts. What
    other threads do beside it is measured by the host's clock and shows as busy seconds. Everything but
    ``counters`` may be used from any thread.

    Attributes:
        level: ``"parts"``, or ``"total"`` to measure only wall time, counters, peaks and events.
        timeline: collect what every thread does when.
        data_in_files: items of data are read from files, so ``data_bytes`` counts as read.
        counters: for the thread that searches; others use :meth:`count`.
        clock: in place of the machine's own.
        best_s: seconds of the fastest of all runs of a code on so many items, as far as marks were settled.
        best_read: bytes per second of the fastest read of a file of the store.
        round: the number of the one under way, from 1; None between rounds.
        workers: what others measured who work for this search; the measurement is that of all.
        step, subjects: for the timeline, what the step under way is for, and each vertex that it computes.
    """

    device: torch.device
    level: str = "parts"
    timeline: bool = False
    data_in_files: bool = False
    counters: Counter[str] = field(default_factory=Counter)
    peaks: dict[str, int] = field(default_factory=dict)
    clock: Clock | None = None
    best_s: dict[Run, float] = field(default_factory=dict, init=False)
    best_read: float = field(default=0.0, init=False)
    round: int | None = field(default=None, init=False)
    workers: Workers = field(default_factory=Workers, init=False)
    step: Subject | None = field(default=None, init=False)
    subjects: Mapping[int, Subject] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        check_settings(self.level, self.timeline)
        self._host: Clock = self.clock or HostClock()
        self._clock = CudaClock() if self.device.type == "cuda" else self._host
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._stalled = dict.fromkeys(PARTS, 0.0)
        self._vertex_s: dict[int, float] = {}
        self._marks: list[tuple[State, Any, Run | None, Subject | None]] = []
        self._settled = 0.0  # seconds from the start to the first of the marks
        self._state: State = None
        self._timeline = Timeline() if self.timeline else None
        self._lanes = Lanes(self._now, self._timeline)
        self._held: dict[str, int] = {}
        self._events: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._begin()

    def start(self) -> None:
        """Start the clock; events of before are noted as at the start."""
        self._events = [{**event, "at_s": 0.0} for event in self._events]
        self._synchronise()
        self._begin()

    def part(self, name: str, vertex: int | None = None, subject: Subject | None = None) -> Within:
        """Charge the time inside to part ``name``; in another thread it counts as work beside the search.

        It counts as spent on ``vertex`` of the task tree, too, if one is given; see :meth:`take_vertices`.
        ``subject`` is what the timeline says that it is for, in place of what :attr:`subjects` and ``step`` do.
        """
        return self._charge(name, False, vertex, subject)

    def stalled(self, name: str) -> Within:
        """Charge the time inside to part ``name``, as time of waiting for another thread that works on it.

        A thread beside the search is not busy while it waits."""
        return self._charge(name, True, None, None)

    def begin_round(self, number: int | None) -> None:
        """Slices of the timeline from now on are of round ``number``, from 1; None for none."""
        self.round = number
        if self._timeline is not None:
            self.settle()
            self._timeline.round = number

    def ran(self, code: str, items: int) -> None:
        """What the part under way did since it began, or since this was called last, was one run of ``code``."""
        if self._state is not None and threading.get_ident() == self._thread:
            self._marks.append((self._state, self._clock.mark(), (code, items), self.step))

    def read(self, nbytes: int, seconds: float) -> None:
        """A file of the store was read."""
        if seconds > 0:
            with self._lock:
                self.best_read = max(self.best_read, nbytes / seconds)

    def count(self, name: str, n: int = 1) -> None:
        """Add ``n`` to a counter. Counters that several threads add to are only added to in this way."""
        with self._lock:
            self.counters[name] += n

    def peak(self, name: str, value: int) -> None:
        """Note ``value`` if it is the largest so far."""
        with self._lock:
            self.peaks[name] = max(value, self.peaks.get(name, 0))

    def holds(self, name: str, nbytes: int) -> None:
        """What is held in the device's memory under ``name`` now: its peak, and that of all such names together."""
        with self._lock:
            self._held[name] = nbytes
            for peak, value in ((name, nbytes), ("memory_bytes", sum(self._held.values()))):
                self.peaks[peak] = max(value, self.peaks.get(peak, 0))

    def event(self, kind: str, **facts: Any) -> None:
        """Note that something happened now; ``facts`` are plain values."""
        with self._lock:
            self._events.append({"kind": kind, "at_s": self._now(), **facts})

    def settle(self) -> None:
        """Turn marks into seconds. Waits for the device, so it belongs to the end of a round."""
        if self.level == "total":
            return
        marks = [*self._marks, (self._state, self._clock.mark(), None, self.step)]
        place = 0  # of the block that ran among those of the part
        for (state, start, before, step), (_, end, run, _) in itertools.pairwise(marks):
            place = place + 1 if before else 0
            seconds = self._clock.seconds(start, end)
            begin, self._settled = self._settled, self._settled + seconds
            if state is None:
                continue
            part, stalled, vertex, subject = state
            self._seconds[part] += seconds
            if run is not None:
                self.best_s[run] = min(seconds, self.best_s.get(run, seconds))
            if vertex is not None:
                self._vertex_s[vertex] = self._vertex_s.get(vertex, 0.0) + seconds
            if stalled:
                self._stalled[part] += seconds
            if self._timeline is not None:
                # On a GPU these are the device's times, in the order in which it reached the marks.
                about = step if subject is None else subject.block(place)
                self._timeline.add(MAIN, part, begin, self._settled, stalled, about)
        self._marks = [marks[-1]]

    def take_vertices(self) -> dict[int, float]:
        """Seconds spent on each vertex since this was asked last. Waits for the device."""
        self.settle()
        taken, self._vertex_s = self._vertex_s, {}
        return taken

    def spent(self) -> tuple[float, dict[str, float]]:
        """Seconds from the start, and those of each part (none at level ``"total"``). Waits for the device."""
        self.settle()
        self._synchronise()
        return self._now(), self.workers.parts(dict(self._seconds), self._stalled)[
            0
        ] if self.level == "parts" else {}

    def so_far(self) -> Measurement:
        """The measurement up to now. Waits for the device."""
        wall, parts = self.spent()
        counted = sum(self.counters[name] for name in (*_READ, *(["data_bytes"] if self.data_in_files else [])))
        own = Measurement(
            wall_s=wall,
            parts_s=dict(self._seconds) if parts else {},
            counters=dict(sorted(self.counters.items())),
            peaks=dict(sorted(self.peaks.items())),
            busy_s=self._busy() if parts else {},
            stalled_s=dict(self._stalled) if parts else {},
            events=list(self._events),
            process=self._process.until_now(counted),
            timeline=None if self._timeline is None else self._timeline.trace(self._events),
            level=self.level,
            conditions=self._surroundings.until_now() if self._surroundings else None,
        )
        return self.workers.joined(own, self._epoch)

    def _begin(self) -> None:
        """Let everything from now on count, on the current thread."""
        self._thread = threading.get_ident()
        self._process = ProcessUse(self.device)
        self._surroundings = None if self.clock else Surroundings()
        self._start, self._epoch = self._host.mark(), time.time()
        self._marks = [] if self.level == "total" else [(None, self._clock.mark(), None, None)]

    def _charge(self, name: str, stalled: bool, vertex: int | None, subject: Subject | None) -> Within:
        if self.level == "total":
            return _NOTHING
        if threading.get_ident() != self._thread:
            return self._lanes.working(None if stalled else name, subject)
        if subject is None and vertex is not None:
            subject = self.subjects.get(vertex)
        elif stalled and self._state is not None:
            subject = self._state[3]
        return Inside[State](self._switch, (name, stalled, vertex, subject))

    def _switch(self, state: State) -> State:
        outer, self._state = self._state, state
        self._marks.append((state, self._clock.mark(), None, self.step))
        if len(self._marks) > _MARKS and self.device.type == "cpu":
            self.settle()  # keeps long searches from collecting marks; free of charge on the host's clock
        return outer

    def _busy(self) -> dict[str, float]:
        busy = {part: max(0.0, self._seconds[part] - self._stalled[part]) for part in PARTS}
        for part, seconds in self._lanes.busy().items():
            busy[part] += seconds
        return busy

    def _now(self) -> float:
        """Seconds from the start by the host's clock."""
        return self._host.seconds(self._start, self._host.mark())

    def _synchronise(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
