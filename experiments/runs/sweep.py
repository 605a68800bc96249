"""The runs of a command, measured one after the other; one that fails does not stop the others."""

import contextlib
import itertools
import textwrap
from collections.abc import Generator, Sequence
from pathlib import Path
from statistics import median

from alsatian.files import claimed
from alsatian.records import MEASURED, Run, read
from alsatian.records.settings import difference
from experiments.configuration.composition import Cell
from experiments.runs import network, record
from experiments.runs.execution import execute
from experiments.runs.manifest import Manifest, Outcome
from experiments.runs.progress import Progress
from experiments.runs.queue import Ready, Refused, plan
from experiments.runs.repeat import RunFailed, failure
from experiments.trackers.base import Guarded, Later, Tracker


def run(cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> Outcome:
    """Measure ``cells``, which ``words`` asked for. Runs that were finished before are skipped.

    Raises:
        AlsatianError: a configuration is not valid or no model set can be had, and nothing was measured; or
            results cannot be written, and those from before are intact.
        KeyboardInterrupt: after the run in flight was recorded as interrupted.
    """
    return _Sweep(cells, words, progress).run()


class _Sweep:
    """The runs of one command and their manifests, one for each experiment among them."""

    def __init__(self, cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> None:
        self._command = plan(cells, words, progress.step)
        self._progress = progress
        self._outcome = Outcome(len(self._command.runs))
        self._manifests: dict[Path, Manifest] = {}
        # Records of earlier commands, by folder; read when the first run there is measured.
        self._earlier: dict[Path, list[Run]] = {}
        if len(self._command.runs) == 1:
            return  # its record says it all
        for folder in dict.fromkeys(run.folder for run in self._command.runs):
            runs = [run for run in self._command.runs if run.folder == folder]
            self._manifests[folder] = Manifest(folder, self._command.text, runs)

    def run(self) -> Outcome:
        """See :func:`run`."""
        pending = []
        for run in self._command.runs:
            if isinstance(run, Refused):
                reason = self._reason(run)
                self._note(run, reason.status, reason.error)
            elif self._is_finished(run):
                self._note(run, "ok")
            else:
                self._note(run, "pending")
                pending.append(run)
        for manifest in self._manifests.values():
            manifest.save()
        self._summarise(pending)
        refused = [r.models.refused for r in self._command.runs if isinstance(r, Ready)]
        for line in dict.fromkeys(line for lines in refused for line in lines.values()):
            self._progress.warn(f"left out, ranked last: {line}")
        self._progress.start(len(self._command.runs))
        for runs in _turns(self._command.runs):
            failures = len(self._outcome.failed)
            self._together(runs)
            if len(self._outcome.failed) > failures and runs[0].setup.config["fail_fast"]:
                break
        return self._outcome

    def _summarise(self, pending: Sequence[Ready]) -> None:
        """Say what the data and the models of ``pending`` runs are, before any of them starts."""
        said = [(run.setup.dataset.name, run.setup.dataset.summary) for run in pending]
        for place, (name, summary) in enumerate(said):
            if summary is not None and (name, summary) not in said[:place]:
                self._progress.say(summary.text(name))
        of_sets: dict[str, dict[str, None]] = {}
        for run in pending:
            of_sets.setdefault(run.setup.config["model_set"]["name"], {}).update(dict.fromkeys(run.models.notes))
        for name, notes in of_sets.items():
            if notes:
                wrapped = (textwrap.wrap(n, 80, initial_indent="  ", subsequent_indent="    ") for n in notes)
                self._progress.say("\n".join([f"Models {name}", *itertools.chain.from_iterable(wrapped)]))

    def _together(self, runs: Sequence[Ready | Refused]) -> None:
        """Measure ``runs`` that were not finished before: of each a repeat, then of each another one, and so on."""
        with contextlib.ExitStack() as held:
            under_way = {}
            for run in runs:
                if isinstance(run, Refused):
                    self._failed(run, self._reason(run))
                elif self._is_ours(run, held):
                    steps = self._measure(run, alone=len(runs) == 1)
                    under_way[run.identity] = held.enter_context(contextlib.closing(steps))
            while under_way:
                for identity, steps in list(under_way.items()):
                    if next(steps, "ended") is not None:
                        del under_way[identity]

    def _is_ours(self, run: Ready, held: contextlib.ExitStack) -> bool:
        """Whether ``run`` is to be measured here, by nobody else as long as ``held``."""
        try:
            ours = held.enter_context(claimed(run.path.parent, wait=False))
        except OSError as error:
            raise record.SavingError(record.cannot_write(run.path, error)) from None
        if not ours:
            self._failed(run, RunFailed("running", "another process is measuring this run"))
        elif self._is_finished(run):
            self._outcome.skipped += 1
            self._progress.skip(run.label)
            return False
        return ours

    def _measure(self, run: Ready, alone: bool) -> Generator[None, None, None]:
        """Measure ``run``, with a pause after every repeat; a tracker hears of runs ``alone`` as they go on."""
        tracker = self._outcome.folders.setdefault(run.folder, Guarded(run.setup.tracker, self._progress.warn))
        if run.is_search and (why := self._why_anew(run)):
            self._progress.note(run.label, f"measured anew: {why}")
        self._forget(run, succeeded=False)
        self._save(run, "running")
        try:
            if run.is_search:
                summary = yield from self._search(run, tracker if alone else Later(tracker))
            else:
                summary = self._examine(run)
        except (KeyboardInterrupt, GeneratorExit):
            self._save(run, "failed", "interrupted")
            raise
        except RunFailed as error:
            self._failed(run, error)
            return
        self._outcome.measured += 1
        self._forget(run, succeeded=True)
        self._save(run, "ok")
        self._progress.done(run.label, summary)

    def _forget(self, run: Ready, succeeded: bool) -> None:
        """Remove failed runs of this label that it takes the place of; see :func:`~.record.forget`."""
        if run.is_search:
            for identity in record.forget(run.folder, run.opening(self._command.text), succeeded):
                self._progress.note(run.label, f"the failed run {identity} before it is removed")

    def _search(self, run: Ready, tracker: Tracker) -> Generator[None, None, str]:
        entry = yield from execute(run, self._command, self._progress, tracker)
        if not entry.ok:
            raise RunFailed(entry.status, self._command.hide.text(str(entry.error)))
        seconds = [repeat.wall_s for repeat in entry.quiet]
        if disturbed := sum(repeat.disturbed for repeat in entry.repeats):
            self._progress.note(run.label, f"others disturbed {disturbed} of {len(entry.repeats)} repeats")
        best = f"best model {entry.winner}, {entry.rounds[-1].scores[str(entry.winner)]:.4f}"
        return f"{median(seconds):.1f} s (median of {len(seconds)}), {best}"

    def _examine(self, run: Ready) -> str:
        try:
            return network.examine(run, self._command, self._progress)
        except RunFailed as error:
            raise RunFailed(error.status, *map(self._command.hide.text, (error.error, error.trace))) from None

    def _why_anew(self, run: Ready) -> str | None:
        """How ``run`` differs from the latest finished one of its label; None without one, or if it is forced."""
        if run.folder not in self._earlier:
            self._earlier[run.folder] = read(run.folder).finished
        same = [one for one in self._earlier[run.folder] if one.kind == MEASURED and _is_label(run, one)]
        if not same or any(one.run_id == run.identity for one in same):
            return None
        latest = max(same, key=lambda one: (one.started, one.run_id))
        return difference(latest, run.opening(self._command.text))

    def _reason(self, run: Refused) -> RunFailed:
        reason = failure(run.reason)
        return RunFailed(reason.status, *map(self._command.hide.text, (reason.error, reason.trace)))

    def _is_finished(self, run: Ready) -> bool:
        """Whether an earlier command finished ``run``, and this one does not measure it again."""
        known = record.finished if run.is_search else network.finished
        return known(run.path) and not run.setup.config["force"]

    def _failed(self, run: Ready | Refused, reason: RunFailed) -> None:
        last = reason.error.strip().splitlines()[-1]
        self._outcome.failed.append(f"{run.label}: {last}")
        self._save(run, reason.status, last)
        self._progress.failed(run.label, reason.status)
        self._progress.trace(reason.trace)

    def _note(self, run: Ready | Refused, status: str, error: str | None = None) -> None:
        if run.folder in self._manifests:
            self._manifests[run.folder].note(run, status, error)

    def _save(self, run: Ready | Refused, status: str, error: str | None = None) -> None:
        self._note(run, status, error)
        if run.folder in self._manifests:
            self._manifests[run.folder].save()


def _turns(runs: Sequence[Ready | Refused]) -> list[list[Ready | Refused]]:
    """What is measured together: runs that differ in the strategy alone, where ``interleaved`` says so."""
    found: dict[object, list[Ready | Refused]] = {}
    for number, run in enumerate(runs):
        others = tuple(word for word in run.overrides if not word.startswith("strategy="))
        config = run.setup.config
        found.setdefault(others if config["interleaved"] and config["measure"] == "search" else number, []).append(
            run
        )
    return list(found.values())


def _is_label(run: Ready, earlier: Run) -> bool:
    """Whether ``earlier`` was labelled as ``run`` is; records of schema 2 name the strategy only."""
    return earlier.label == run.label if earlier.label else earlier.strategy == run.setup.strategy.name
