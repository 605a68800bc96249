"""A command whose runs were all finished before: it ends without the libraries, models and data of a search."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.configuration.composition import Cell
from experiments.configuration.known import KnownRuns
from experiments.configuration.redaction import Redaction
from experiments.configuration.settings import check_run
from experiments.runs import record
from experiments.runs.manifest import Manifest, Outcome
from experiments.runs.progress import Progress
from experiments.trackers.base import Tracker


@dataclass(frozen=True)
class _Finished:
    """A run of a command; ``folder`` is its experiment's."""

    label: str
    overrides: tuple[str, ...]
    identity: str
    folder: Path


def skip(cells: Sequence[Cell], words: Sequence[str], progress: Progress) -> Outcome | None:
    """What :func:`.sweep.run` says of runs that are all finished; None if one is not, or nobody can tell so early.

    Raises:
        AlsatianError: a setting is not valid, or results cannot be written.
    """
    known, hide = KnownRuns(), Redaction(cell.plain for cell in cells)
    runs: list[_Finished] = []
    left_out: dict[str, None] = {}
    for cell in cells:
        check_run(cell.plain)
        found = None if cell.plain["force"] else known.find(cell.plain, hide.config(cell.plain))
        folder = Path(cell.plain["results_dir"]) / cell.plain["name"]
        if found is None or not record.finished(record.path_of(folder, found.identity)):
            return None
        overrides = tuple(hide.words(cell.overrides))
        runs.append(_Finished(" ".join(overrides) or found.strategy, overrides, found.identity, folder))
        left_out |= dict.fromkeys(found.left_out)
    for line in left_out:
        progress.warn(f"left out, ranked last: {line}")
    progress.start(len(runs))
    outcome = Outcome(len(runs), dict.fromkeys((run.folder for run in runs), Tracker()), skipped=len(runs))
    for folder in outcome.folders if len(runs) > 1 else ():
        there = [run for run in runs if run.folder == folder]
        manifest = Manifest(folder, shlex.join(["alsatian", "run", *hide.words(words)]), there)
        for run in there:
            manifest.note(run, "ok", None)
        manifest.save()
    for run in runs:
        progress.skip(run.label)
    return outcome
