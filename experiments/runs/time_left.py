"""How long experiments will still take, from the records of runs that are finished."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

from experiments.runs.reproduction import Experiment


class TimeLeft:
    """Estimates from what is on record, of earlier commands too. ``clock`` tells the time in seconds."""

    def __init__(self, experiments: Sequence[Experiment], clock: Callable[[], float] = time.monotonic) -> None:
        self._experiments = experiments
        self._clock = clock
        self._began = clock()
        self._before = sum(sum(finished(one)) for one in experiments)

    def seconds(self, left: Sequence[Experiment]) -> float | None:
        """How long the runs of ``left`` that are not finished will take; None if nothing is known yet.

        A run takes as long as the finished ones of its experiment on average, or else as those of all. What is
        done around the runs, such as making models, takes its part as so far.
        """
        known = {one.name: finished(one) for one in self._experiments}
        everything = [seconds for own in known.values() for seconds in own]
        missing = {one.name: max(0, one.runs - len(known[one.name])) for one in left}
        if not any(missing.values()):
            return 0.0
        if not everything:
            return None
        runs = sum(count * mean(known[name] or everything) for name, count in missing.items())
        measured = sum(everything) - self._before
        return runs * (max(1.0, (self._clock() - self._began) / measured) if measured > 0 else 1.0)


def finished(experiment: Experiment) -> list[float]:
    """Seconds of each run of ``experiment`` that ended well at its scale."""
    found = (_seconds(path, experiment.scale) for path in sorted(experiment.folder.glob("*/run.json")))
    return [seconds for seconds in found if seconds is not None]


def _seconds(path: Path, scale: str) -> float | None:
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        if record["status"] != "ok" or record["config"]["scale"] != scale:
            return None
        return (
            datetime.fromisoformat(record["finished"]) - datetime.fromisoformat(record["started"])
        ).total_seconds()
    except (OSError, ValueError, KeyError, TypeError):  # no record, or of another version
        return None
