"""One measurement of a head and of the workers that it waits for."""

from dataclasses import dataclass, field, replace
from typing import Any

from alsatian.records.conditions import Conditions
from alsatian.records.repeat import WorkerShare, added, largest
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.timeline import MAIN

WAITING = "other"
"""The part that the head's waiting for workers is charged to, until they say what they did."""
_IN_HEAD = 1  # the number of the head's process in a trace
_LANES = 1000  # more than a process has


@dataclass
class Workers:
    """What workers measured, by name; of one that took another's place what both did.

    Attributes:
        latest: of the process that has the name now.
        began: its start, in seconds of the epoch.
    """

    latest: dict[str, Measurement] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    _before: dict[str, WorkerShare] = field(default_factory=dict)
    _traces: dict[str, list[tuple[float, list[dict[str, Any]]]]] = field(default_factory=dict)

    def hear(self, name: str, measurement: Measurement, began: float) -> None:
        """``measurement`` is all that the process called ``name``, whose clock ``began`` then, did so far."""
        if self.began.get(name, began) != began:
            gone = _share(self.latest[name])
            self._before[name] = self._before[name].plus(gone) if name in self._before else gone
        self.latest[name], self.began[name] = measurement, began
        if measurement.timeline is not None:
            traces = [one for one in self._traces.get(name, []) if one[0] != began]
            self._traces[name] = [*traces, (began, measurement.timeline)]

    def shares(self) -> dict[str, WorkerShare]:
        """Of every worker, by name."""
        now = {name: _share(found) for name, found in sorted(self.latest.items())}
        return {name: self._before[name].plus(s) if name in self._before else s for name, s in now.items()}

    def joined(self, own: Measurement, start: float) -> Measurement:
        """The head's ``own`` measurement, which began at ``start`` (seconds of the epoch), with those of workers.

        The head's waiting is divided into parts as the workers' mean, so that parts add up to the wall time still;
        what workers were idle for stays waiting. Busy seconds and counters are sums, peaks those of the one that
        had the largest, since budgets are each worker's own.
        """
        if not self.latest:
            return own
        shares = self.shares()
        busy, counters = (added(*(getattr(s, name) for s in shares.values())) for name in ("busy_s", "counters"))
        parts, stalled = self.parts(own.parts_s, own.stalled_s)
        return replace(
            own,
            parts_s=parts,
            stalled_s=stalled,
            busy_s=added(own.busy_s, busy) if own.busy_s else {},
            counters={key: round(value) for key, value in sorted(added(own.counters, counters).items())},
            peaks=dict(sorted(largest(own.peaks, *(share.peaks for share in shares.values())).items())),
            conditions=own.conditions and self._conditions(own.conditions),
            timeline=None if own.timeline is None else [*own.timeline, *self._trace(start)],
            workers=shares,
        )

    def parts(self, own: dict[str, float], stalled: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
        """The head's ``own`` seconds of each part, and those ``stalled``, with its waiting divided."""
        if not own or not self.latest:
            return own, stalled
        waited, shares = stalled[WAITING], self.shares().values()
        mean = {part: seconds / len(shares) for part, seconds in added(*(s.parts_s for s in shares)).items()}
        scale = min(1.0, waited / total) if (total := sum(mean.values())) else 0.0
        idle = max(0.0, waited - scale * total)
        kept = {**own, WAITING: own[WAITING] - waited + idle}
        return added(kept, {part: scale * seconds for part, seconds in mean.items()}), {**stalled, WAITING: idle}

    def _conditions(self, own: Conditions) -> Conditions:
        """Workers on the head's machine are no others."""
        used = sum(found.conditions.cpu_s or 0.0 for found in self.latest.values() if found.conditions)
        others = None if own.others_s is None else max(0.0, own.others_s - used)
        return own.model_copy(update={"others_s": others, "cpu_s": (own.cpu_s or 0.0) + used})

    def _trace(self, start: float) -> list[dict[str, Any]]:
        """Trace events of the workers, each a process of its own, on the head's clock. Their lanes have names and
        numbers of their own, for readers that know of one process."""
        events = []
        for number, (name, traces) in enumerate(sorted(self._traces.items()), start=_IN_HEAD + 1):
            for began, trace in traces:
                for event in trace:
                    moved = {**event, "pid": number, "tid": number * _LANES + event["tid"]}
                    if "ts" in event:
                        moved["ts"] = event["ts"] + round((began - start) * 1e9) / 1000
                    if event["name"] == "process_name":
                        moved["args"] = {"name": name}
                    elif event["name"] == "thread_name":
                        lane = event["args"]["name"]
                        moved["args"] = {"name": name if lane == MAIN else f"{name}, {lane}"}
                    events.append(moved)
        return events


def _share(found: Measurement) -> WorkerShare:
    # Differences of estimated seconds may be below zero by a rounding.
    parts = {part: max(0.0, seconds) for part, seconds in found.parts_s.items()}
    worked = sum(parts.values()) if parts else found.wall_s
    return WorkerShare(
        wall_s=worked, parts_s=parts, busy_s=found.busy_s, counters=found.counters, peaks=found.peaks
    )
