"""What becomes of the runs of one command: in its manifests, its outcome, and what a person sees."""

from pathlib import Path

from experiments.runs import network, record
from experiments.runs.launchers.base import Answer
from experiments.runs.manifest import Manifest, Outcome
from experiments.runs.progress import Progress
from experiments.runs.queue import Command, Ready, Refused
from experiments.runs.repeat import RunFailed, failure
from experiments.trackers.base import Guarded, Tracker


class Ledger:
    """Of the runs of ``command``, told to ``progress``; several runs have a manifest for each experiment.

    Attributes:
        outcome: what became of them so far.
    """

    def __init__(self, command: Command, progress: Progress) -> None:
        self.outcome = Outcome(len(command.runs))
        self._command, self._progress = command, progress
        self._manifests: dict[Path, Manifest] = {}
        if len(command.runs) == 1:
            return  # its record says it all
        for folder in dict.fromkeys(run.folder for run in command.runs):
            runs = [run for run in command.runs if run.folder == folder]
            self._manifests[folder] = Manifest(folder, command.text, runs)

    def open(self) -> list[Ready]:
        """Write the manifests before anything runs; the runs that are to be measured."""
        pending = []
        for run in self._command.runs:
            if isinstance(run, Refused):
                reason = self._reason(run)
                self._note(run, reason.status, reason.error)
            elif self.is_finished(run):
                self._note(run, "ok")
            else:
                self._note(run, "pending")
                pending.append(run)
        for manifest in self._manifests.values():
            manifest.save()
        return pending

    def is_finished(self, run: Ready) -> bool:
        """Whether an earlier command finished ``run``, and this one does not measure it again."""
        known = record.finished if run.is_search else network.finished
        return known(run.path) and not run.setup.config["force"]

    def tracker(self, run: Ready) -> Tracker:
        """The tracker of the experiment of ``run``, which something becomes of."""
        return self.outcome.folders.setdefault(run.folder, Guarded(run.setup.tracker, self._progress.warn))

    def skip(self, run: Ready) -> None:
        """``run`` was finished before."""
        self.outcome.skipped += 1
        self._progress.skip(run.label)

    def refuse(self, run: Refused) -> None:
        """``run`` cannot be measured."""
        self.fail(run, self._reason(run))

    def fail(self, run: Ready | Refused, reason: RunFailed) -> None:
        """``run`` did not end well."""
        last = reason.error.strip().splitlines()[-1]
        self.outcome.failed.append(f"{run.label}: {last}")
        self.save(run, reason.status, last)
        self._progress.failed(run.label, reason.status)
        self._progress.trace(reason.trace)

    def hear(self, run: Ready, answer: Answer) -> None:
        """Take what a launcher's process says about ``run``, whose record it has written if it could.

        Raises:
            SavingError: it could not, nor can others.
        """
        self.tracker(run)
        for name, arguments in answer["told"]:
            getattr(self._progress, name)(*arguments)
        status, error = answer["status"], answer["error"]
        if status == "unsaved":
            raise record.SavingError(error)
        if status in ("ok", "skipped"):
            self.outcome.measured += status == "ok"
            self.outcome.skipped += status == "skipped"
            self.save(run, "ok")
            return
        if status == "interrupted":
            status, error = "failed", status
            self.save(run, status, error)
        else:
            self.fail(run, RunFailed(status, error))
        record.end(run.path, status, error)

    def save(self, run: Ready | Refused, status: str, error: str | None = None) -> None:
        """Write what became of ``run`` to its manifest."""
        self._note(run, status, error)
        if run.folder in self._manifests:
            self._manifests[run.folder].save()

    def _note(self, run: Ready | Refused, status: str, error: str | None = None) -> None:
        if run.folder in self._manifests:
            self._manifests[run.folder].note(run, status, error)

    def _reason(self, run: Refused) -> RunFailed:
        reason = failure(run.reason)
        return RunFailed(reason.status, *map(self._command.hide.text, (reason.error, reason.trace)))
