"""What every thread did when, as a trace that Chrome and Perfetto show."""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Slices of one lane. A trace of this many is about 20 MB.
LIMIT = 200_000
MAIN = "search"
_PROCESS = 1


@dataclass
class _Lane:
    """Slices ``(part, stalled, start, end)`` of one thread, in order of time, in seconds."""

    slices: list[tuple[str, bool, float, float]] = field(default_factory=list)
    dropped: int = 0
    dropped_from: float = 0.0


class Timeline:
    """Collects slices of work, a lane for each thread. May be added to from any thread.

    Memory is bounded: slices of the same part that touch become one, and a lane keeps its first ``limit``
    slices; how many were dropped after them stands in the trace.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lanes: dict[str, _Lane] = {MAIN: _Lane()}
        self._lock = threading.Lock()

    def add(self, lane: str, part: str, start: float, end: float, stalled: bool = False) -> None:
        """Note that thread ``lane`` worked on ``part``, or waited for it, from ``start`` to ``end`` seconds.

        The slices of a lane are added in order of time.
        """
        if end <= start:
            return
        with self._lock:
            line = self._lanes.setdefault(lane, _Lane())
            if line.dropped:
                line.dropped += 1
            elif line.slices and line.slices[-1][:2] == (part, stalled) and line.slices[-1][3] == start:
                line.slices[-1] = (part, stalled, line.slices[-1][2], end)
            elif len(line.slices) < self._limit:
                line.slices.append((part, stalled, start, end))
            else:
                line.dropped, line.dropped_from = 1, start

    def trace(self, events: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
        """The trace events of everything so far. Times are in microseconds, to the nanosecond.

        ``events`` are marked at their ``at_s`` under the name ``kind``; so is the point from which a lane's
        slices were dropped, with their number.
        """
        with self._lock:
            lanes = {
                name: (list(lane.slices), lane.dropped, lane.dropped_from) for name, lane in self._lanes.items()
            }
        trace = [_metadata(0, "process_name", name="alsatian")]
        for thread, (name, (slices, dropped, dropped_from)) in enumerate(lanes.items(), start=1):
            trace.append(_metadata(thread, "thread_name", name=name))
            trace.append(_metadata(thread, "thread_sort_index", sort_index=thread))
            trace += [_slice(thread, *one) for one in slices]
            if dropped:
                text = f"{dropped} later slices of this thread were dropped"
                trace.append(_instant(thread, text, "dropped", dropped_from, {"slices": dropped}))
        for event in events:
            trace.append(_instant(1, str(event["kind"]), "event", float(event["at_s"]), dict(event)))
        return trace


def trace_bytes(events: Sequence[Mapping[str, Any]]) -> bytes:
    """The file for a trace viewer, one event a line.

    Raises:
        ValueError: an event holds NaN or infinity, which JSON lacks.
    """
    lines = ",\n".join(json.dumps(event, sort_keys=True, allow_nan=False) for event in events)
    return f'{{"displayTimeUnit": "ms", "traceEvents": [\n{lines}\n]}}\n'.encode()


def _slice(thread: int, part: str, stalled: bool, start: float, end: float) -> dict[str, Any]:
    begin, stop = round(start * 1e9), round(end * 1e9)  # whole numbers: rounded slices still touch, not overlap
    name, category = (f"{part} (waiting)", "stalled") if stalled else (part, "busy")
    place = {"ts": begin / 1000, "dur": (stop - begin) / 1000, "pid": _PROCESS, "tid": thread}
    return {"name": name, "cat": category, "ph": "X", "args": {"part": part}, **place}


def _instant(thread: int, name: str, category: str, at: float, facts: dict[str, Any]) -> dict[str, Any]:
    place = {"ts": round(at * 1e9) / 1000, "pid": _PROCESS, "tid": thread}
    return {"name": name, "cat": category, "ph": "i", "s": "t", "args": facts, **place}


def _metadata(thread: int, kind: str, **facts: Any) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": _PROCESS, "tid": thread, "args": facts}
