"""The manifest of a sweep, ``<experiment>/sweeps/<sweep_id>.json``: what became of its runs so far.

It is written before anything runs and kept current. The same command finds the same manifest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from alsatian.files import claimed
from alsatian.fingerprint import digest_json
from alsatian.records.sweep import Sweep, SweepRun
from experiments.runs import record
from experiments.trackers.base import Tracker


class Listed(Protocol):
    """A run as manifests know it: what was chosen for it, for people, and its identity, None if it has none."""

    @property
    def label(self) -> str: ...
    @property
    def overrides(self) -> tuple[str, ...]: ...
    @property
    def identity(self) -> str | None: ...


class Manifest:
    """The manifest in ``folder``, an experiment's, of the ``runs`` that ``command`` asked for."""

    def __init__(self, folder: Path, command: str, runs: Sequence[Listed]) -> None:
        ids = [run.identity for run in runs]
        self._id = digest_json([[list(run.overrides), own] for run, own in zip(runs, ids, strict=True)])[:16]
        self._command, self._started = command, record.now()
        self.path = folder / "sweeps" / f"{self._id}.json"
        self._runs = {
            id(run): SweepRun(label=run.label, overrides=run.overrides, run_id=own)
            for run, own in zip(runs, ids, strict=True)
        }

    def note(self, run: Listed, status: str, error: str | None) -> None:
        """Note what became of ``run``, without writing; see :meth:`save`."""
        self._runs[id(run)] = self._runs[id(run)].model_copy(update={"status": status, "error": error})

    def save(self) -> None:
        """Write the manifest as it is now.

        Raises:
            SavingError: it cannot be written.
        """
        runs = tuple(self._runs.values())
        statuses = [run.status for run in runs]
        content = Sweep(
            schema=1,
            sweep_id=self._id,
            command=self._command,
            started=self._started,
            updated=record.now(),
            done=statuses.count("ok"),
            failed=sum(status not in ("ok", "pending", "running") for status in statuses),
            runs=runs,
        )
        try:
            with claimed(self.path.parent, wait=True):
                record.save(self.path, content.plain())
        except OSError as error:
            raise record.SavingError(record.cannot_write(self.path, error)) from None


@dataclass
class Outcome:
    """What became of the runs of one command.

    Attributes:
        runs: how many the command asked for.
        folders: results folders of the experiments, for the analysis, each with its tracker.
        measured: how many were measured and ended well.
        skipped: how many were finished before.
        failed: one line for each that failed.
    """

    runs: int
    folders: dict[Path, Tracker] = field(default_factory=dict)
    measured: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """One line, also about those that were not started since one before them failed."""
        left = self.runs - self.measured - self.skipped - len(self.failed)
        parts = [f"{self.measured} measured", f"{self.skipped} finished before", f"{len(self.failed)} failed"]
        stopped = [f"{left} not started (fail_fast=true)"] if left else []
        return f"{self.runs} runs: {', '.join([*parts, *stopped])}"
