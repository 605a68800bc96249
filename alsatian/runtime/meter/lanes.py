"""What threads beside the main one do: busy seconds of each part, and a lane of the timeline for each."""

import re
import threading
from collections import defaultdict
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from alsatian.runtime.meter.timeline import Subject, Timeline

_UNNAMED = re.compile(r"Thread-\d+ \(_*(.+)\)")


T = TypeVar("T")
# A part, and what it is done for.
_Work = tuple[str, Subject | None] | None


class Inside(Generic[T]):
    """Switches to a state, and on leaving back to the one before. A generator would cost twice as much.

    ``switch`` takes the new state and returns the old one.
    """

    __slots__ = ("_other", "_switch")

    def __init__(self, switch: Callable[[T], T], state: T) -> None:
        self._switch = switch
        self._other = state

    def __enter__(self) -> None:
        self._other = self._switch(self._other)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._switch(self._other)


class _Here(threading.local):
    """Where the current thread is: its lane, the part it works on, and since when."""

    lane: str | None = None
    work: "_Work" = None
    since: float = 0.0


class Lanes:
    """Measures threads by the host's clock ``now`` (seconds). Parts nest, and are exclusive within a thread."""

    def __init__(self, now: Callable[[], float], timeline: Timeline | None) -> None:
        self._busy: defaultdict[str, float] = defaultdict(float)
        self._now = now
        self._timeline = timeline
        self._here = _Here()
        self._lock = threading.Lock()
        self._threads: dict[str, threading.Thread] = {}

    def working(self, part: str | None, subject: Subject | None = None) -> Inside[_Work]:
        """Count the time inside as the current thread's work on ``part`` of ``subject``; None for a pause."""
        return Inside(self._switch, None if part is None else (part, subject))

    def busy(self) -> dict[str, float]:
        """Seconds of work on each part until now, all threads together; work in progress comes when it ends."""
        with self._lock:
            return dict(self._busy)

    def _switch(self, work: _Work) -> _Work:
        here, now = self._here, self._now()
        outer, start = here.work, here.since
        here.work, here.since = work, now
        if outer is not None:
            part, subject = outer
            with self._lock:
                self._busy[part] += now - start
            if self._timeline is not None:
                here.lane = here.lane or self._lane()
                self._timeline.add(here.lane, part, start, now, subject=subject)
        return outer

    def _lane(self) -> str:
        """A lane for the current thread: that of an ended thread of the same name, or a new one."""
        thread = threading.current_thread()
        unnamed = _UNNAMED.fullmatch(thread.name)
        base = name = unnamed[1] if unnamed else thread.name
        count = 1
        with self._lock:
            while name in self._threads and self._threads[name].is_alive():
                count += 1
                name = f"{base} {count}"
            self._threads[name] = thread
        return name
