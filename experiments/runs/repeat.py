"""One repeat of a run: the search itself, and what is kept of it."""

import time
import traceback
from pathlib import Path
from typing import Any

from alsatian.api import Prediction, SearchResult, search
from alsatian.errors import FOREIGN, AlsatianError, OutOfMemoryError, told
from alsatian.models.model_set import ModelSet
from alsatian.progress import Tick
from alsatian.records import FieldError, Findings, Record, Repeat
from alsatian.records.tree import Tree
from alsatian.runtime.memory import is_out_of_memory, return_unused
from experiments.configuration.setup import Setup
from experiments.runs.warm_up import warm_up


class RunFailed(Exception):
    """A repeat did not end well.

    Attributes:
        status: for the record: ``"failed"``, ``"oom"`` or ``"timeout"``.
        error: a line that a user can act on, or the end of a traceback.
        trace: the whole traceback, if there is one.
    """

    def __init__(self, status: str, error: str, trace: str = "") -> None:
        super().__init__(error)
        self.status = status
        self.error = error
        self.trace = trace


class Measured(Record):
    """What one repeat gave: parts of the run's record, and trace events if asked for."""

    repeat: Repeat
    findings: Findings
    timeline: list[dict[str, Any]] | None = None
    tree: Tree | None = None


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
    warmed = warm_up(setup, models)
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
        return_unused()
        measured = kept(result)
        return measured.model_copy(update={"repeat": measured.repeat.model_copy(update={"warm_up": warmed})})
    except FOREIGN as error:
        raise failure(error) from error


def kept(result: SearchResult | Prediction) -> Measured:
    """What a record keeps of ``result``.

    Raises:
        FieldError: a value is not what a record may hold.
    """
    measurement, names = result.measurement, ("resolved", "excluded", "rounds", "winner")
    findings = {"ranking": result.ranked, **{name: getattr(result, name) for name in names}}
    findings["warnings"] = getattr(result, "warnings", ())  # which predictions have none of
    return Measured.of(
        {"repeat": measurement, "findings": findings, "timeline": measurement.timeline, "tree": result.tree}
    )


def timed_out(limit: float) -> RunFailed:
    """The failure of a repeat that took longer than ``limit`` seconds."""
    return RunFailed("timeout", f"a repeat took longer than timeout_s={limit:g}; allow more, or null for no limit")


def failure(error: BaseException) -> RunFailed:
    """What ``error`` means for a run."""
    if isinstance(error, RunFailed):
        return error
    status = "oom" if isinstance(error, OutOfMemoryError) or is_out_of_memory(error) else "failed"
    lines = traceback.format_exception(error)
    if isinstance(error, AlsatianError | FieldError):
        return RunFailed(status, str(error), "".join(lines))
    # What a user can act on is one line; of anything else the end of the traceback is kept, and the line about it.
    return RunFailed(status, "".join([*lines[-3:], told(error)]).strip(), "".join(lines))
