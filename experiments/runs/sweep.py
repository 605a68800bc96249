"""Carries out the runs of a command, one after the other; one that fails does not stop the others."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alsatian.files import claimed
from experiments.configuration.composition import Cell
from experiments.runs import network, record, saving
from experiments.runs.execution import carry_out
from experiments.runs.manifest import Manifest
from experiments.runs.progress import Progress
from experiments.runs.queue import Run, plan
from experiments.runs.repeat import failure
from experiments.trackers.base import Guarded, Tracker


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


def run(cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> Outcome:
    """Carry out ``cells``, which ``words`` asked for. Runs that were finished before are skipped.

    Raises:
        AlsatianError: a configuration is not valid or no model set can be had, and nothing was measured; or
            results cannot be written, and those from before are intact.
        KeyboardInterrupt: after the run in flight was recorded as interrupted.
    """
    return _Sweep(cells, words, progress).carry_out()


class _Sweep:
    """The runs of one command and their manifests, one for each experiment among them."""

    def __init__(self, cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> None:
        self._command = plan(cells, words, progress.step)
        self._progress = progress
        self._outcome = Outcome(len(self._command.runs))
        self._manifests: dict[Path, Manifest] = {}
        if len(self._command.runs) == 1:
            return  # its record says it all
        for folder in dict.fromkeys(run.folder for run in self._command.runs):
            runs = [run for run in self._command.runs if run.folder == folder]
            self._manifests[folder] = Manifest(folder, self._command.text, runs)

    def carry_out(self) -> Outcome:
        """See :func:`run`."""
        for run in self._command.runs:
            self._note(run, self._before(run))
        for manifest in self._manifests.values():
            manifest.save()
        self._progress.start(len(self._command.runs))
        for run in self._command.runs:
            failures = len(self._outcome.failed)
            self._one(run)
            if len(self._outcome.failed) > failures and run.setup.config["fail_fast"]:
                break
        return self._outcome

    def _one(self, run: Run) -> None:
        """Carry out a run, unless it cannot be had or was finished before."""
        if isinstance(run.models, Exception):
            self._failed(run, self._before(run))
            return
        tracker = self._outcome.folders.setdefault(run.folder, Guarded(run.setup.tracker, self._progress.warn))
        with contextlib.ExitStack() as held:
            try:
                ours = held.enter_context(claimed(run.path.parent, wait=False))
            except OSError as error:
                raise saving.SavingError(saving.cannot_write(run.path, error)) from None
            if not ours:
                self._failed(run, {"status": "running", "error": "another process is measuring this run"})
            elif self._before(run)["status"] == "ok":
                self._outcome.skipped += 1
                self._progress.skip(run.label)
            else:
                self._measure(run, tracker)

    def _measure(self, run: Run, tracker: Tracker) -> None:
        self._save(run, {"status": "running", "error": None})
        try:
            if run.is_search:
                entry = carry_out(run, self._command, self._progress, tracker)
            else:
                entry = network.carry_out(run, self._command, self._progress)
        except KeyboardInterrupt:
            self._save(run, {"status": "failed", "error": "interrupted"})
            raise
        if entry["status"] != "ok":
            self._failed(run, entry)
            return
        self._outcome.measured += 1
        self._save(run, entry)
        self._progress.done(run.label, entry)

    def _before(self, run: Run) -> dict[str, Any]:
        """Status and error of a run that has not been started by this command."""
        if isinstance(run.models, Exception):
            reason = failure(run.models)
            return {"status": reason.status, "error": self._command.hide.text(reason.error)}
        known = record.finished if run.is_search else network.finished
        done = known(run.path) and not run.setup.config["force"]
        return {"status": "ok" if done else "pending", "error": None}

    def _failed(self, run: Run, entry: dict[str, Any]) -> None:
        last = str(entry["error"]).strip().splitlines()[-1]
        self._outcome.failed.append(f"{run.label}: {last}")
        self._save(run, {**entry, "error": last})
        self._progress.failed(run.label, entry["status"])

    def _note(self, run: Run, entry: dict[str, Any]) -> None:
        if run.folder in self._manifests:
            self._manifests[run.folder].note(run, entry["status"], entry["error"])

    def _save(self, run: Run, entry: dict[str, Any]) -> None:
        self._note(run, entry)
        if run.folder in self._manifests:
            self._manifests[run.folder].save()
