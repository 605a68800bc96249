"""Writes run records: one JSON file a run, whole or not at all, readable without this code."""

import contextlib
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alsatian.errors import AlsatianError
from alsatian.files import claimed, write_json
from alsatian.records import MEASURED, SCHEMA, Environment, FieldError, Run, read, read_run
from alsatian.records.budgets import exceeded
from alsatian.records.reading import RECORD
from experiments.configuration.identity import sources

if TYPE_CHECKING:
    from alsatian.models.model_set import CandidateSet
    from experiments.configuration.setup import Setup


class SavingError(AlsatianError):
    """A result file cannot be written. What the results folder held before is intact."""


def finished(path: Path) -> bool:
    """Whether ``path`` is the record of a run that ended well, as this version writes it."""
    try:
        run = read_run(path)
    except FieldError:
        return False
    return run.ok and run.version == SCHEMA and run.kind == MEASURED


def now() -> str:
    """The time, for people, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def path_of(folder: Path, identity: str, name: str = RECORD) -> Path:
    """Where the record of a run lies in its experiment's ``folder``."""
    return folder / identity / name


def opening(
    identity: str,
    label: str,
    config: Mapping[str, Any],
    command: str,
    models: "CandidateSet",
    setup: "Setup",
    machine: Environment,
) -> Run:
    """The record of a run that starts now. ``label``, ``config`` and ``command`` hold no secrets any more."""
    dataset, storage = setup.dataset, setup.storage
    return Run.of(
        {
            "schema": SCHEMA,
            "run_id": identity,
            "experiment": config["name"],
            "label": label,
            "status": "running",
            "error": None,
            "command": command,
            "started": now(),
            "finished": None,
            "config": config,
            "sources": sources(config, models),
            "model_set": {
                "name": config["model_set"]["name"],
                "digest": models.digest,
                "models": len(models.candidates),
                "notes": models.notes,
                "blocks": sum(len(c.blocks) for c in models.candidates),
                "distinct_blocks": len({b.identity for c in models.candidates for b in c.blocks}),
                "total_bytes": models.total_bytes,
                "distinct_bytes": models.distinct_bytes,
            },
            "dataset": {
                "name": dataset.name,
                "digest": dataset.digest,
                "train_items": len(dataset.train_items),
                "test_items": len(dataset.test_items),
                "classes": dataset.classes,
                "summary": dataset.summary,
            },
            "environment": machine,
            "storage": {"bandwidth": storage.bytes_per_second, "cold": storage.cold},
            "repeats": [],
        }
    )


def over_budget(run: Run) -> list[str]:
    """What :func:`exceeded` says of every repeat of ``run``: there should be nothing."""
    return [line for repeat in run.repeats for line in exceeded(run.resolved, repeat.peaks)]


def forget(folder: Path, run: Run, succeeded: bool) -> list[str]:
    """Remove runs in an experiment's ``folder`` that failed and whose place ``run`` takes; returns their ids.

    These are runs of its label whose source files were others than they are now; if it ``succeeded``, all of its
    label but those that have finished rounds to go on from.
    """
    removed = []
    for other in read(folder).runs if folder.is_dir() else ():
        place = folder / other.run_id
        if other.ok or other.status == "running" or other.kind != MEASURED or other.run_id == run.run_id:
            continue
        if (other.label or other.strategy) != run.label:
            continue
        outdated = any(run.sources.get(key, digest) != digest for key, digest in other.sources.items())
        if outdated or (succeeded and not (place / "rounds").exists()):
            with claimed(place, wait=False) as ours:
                if ours:
                    shutil.rmtree(place, ignore_errors=True)
                    removed.append(other.run_id)
    return removed


def end(path: Path, status: str, error: str) -> None:
    """Have the record at ``path`` say how its run ended, if it says that the run goes on although nobody measures
    it: its process died.

    Raises:
        SavingError: it cannot be written.
    """
    if not path.exists():
        return
    with claimed(path.parent, wait=False) as ours, contextlib.suppress(FieldError):
        if ours and (run := read_run(path)).status == "running":
            save(path, run.model_copy(update={"status": status, "error": error, "finished": now()}).plain())


def save(path: Path, value: Mapping[str, Any]) -> None:
    """Write ``value``, a whole record, as JSON; what was there before stays until the new file is whole.

    Raises:
        SavingError: the disk is full or the folder cannot be written to.
    """
    try:
        write_json(path, value)
    except OSError as error:
        raise SavingError(cannot_write(path, error)) from None


def cannot_write(path: Path, error: OSError) -> str:
    """The line about a result file that cannot be written."""
    return (
        f"{path}: cannot be written ({error.strerror or error}); earlier results are intact: make sure that "
        "the folder is writable and the disk has space, then the same command continues"
    )
