"""Carries out one run and keeps its record up to date."""

import shutil
from pathlib import Path
from typing import Any

from alsatian.errors import AlsatianError
from alsatian.files import write_bytes
from alsatian.models.model_set import ModelSet
from alsatian.runtime.meter.timeline import trace_bytes
from alsatian.runtime.storage.page_cache import WARM
from experiments.configuration.setup import use_threads
from experiments.runs import record, saving
from experiments.runs.environment import environment
from experiments.runs.progress import Progress
from experiments.runs.queue import Command, Run
from experiments.runs.repeat import Measured, RunFailed, failure, measure
from experiments.runs.worker import measure_apart
from experiments.trackers.base import Tracker


def carry_out(run: Run, command: Command, progress: Progress, tracker: Tracker) -> dict[str, Any]:
    """Measure ``run``, whose model set is there, and return its record, which is saved.

    Raises:
        SavingError: the record cannot be written.
        KeyboardInterrupt: after this was recorded.
    """
    config = run.setup.config
    assert isinstance(run.models, ModelSet)
    assert run.identity is not None
    use_threads(config)
    entry = record.opening(
        run.identity, run.shown, command.text, run.models, run.setup.dataset, run.setup.storage, environment()
    )
    record.save(run.path, command.hide.everywhere(entry))
    tracker.started(run.label, run.folder, command.hide.everywhere(entry))
    found: dict[str, Any] = {}
    try:
        for index in range(config["repeats"]):
            measured = _measure(run, index, progress)
            entry["repeats"].append(measured.repeat)
            tracker.repeat(index, measured.repeat)
            found = found or measured.findings
            entry["tree"] = entry["tree"] or measured.tree
            if measured.findings != found:
                raise AlsatianError("repeats of one run differ in their scores; the device is not deterministic")
        entry |= found
        entry |= _verdict(entry)
    except KeyboardInterrupt:
        entry |= {"status": "failed", "error": "interrupted"}
        raise
    except Exception as error:
        entry |= _failed(error)
    finally:
        entry["finished"] = record.now()
        entry = _keep(run, command, entry)
        if entry["status"] == "ok":
            shutil.rmtree(_rounds(run), ignore_errors=True)
        _tell(tracker, entry)
    return entry


def _measure(run: Run, index: int, progress: Progress) -> Measured:
    config = run.setup.config
    assert isinstance(run.models, ModelSet)
    tick = progress.repeat(run.label, index, config["repeats"])
    checkpoint = _rounds(run) / str(index) if config["checkpoint"] else None
    timeline = config["meter"]["timeline"] and index == 0  # one repeat says enough
    if config["fresh_process"]:
        measured = measure_apart(config, checkpoint, timeline)
    else:
        measured = measure(run.setup, run.models, tick, checkpoint, timeline)
    if measured.timeline is not None:
        path = run.path.with_name("timeline.json")
        try:
            write_bytes(path, trace_bytes(measured.timeline))
        except OSError as error:
            raise saving.SavingError(saving.cannot_write(path, error)) from None
    return measured


def _rounds(run: Run) -> Path:
    """Where finished rounds are kept, a folder for each repeat, until the run is on record."""
    return run.path.parent / "rounds"


def _verdict(entry: dict[str, Any]) -> dict[str, Any]:
    """Status and error of a run whose search ended."""
    repeats = entry["repeats"]
    if over := record.over_budget(entry):
        return {"status": "invalid", "error": f"a budget was exceeded: {over[0]}"}
    if not all(repeat["valid"] for repeat in repeats):
        return {"status": "invalid", "error": "the parts of a repeat do not add up to its wall time"}
    if warm := sum(repeat["counters"].get("warm_reads", 0) for repeat in repeats):
        return {"status": "invalid", "error": WARM.format(count=warm)}
    return {"status": "ok", "error": None}


def _failed(error: Exception) -> dict[str, Any]:
    reason = error if isinstance(error, RunFailed) else failure(error)
    return {"status": reason.status, "error": reason.error}


def _keep(run: Run, command: Command, entry: dict[str, Any]) -> dict[str, Any]:
    """Save the record and return what was saved: without results if they are not what they should be."""
    shown: dict[str, Any] = command.hide.everywhere(entry)
    try:
        record.save(run.path, shown)
    except saving.SavingError:
        raise
    except (AlsatianError, TypeError, ValueError) as error:  # does not fit the schema, or no JSON: NaN
        shown |= {
            "repeats": [],
            "rounds": [],
            "ranking": [],
            "winner": None,
            "resolved": {},
            "excluded": {},
            "tree": None,
        }
        shown |= _failed(error)
        record.save(run.path, shown)
    return shown


def _tell(tracker: Tracker, entry: dict[str, Any]) -> None:
    """Tell the tracker how the run ended and what it found."""
    for index, round_ in enumerate(entry["rounds"]):
        tracker.round(index, round_)
    if entry["ranking"]:
        tracker.ranking(entry["ranking"])
    tracker.ended(entry["status"], entry["error"])
