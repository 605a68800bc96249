"""The runs of a command, measured one after the other; one that fails does not stop the others."""

import contextlib
from collections.abc import Generator, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median

from alsatian.errors import ConfigError
from alsatian.files import claimed
from alsatian.records import MEASURED, Run, read
from alsatian.records.settings import difference
from experiments.configuration.components import build
from experiments.configuration.composition import Cell
from experiments.runs import network, record
from experiments.runs.execution import execute
from experiments.runs.launchers.base import Launcher
from experiments.runs.launchers.launch import Launch
from experiments.runs.ledger import Ledger
from experiments.runs.manifest import Outcome
from experiments.runs.progress import Progress
from experiments.runs.queue import Ready, Refused, plan, summaries
from experiments.runs.repeat import RunFailed
from experiments.trackers.base import Later, Tracker


def run(cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> Outcome:
    """Measure ``cells``, which ``words`` asked for. Runs that were finished before are skipped.

    Raises:
        AlsatianError: a configuration is not valid or no model set can be had, and nothing was measured; or
            results cannot be written, and those from before are intact.
        KeyboardInterrupt: after the run in flight was recorded as interrupted.
    """
    if any(cell.plain["launcher"] != cells[0].plain["launcher"] for cell in cells):
        raise ConfigError("launcher: all runs of a command have one, with the same settings; choose one")
    launcher: Launcher = build(cells[0].plain["launcher"], Launcher)
    return _Sweep(cells, words, progress).run(launcher)


def measure(cell: Cell, words: Sequence[str], progress: Progress) -> Outcome:
    """Measure the one run of ``cell`` in this process, whatever its launcher; the command says what is about all.

    Raises:
        AlsatianError, KeyboardInterrupt: see :func:`run`.
    """
    return _Sweep([cell], words, progress).measure()


class _Sweep:
    """The runs of one command."""

    def __init__(self, cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> None:
        self._command = plan(cells, words, progress.step)
        self._words = self._command.hide.words(words)
        self._progress = progress
        self._ledger = Ledger(self._command, progress)
        # Records of earlier commands, by folder; read when the first run there is measured.
        self._earlier: dict[Path, list[Run]] = {}

    def measure(self) -> Outcome:
        """See :func:`measure`."""
        self._together(self._command.runs)
        return self._ledger.outcome

    def run(self, launcher: Launcher) -> Outcome:
        """See :func:`run`."""
        pending = self._ledger.open()
        for text in summaries(pending):
            self._progress.say(text)
        refused = [r.models.refused for r in self._command.runs if isinstance(r, Ready)]
        for line in dict.fromkeys(line for lines in refused for line in lines.values()):
            self._progress.warn(f"left out, ranked last: {line}")
        self._progress.start(len(self._command.runs))
        if launcher.parallel:
            self._launch(launcher, pending)
            return self._ledger.outcome
        for runs in _turns(self._command.runs):
            failures = len(self._ledger.outcome.failed)
            self._together(runs)
            if len(self._ledger.outcome.failed) > failures and runs[0].setup.config["fail_fast"]:
                break
        return self._ledger.outcome

    def _together(self, runs: Sequence[Ready | Refused]) -> None:
        """Measure ``runs`` that were not finished before: of each a repeat, then of each another one, and so on."""
        with contextlib.ExitStack() as held:
            under_way = {}
            for run in runs:
                if isinstance(run, Refused):
                    self._ledger.refuse(run)
                elif self._is_ours(run, held):
                    steps = self._measure(run, alone=len(runs) == 1)
                    under_way[run.identity] = held.enter_context(contextlib.closing(steps))
            while under_way:
                for identity, steps in list(under_way.items()):
                    if next(steps, "ended") is not None:
                        del under_way[identity]

    def _launch(self, launcher: Launcher, pending: Sequence[Ready]) -> None:
        """Have ``launcher`` carry out ``pending`` runs; what is refused fails, and what is finished is skipped."""
        wanted = {run.path: run for run in reversed(pending)}  # what two of them measure is measured once
        for run in self._command.runs:
            if isinstance(run, Refused):
                self._ledger.refuse(run)
            elif self._ledger.is_finished(run):
                self._ledger.skip(run)
        runs = list(wanted.values())[::-1]
        configs = [run.setup.config for run in runs]
        fail_fast = any(config["fail_fast"] for config in configs)
        if not runs or (fail_fast and self._ledger.outcome.failed):
            return
        share = launcher.share(len(runs), max(config["device"]["threads"] or 0 for config in configs))
        self._progress.say(f"Runs are measured {share}")
        tasks = [
            {
                "label": run.label,
                "overrides": run.overrides,
                "config": config | {"launcher": config["launcher"] | asdict(share)},
                "words": self._words,
            }
            for run, config in zip(runs, configs, strict=True)
        ]
        with Launch(launcher, tasks, share, Path(configs[0]["results_dir"])) as launch:
            try:
                for number, answer in launch:
                    self._ledger.hear(runs[number], answer)
                    if fail_fast and self._ledger.outcome.failed:
                        launch.stop()
            except KeyboardInterrupt:
                launch.stop()
                for number, answer in launch:
                    self._ledger.hear(runs[number], answer)
                raise
        for run in pending:
            if run is not wanted[run.path] and self._ledger.is_finished(run):
                self._ledger.skip(run)

    def _is_ours(self, run: Ready, held: contextlib.ExitStack) -> bool:
        """Whether ``run`` is to be measured here, by nobody else as long as ``held``."""
        try:
            ours = held.enter_context(claimed(run.path.parent, wait=False))
        except OSError as error:
            raise record.SavingError(record.cannot_write(run.path, error)) from None
        if not ours:
            self._ledger.fail(run, RunFailed("running", "another process is measuring this run"))
        elif self._ledger.is_finished(run):
            self._ledger.skip(run)
            return False
        return ours

    def _measure(self, run: Ready, alone: bool) -> Generator[None, None, None]:
        """Measure ``run``, with a pause after every repeat; a tracker hears of runs ``alone`` as they go on."""
        tracker = self._ledger.tracker(run)
        if run.is_search and (why := self._why_anew(run)):
            self._progress.note(run.label, f"measured anew: {why}")
        self._forget(run, succeeded=False)
        self._ledger.save(run, "running")
        try:
            if run.is_search:
                summary = yield from self._search(run, tracker if alone else Later(tracker))
            else:
                summary = self._examine(run)
        except (KeyboardInterrupt, GeneratorExit):
            self._ledger.save(run, "failed", "interrupted")
            raise
        except RunFailed as error:
            self._ledger.fail(run, error)
            return
        self._ledger.outcome.measured += 1
        self._forget(run, succeeded=True)
        self._ledger.save(run, "ok")
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
        if disturbed := sum(repeat.disturbed and not repeat.beside for repeat in entry.repeats):
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
