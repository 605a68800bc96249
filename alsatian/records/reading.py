"""Run records of a folder: ``<folder>/<run_id>/run.json``."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.records.fields import FieldError, Fields
from alsatian.records.parsing import parse_run
from alsatian.records.schema import SCHEMA, Run
from alsatian.units import last_line, printable

__all__ = ["Records", "ResultsError", "Run", "load"]


class ResultsError(Exception):
    """There is nothing to analyse; the message names the folder and what would be right."""


@dataclass(frozen=True)
class Records:
    """All run records of a folder.

    Attributes:
        runs: records that could be read, finished or not, by path.
        problems: one line for each record that was skipped.
    """

    runs: list[Run]
    problems: list[str]

    @property
    def finished(self) -> list[Run]:
        """Runs that ended well: what is analysed."""
        return [run for run in self.runs if run.ok]

    @property
    def unfinished(self) -> list[str]:
        """One line for each run that did not end well."""
        return [
            printable(f"{run.status}: {run.strategy} (run {run.run_id}): ")
            + ("not finished" if run.status == "running" else last_line(run.error))
            for run in self.runs
            if not run.ok
        ]


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
    for path in sorted(folder.glob("*/run.json")):
        try:
            run = read_run(path)
        except FieldError as error:
            problems.append(printable(f"{path}: skipped: {error}"))
            continue
        if run.run_id in runs:
            problems.append(printable(f"{path}: skipped: another folder holds run {run.run_id} too"))
        else:
            runs[run.run_id] = run
    return Records(list(runs.values()), problems)


def read_run(path: Path) -> Run:
    """The run record in ``path``.

    Raises:
        FieldError: it cannot be read, is none, or is of another version.
    """
    record = document(path)
    if record.get("schema") != SCHEMA:
        raise FieldError(f"schema {record.get('schema')!r}; this version reads schema {SCHEMA}")
    return parse_run(Fields(record))


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


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _why_empty(folder: Path, records: Records) -> str:
    """The end of the error about a folder without a usable record."""
    if records.unfinished or records.problems:
        lines = [*records.unfinished, *records.problems]
        more = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
        return f"no run ended well; {lines[0]}{more}"
    if (folder / "run.json").is_file():
        return f"this is one run; give the folder above it, {folder.parent}"
    inside = sorted({path.parent.parent for path in folder.glob("*/*/run.json")})
    if inside:
        return f"no run records here; give one of its folders, e.g. {inside[0]}"
    return "no run records here; expected <run_id>/run.json in it, as `alsatian run` writes them"
