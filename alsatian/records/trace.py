"""Reads the timeline of a run, ``timeline.json``, as slices of time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ConfigDict, Field

from alsatian.records.base import Count, FieldError, Record, Seconds
from alsatian.records.reading import document
from alsatian.units import printable

MICROSECONDS = 1e6


class _Event(Record):
    """An event as trace viewers read it; times in microseconds."""

    model_config = ConfigDict(extra="ignore")

    name: str = ""
    cat: str = ""
    ph: str = ""
    tid: Count = 0
    ts: Seconds = 0.0
    dur: Seconds = 0.0
    args: dict[str, Any] = {}

    def count(self, name: str) -> int | None:
        """A number of ``args``; None if it is missing, as in traces of earlier versions."""
        value = self.args.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise FieldError(f"args.{name}: expected a count, not {value!r}")
        return value

    def argument(self, name: str) -> str:
        """One of ``args``.

        Raises:
            FieldError: it is missing or no text.
        """
        value = self.args.get(name)
        if not isinstance(value, str) or not value:
            raise FieldError(f"args.{name}: expected a text, not {value!r}")
        return printable(value)


class _Timeline(Record):
    """``timeline.json``."""

    model_config = ConfigDict(extra="ignore")

    events: tuple[_Event, ...] = Field(alias="traceEvents")


@dataclass(frozen=True)
class Trace:
    """What every thread of one search did when.

    Attributes:
        slices: columns ``lane``, ``part``, ``stalled``, ``start_s``, ``end_s``, and what the work was for, where
            that is known: ``round`` (from 1), ``model`` (the first that needs it), ``models`` (how many do),
            ``block`` (its identity), ``depth`` (its place in the model, from 1). Those of a lane are in order and
            do not overlap.
        lanes: names of the threads, the one that searches first.
        notes: what the trace says about itself, such as how much of it was dropped.
    """

    slices: pd.DataFrame
    lanes: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def end_s(self) -> float:
        """Seconds from the start of the search to the end of the last slice."""
        return float(self.slices["end_s"].max())


def load_trace(path: Path) -> Trace | None:
    """The trace in ``path``; None if there is no such file.

    Raises:
        FieldError: it is not a trace as runs write it, or has no slices.
    """
    if not path.exists():
        return None
    events = _Timeline.of(document(path)).events
    names = {event.tid: event.argument("name") for event in events if event.name == "thread_name"}
    rows = [_slice(event, names) for event in events if event.ph == "X"]
    if not rows:
        raise FieldError("traceEvents holds no slice of time (ph X)")
    slices = pd.DataFrame(rows).sort_values(["lane", "start_s"], kind="stable", ignore_index=True)
    lanes = tuple(name for name in names.values() if (slices["lane"] == name).any())
    notes = tuple(printable(event.name) for event in events if event.cat == "dropped")
    return Trace(slices, lanes, notes)


def _slice(event: _Event, names: dict[int, str]) -> dict[str, Any]:
    if event.tid not in names:
        raise FieldError(f"tid: expected the number of a thread that has a name, not {event.tid}")
    return {
        "lane": names[event.tid],
        "part": event.argument("part"),
        "stalled": event.cat == "stalled",
        "start_s": event.ts / MICROSECONDS,
        "end_s": (event.ts + event.dur) / MICROSECONDS,
        "round": event.count("round"),
        "model": event.argument("model") if "model" in event.args else None,
        "models": event.count("models"),
        "block": event.argument("block") if "block" in event.args else None,
        "depth": event.count("depth"),
    }
