"""Measures one run and keeps its record up to date."""

import shutil
from collections.abc import Generator
from pathlib import Path
from typing import Any

from alsatian.errors import FOREIGN, AlsatianError
from alsatian.files import write_bytes
from alsatian.records import Findings, Run
from alsatian.runtime.meter.timeline import trace_bytes
from alsatian.runtime.storage.page_cache import WARM
from experiments.configuration.setup import use_threads
from experiments.runs import record
from experiments.runs.progress import Progress
from experiments.runs.queue import Command, Ready
from experiments.runs.repeat import Measured, failure, measure
from experiments.runs.worker import measure_apart
from experiments.trackers.base import Tracker


def execute(run: Ready, command: Command, progress: Progress, tracker: Tracker) -> Generator[None, None, Run]:
    """Measure ``run``, pause after every repeat, and return its record, which is saved.

    A repeat that others disturbed is followed by another one at the end if ``repeat_disturbed`` says so. What is
    given up in a pause is recorded as interrupted.

    Raises:
        SavingError: the record cannot be written.
        KeyboardInterrupt: after this was recorded.
    """
    config = run.setup.config
    use_threads(config)
    entry = run.opening(command.text)
    tracker.started(run.label, run.folder, _save(run, command, entry))
    findings: Findings | None = None
    try:
        while (index := len(entry.repeats)) < (count := _wanted(config, entry)):
            measured = _measure(run, index, count, progress)
            tracker.repeat(index, measured.repeat.plain())
            findings = findings or measured.findings
            entry = _with(entry, repeats=(*entry.repeats, measured.repeat), tree=entry.tree or measured.tree)
            if _found(measured.findings) != _found(findings):
                raise AlsatianError("repeats of one run differ in their scores; the device is not deterministic")
            yield
        entry = _with(entry, **dict(findings or ()))
        entry = _with(entry, **_verdict(entry))
    except (KeyboardInterrupt, GeneratorExit):
        entry = _with(entry, status="failed", error="interrupted")
        raise
    except FOREIGN as error:
        reason = failure(error)
        progress.trace(command.hide.text(reason.trace))
        entry = _with(entry, status=reason.status, error=reason.error)
    finally:
        entry = _with(entry, finished=record.now())
        saved = _save(run, command, entry)
        if entry.ok:
            shutil.rmtree(_rounds(run), ignore_errors=True)
        _tell(tracker, saved)
    return entry


def _wanted(config: dict[str, Any], entry: Run) -> int:
    """How many repeats there have to be: those asked for, and another for each of them that others disturbed, but
    for runs beside it, which would do so again."""
    asked: int = config["repeats"]
    again = config["repeat_disturbed"]
    return asked + sum(one.disturbed and not one.beside for one in entry.repeats[:asked] if again)


def _with(entry: Run, **values: Any) -> Run:
    """``entry`` with other values, which are records themselves."""
    return entry.model_copy(update=values)


def _found(findings: Findings) -> Findings:
    """Without how the rounds were carried out, which may follow from what was measured anew."""
    return findings.model_copy(
        update={"rounds": tuple(one.model_copy(update={"chunks": 0}) for one in findings.rounds)}
    )


def _save(run: Ready, command: Command, entry: Run) -> dict[str, Any]:
    """Save the record and return what was saved, which holds no secrets."""
    shown: dict[str, Any] = command.hide.everywhere(entry.plain())
    record.save(run.path, shown)
    return shown


def _measure(run: Ready, index: int, count: int, progress: Progress) -> Measured:
    config = run.setup.config
    tick = progress.repeat(run.label, index, count)
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
            raise record.SavingError(record.cannot_write(path, error)) from None
    return measured


def _rounds(run: Ready) -> Path:
    """Where finished rounds are kept, a folder for each repeat, until the run is on record."""
    return run.path.parent / "rounds"


def _verdict(entry: Run) -> dict[str, Any]:
    """Status and error of a run whose search ended."""
    if over := record.over_budget(entry):
        return {"status": "invalid", "error": f"a budget was exceeded: {over[0]}"}
    if not all(repeat.valid for repeat in entry.repeats):
        return {"status": "invalid", "error": "the parts of a repeat do not add up to its wall time"}
    # What another run is reading cannot be dropped; the times of both decide nothing anyway.
    if warm := sum(repeat.counters.get("warm_reads", 0) for repeat in entry.repeats if not repeat.beside):
        return {"status": "invalid", "error": WARM.format(count=warm)}
    return {"status": "ok", "error": None}


def _tell(tracker: Tracker, entry: dict[str, Any]) -> None:
    """Tell the tracker how the run ended and what it found."""
    for index, round_ in enumerate(entry["rounds"]):
        tracker.round(index, round_)
    if entry["ranking"]:
        tracker.ranking(entry["ranking"])
    tracker.ended(entry["status"], entry["error"])
