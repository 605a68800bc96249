"""Run records in files: one run, ``<experiment>/<run_id>/run.json``, an experiment's, or those of several."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.errors import nearest
from alsatian.records.base import FieldError, Record, ResultsError
from alsatian.records.groundtruth import GROUNDTRUTH, GroundTruth
from alsatian.records.run import SCHEMA, Run
from alsatian.records.sweep import Sweep
from alsatian.units import last_line, printable

RECORD = "run.json"

__all__ = [
    "RECORD", "Records", "ResultsError", "Run", "document", "files", "find", "load", "problems", "read",
    "read_run",
]  # fmt: skip


@dataclass(frozen=True)
class Records:
    """The run records that lie at one path.

    Attributes:
        path: as it was given.
        runs: records that could be read, finished or not, by experiment and path.
        problems: one line for each record that was skipped.
    """

    path: Path
    runs: list[Run]
    problems: list[str]

    @property
    def finished(self) -> list[Run]:
        """Runs that ended well: what is analysed."""
        return [run for run in self.runs if run.ok]

    @property
    def left_out(self) -> list[str]:
        """One line for each run that did not end well, and for each record that was skipped."""
        unfinished = [
            printable(f"{run.status}: {run.strategy} (run {run.run_id}): ")
            + ("not finished" if run.status == "running" else last_line(run.error))
            for run in self.runs
            if not run.ok
        ]
        return [*unfinished, *self.problems]


def load(folder: Path) -> Records:
    """Read every run record in ``folder``. Records that cannot be used are named in ``problems``.

    Raises:
        ResultsError: no run in the folder ended well.
    """
    records = read(folder)
    if not records.finished:
        raise ResultsError(f"{folder}: {_why_empty(folder, records)}")
    return records


def read(folder: Path) -> Records:
    """What :func:`load` reads, also where no run ended well.

    Raises:
        ResultsError: there is no such folder.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: there is no such folder; give one with run records, e.g. results/quickstart")
    runs: dict[str, Run] = {}
    problems: list[str] = []
    for path in sorted(folder.glob(f"*/{RECORD}")):
        try:
            run = read_run(path)
        except FieldError as error:
            problems.append(printable(f"{path}: skipped: {error}"))
            continue
        if run.run_id in runs:
            problems.append(printable(f"{path}: skipped: another folder holds run {run.run_id} too"))
        else:
            runs[run.run_id] = run
    return Records(folder, list(runs.values()), problems)


def find(path: Path) -> Records:
    """Read what lies at ``path``: a run's folder or its record, an experiment's folder, or a folder of these.

    Raises:
        ResultsError: there is no such path, or no run there ended well.
    """
    if not path.exists():
        raise ResultsError(f"{path}: there is no such file or folder; {_nearest(path)}")
    if path.is_file() or (path / RECORD).is_file():
        return _one(path if path.is_file() else path / RECORD, path)
    folders = [path] if any(path.glob(f"*/{RECORD}")) else _experiments(path)
    if not folders:
        raise ResultsError(
            f"{path}: no run records here; give the folder of a run or of an experiment, e.g. results/quickstart"
        )
    found = [read(folder) for folder in folders]
    whole = Records(
        path, [run for one in found for run in one.runs], [line for one in found for line in one.problems]
    )
    if not whole.finished:
        raise ResultsError(f"{path}: no run ended well; {whole.left_out[0]}")
    return whole


def read_run(path: Path) -> Run:
    """The run record in ``path``.

    Raises:
        FieldError: it cannot be read, is none, or is of another version.
    """
    record = document(path)
    if record.get("schema") not in (2, SCHEMA):
        raise FieldError(f"schema {record.get('schema')!r}; this version reads schema {SCHEMA}")
    return Run.of(record)


def document(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        FieldError: it cannot be read or is none.
    """
    try:
        record = json.loads(path.read_bytes(), parse_constant=_refuse)
        json.dumps(record, ensure_ascii=False).encode()
    except OSError as error:
        raise FieldError(f"cannot be read ({error.strerror})") from None
    except UnicodeEncodeError:
        raise FieldError("holds a text that is not valid Unicode") from None
    except (ValueError, RecursionError) as error:
        raise FieldError(f"not a whole JSON document ({error})") from None
    if not isinstance(record, dict):
        raise FieldError("not a record; expected a JSON object")
    return record


def files(path: Path) -> dict[Path, type[Record]]:
    """The records at or below ``path``, sorted, each with what it has to be.

    Raises:
        ResultsError: there are none.
    """
    if path.is_file():
        other = Sweep if path.parent.name == "sweeps" else Run
        return {path: GroundTruth if path.name == GROUNDTRUTH else other}
    found: dict[Path, type[Record]] = dict.fromkeys(path.rglob(RECORD), Run)
    found |= dict.fromkeys(path.rglob(GROUNDTRUTH), GroundTruth)
    found |= dict.fromkeys(path.rglob("sweeps/*.json"), Sweep)
    if not found:
        raise ResultsError(f"{path}: no run records here; give a folder with some, e.g. results/quickstart")
    return dict(sorted(found.items()))


def problems(path: Path, kind: type[Record]) -> list[str]:
    """One line, which names the file, for everything that keeps ``path`` from being such a record."""
    try:
        lines = kind.problems(document(path))
    except FieldError as error:
        lines = [str(error)]
    return [printable(f"{path}: {line}") for line in lines]


def _one(record: Path, path: Path) -> Records:
    try:
        run = read_run(record)
    except FieldError as error:
        raise ResultsError(printable(f"{record}: {error}")) from None
    records = Records(path, [run], [])
    if not run.ok:
        raise ResultsError(f"{path}: {records.left_out[0]}")
    return records


def _experiments(folder: Path) -> list[Path]:
    """The folders of experiments in ``folder``."""
    return sorted({record.parent.parent for record in folder.glob(f"*/*/{RECORD}")})


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _why_empty(folder: Path, records: Records) -> str:
    """The end of the error about a folder without a usable record."""
    if lines := records.left_out:
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return f"no run ended well; {lines[0]}{more}"
    if (folder / RECORD).is_file():
        return f"this is one run; give the folder above it, {folder.parent}"
    if inside := _experiments(folder):
        return f"no run records here; give one of its folders, e.g. {inside[0]}"
    return "no run records here; expected <run_id>/run.json in it, as `alsatian run` writes them"


def _nearest(path: Path) -> str:
    """What stands beside the path that is not there."""
    there = next(parent for parent in path.absolute().parents if parent.is_dir())
    names = (entry.name for entry in there.glob("[!.]*"))
    return f"in {there}: {nearest(path.absolute().relative_to(there).parts[0], names)}"
