"""What every thread did when, as a trace that Chrome and Perfetto show."""

import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

# Slices of one lane. A trace of this many is about 28 MB.
LIMIT = 100_000
MAIN = "search"
_PROCESS = 1


class Subject(NamedTuple):
    """What work is done for.

    Attributes:
        models: ids of those that need it.
        blocks: identities, in the order in which they run.
        depth: of the first of them in its model, from 1; None where it was not looked up.
    """

    models: Sequence[str]
    blocks: Sequence[str] = ()
    depth: int | None = None

    def block(self, place: int) -> "Subject":
        """The same for the block at ``place`` alone; behind the last one it is that."""
        if not self.blocks:
            return self
        place = min(place, len(self.blocks) - 1)
        return Subject(self.models, (self.blocks[place],), None if self.depth is None else self.depth + place)


_Slice = tuple[str, bool, int | None, Subject | None, float, float]


@dataclass
class _Lane:
    """Slices ``(part, stalled, round, subject, start, end)`` of one thread, in order of time, in seconds."""

    slices: list[_Slice] = field(default_factory=list)
    dropped: int = 0
    dropped_from: float = 0.0


class Timeline:
    """Collects slices of work, a lane for each thread. May be added to from any thread.

    Memory is bounded: slices of the same part and subject that touch become one, and a lane keeps its first
    ``limit`` slices; how many were dropped after them stands in the trace.

    Attributes:
        round: the number of the one that slices are added in, from 1; None between rounds.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.round: int | None = None
        self._limit = limit
        self._lanes: dict[str, _Lane] = {MAIN: _Lane()}
        self._lock = threading.Lock()

    def add(
        self,
        lane: str,
        part: str,
        start: float,
        end: float,
        stalled: bool = False,
        subject: Subject | None = None,
    ) -> None:
        """Note that thread ``lane`` worked on ``part``, or waited for it, from ``start`` to ``end`` seconds.

        The slices of a lane are added in order of time.
        """
        if end <= start:
            return
        what = (part, stalled, self.round, subject)
        with self._lock:
            line = self._lanes.setdefault(lane, _Lane())
            if line.dropped:
                line.dropped += 1
            elif line.slices and line.slices[-1][5] == start and line.slices[-1][:4] == what:
                line.slices[-1] = (*what, line.slices[-1][4], end)
            elif len(line.slices) < self._limit:
                line.slices.append((*what, start, end))
            else:
                line.dropped, line.dropped_from = 1, start

    def trace(self, events: Iterable[Mapping[str, Any]] = ()) -> list[dict[str, Any]]:
        """The trace events of everything so far. Times are in microseconds, to the nanosecond.

        A slice says its part, and where there are any the round, the first of the models that need it and how many
        they are, the block and how deep in its model that lies.

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


def _slice(
    thread: int, part: str, stalled: bool, number: int | None, subject: Subject | None, start: float, end: float
) -> dict[str, Any]:
    begin, stop = round(start * 1e9), round(end * 1e9)  # whole numbers: rounded slices still touch, not overlap
    name, category = (f"{part} (waiting)", "stalled") if stalled else (part, "busy")
    place = {"ts": begin / 1000, "dur": (stop - begin) / 1000, "pid": _PROCESS, "tid": thread}
    facts: dict[str, Any] = {"part": part, "round": number}
    if subject is not None and subject.models:
        facts |= {"model": subject.models[0], "models": len(subject.models)}
        facts |= {"block": subject.blocks[0], "depth": subject.depth} if subject.blocks else {}
    facts = {key: value for key, value in facts.items() if value is not None}
    return {"name": name, "cat": category, "ph": "X", "args": facts, **place}


def _instant(thread: int, name: str, category: str, at: float, facts: dict[str, Any]) -> dict[str, Any]:
    place = {"ts": round(at * 1e9) / 1000, "pid": _PROCESS, "tid": thread}
    return {"name": name, "cat": category, "ph": "i", "s": "t", "args": facts, **place}


def _metadata(thread: int, kind: str, **facts: Any) -> dict[str, Any]:
    return {"name": kind, "ph": "M", "pid": _PROCESS, "tid": thread, "args": facts}
