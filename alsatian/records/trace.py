"""Reads the timeline of a run, ``timeline.json``, as slices of time."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ConfigDict, Field

from alsatian.records.base import Count, FieldError, Record, Seconds
from alsatian.records.reading import document
from alsatian.units import printable

MICROSECONDS = 1e6
# Of the width of a panel.
VISIBLE = 1 / 400


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
        slices: columns ``lane``, ``part``, ``stalled``, ``start_s``, ``end_s``; those of a lane are in order
            and do not overlap.
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

    def between(self, start: float, end: float) -> pd.DataFrame:
        """The slices from ``start`` to ``end`` seconds, cut off there."""
        inside = self.slices[(self.slices["end_s"] > start) & (self.slices["start_s"] < end)]
        cut = {"start_s": inside["start_s"].clip(lower=start), "end_s": inside["end_s"].clip(upper=end)}
        return inside.assign(**cut)

    def shares(self, edges: np.ndarray) -> pd.DataFrame:
        """How much of the time between each two of ``edges`` (N + 1,) every lane spent on every part.

        Columns ``lane``, ``part``, ``stalled``, ``start_s``, ``end_s`` and ``share`` (0 to 1), N rows for each
        lane, part and kind of work that occurs.
        """
        found = []
        for key, rows in self.slices.groupby(["lane", "part", "stalled"], sort=False):
            lane, part, stalled = key
            knots = rows[["start_s", "end_s"]].to_numpy().ravel()
            done = np.repeat(np.concatenate([[0.0], np.cumsum(rows["end_s"] - rows["start_s"])]), 2)[1:-1]
            share = np.diff(np.interp(edges, knots, done)) / np.diff(edges)
            found.append(
                pd.DataFrame(
                    {
                        "lane": lane,
                        "part": part,
                        "stalled": stalled,
                        "start_s": edges[:-1],
                        "end_s": edges[1:],
                        "share": np.clip(share, 0, 1),
                    }
                )
            )
        return pd.concat(found, ignore_index=True)

    def richest(self, seconds: float) -> float:
        """Start of the stretch of ``seconds`` in which the most slices are long enough to be seen.

        Of equal stretches it is the first.
        """
        starts = np.arange(0, max(self.end_s - seconds, 0) + 1e-9, seconds / 8)
        long = self.slices["end_s"] - self.slices["start_s"] >= seconds * VISIBLE
        middles = np.sort(self.slices[["start_s", "end_s"]].mean(axis=1)[long])
        count = np.searchsorted(middles, starts + seconds) - np.searchsorted(middles, starts)
        return float(starts[int(np.argmax(count))])


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
    }
