"""One repeat of a run: the search itself, and what is kept of it."""

import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.api import search
from alsatian.errors import AlsatianError, OutOfMemoryError
from alsatian.models.model_set import ModelSet
from alsatian.progress import Tick
from alsatian.runtime.memory import is_out_of_memory, return_unused
from experiments.configuration.setup import Setup
from experiments.runs import record
from experiments.runs.warm_up import warm_up


class RunFailed(Exception):
    """A repeat did not end well.

    Attributes:
        status: for the record: ``"failed"``, ``"oom"`` or ``"timeout"``.
        error: a line that a user can act on, or the end of a traceback.
    """

    def __init__(self, status: str, error: str) -> None:
        super().__init__(error)
        self.status = status
        self.error = error


@dataclass(frozen=True)
class Measured:
    """What one repeat gave, as plain data.

    Attributes:
        repeat: the measurement; see ``repeats`` in ``run.schema.json``.
        findings: rounds, ranking, winner and so on; equal for all repeats of a run.
        timeline: trace events, if asked for.
        tree: the first round's task tree by vertex; None if it is very large, or was planned by an earlier attempt.
    """

    repeat: dict[str, Any]
    findings: dict[str, Any]
    timeline: list[dict[str, Any]] | None = None
    tree: list[dict[str, Any]] | None = None


def measure(
    setup: Setup, models: ModelSet, tick: Tick, checkpoint: Path | None = None, timeline: bool = False
) -> Measured:
    """Search once in this process, which is warmed up first. ``tick`` is called after every step of a plan.

    Finished rounds are kept in the folder ``checkpoint``, if there is one, and not done again. With ``timeline``
    the result has trace events.

    Raises:
        RunFailed: anything went wrong.
    """
    config = setup.config
    if config["warm_up"]:
        warm_up(setup, models)
    limit = config["timeout_s"]
    start = time.monotonic()

    def step() -> None:
        if limit is not None and time.monotonic() - start > limit:
            raise timed_out(limit)
        tick()

    try:
        result = search(
            models,
            setup.dataset,
            **setup.search_settings(),
            checkpoint=checkpoint,
            meter_level=config["meter"]["level"],
            timeline=timeline,
            progress=step,
        )
    except RunFailed:
        raise
    except Exception as error:
        raise failure(error) from error
    return_unused()
    measurement = result.measurement
    return Measured(record.repeat(measurement), record.findings(result), measurement.timeline, result.tree)


def timed_out(limit: float) -> RunFailed:
    """The failure of a repeat that took longer than ``limit`` seconds."""
    return RunFailed("timeout", f"a repeat took longer than timeout_s={limit:g}; allow more, or null for no limit")


def failure(error: Exception) -> RunFailed:
    """What ``error`` means for a run."""
    status = "oom" if isinstance(error, OutOfMemoryError) or is_out_of_memory(error) else "failed"
    if isinstance(error, AlsatianError):
        return RunFailed(status, str(error))
    # What a user can act on is one line; of anything else the end of the traceback is kept.
    return RunFailed(status, "".join(traceback.format_exception(error)[-3:]).strip())
