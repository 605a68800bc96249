"""Runs behind a path: one run, an experiment's folder, or a folder of experiments."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from alsatian.records import reading
from alsatian.records.fields import FieldError
from alsatian.records.reading import ResultsError, Run
from alsatian.units import printable

RECORD = "run.json"


@dataclass(frozen=True)
class Source:
    """What one path holds.

    Attributes:
        path: as it was given.
        runs: those that ended well, by experiment in the order of their folders' names.
        problems: one line for each record that was skipped and each run that did not end well.
    """

    path: Path
    runs: tuple[Run, ...]
    problems: tuple[str, ...]


def find(path: Path) -> Source:
    """Read what lies at ``path``: a run's folder or its record, an experiment's folder, or a folder of these.

    Raises:
        ResultsError: there is no such path, or no run there ended well.
    """
    if not path.exists():
        raise ResultsError(f"{path}: there is no such file or folder; {_nearest(path)}")
    if path.is_file() or (path / RECORD).is_file():
        return _one(path if path.is_file() else path / RECORD, path)
    if any(path.glob(f"*/{RECORD}")):
        folders = [path]
    else:
        folders = sorted({record.parent.parent for record in path.glob(f"*/*/{RECORD}")})
    if not folders:
        raise ResultsError(
            f"{path}: no run records here; give the folder of a run or of an experiment, e.g. results/quickstart"
        )
    found = [reading.read(folder) for folder in folders]
    runs = tuple(run for one in found for run in one.finished)
    problems = tuple(line for one in found for line in (*one.unfinished, *one.problems))
    if not runs:
        raise ResultsError(f"{path}: no run ended well; {problems[0]}")
    return Source(path, runs, problems)


def _one(record: Path, path: Path) -> Source:
    try:
        run = reading.read_run(record)
    except FieldError as error:
        raise ResultsError(printable(f"{record}: {error}")) from None
    if not run.ok:
        raise ResultsError(f"{path}: {reading.Records([run], []).unfinished[0]}")
    return Source(path, (run,), ())


def _nearest(path: Path) -> str:
    """What stands beside the path that is not there."""
    there = next(parent for parent in path.absolute().parents if parent.is_dir())
    names = sorted(_names(there))
    close = get_close_matches(path.absolute().relative_to(there).parts[0], names, 1, 0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"{there} holds {', '.join(names[:5])}" if names else f"{there} is empty"


def _names(folder: Path) -> Iterator[str]:
    try:
        yield from (entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return
