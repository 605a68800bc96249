"""The table at the end of a run."""

import contextlib
import json
import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from alsatian.contents import stamp
from alsatian.errors import AlsatianError
from alsatian.files import claimed, remove_temporaries, write_json
from alsatian.fingerprint import digest_json
from alsatian.records import PREDICTED, ResultsError
from experiments.configuration.known import code
from experiments.runs import record
from experiments.trackers.base import Tracker

# What was shown last, and of which files.
_SHOWN = ".shown.json"
_NOT_SHOWN = "sweeps"  # a folder that every command writes to


def show(
    folder: Path,
    console: Console,
    tracker: Tracker | None = None,
    figure: Mapping[str, Any] | None = None,
    typed: bool = True,
) -> int:
    """Rebuild the report of ``folder``, print its table and tell ``tracker``; 1 if scores differ.

    ``figure`` says what to draw instead of what the records say; only if that was ``typed`` it is an error that it
    cannot be drawn. If nothing in the folder has changed since it was built in the same way, the report stays.

    Raises:
        AlsatianError: there is no usable record, ``figure`` cannot be drawn, or the folder cannot be written; the
            records are intact.
    """
    how = [str(folder), console.width, figure, typed]
    if tracker is None and (shown := _shown(folder, how)) is not None:
        console.print(shown[0], markup=False, highlight=False)
        return shown[1]
    from analysis.report import build  # imports pandas and matplotlib, which takes seconds

    try:
        with claimed(folder, wait=True) if folder.is_dir() else nullcontext():
            for place in ("figures", "figures/paper"):
                remove_temporaries(folder / place)
            built = build.build(folder, console.width, figure, typed)
            status = 1 if any(check.mismatches for check in built.checks) else 0
            _keep(folder, how, built.text, status)
    except ResultsError as error:
        raise AlsatianError(str(error)) from None
    except OSError as error:
        raise record.SavingError(record.cannot_write(Path(error.filename or folder), error)) from None
    console.print(built.text, markup=False, highlight=False)
    if tracker is not None:
        tracker.figures(folder, built.files)
    return status


def _shown(folder: Path, how: Any) -> tuple[str, int] | None:
    """What was shown of ``folder`` in this way, with its status, if everything there is as it was then."""
    try:
        kept = json.loads((folder / _SHOWN).read_bytes())
        return (str(kept["text"]), int(kept["status"])) if kept["key"] == _key(folder, how) else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _keep(folder: Path, how: Any, text: str, status: int) -> None:
    with contextlib.suppress(OSError):  # it only saves time
        write_json(folder / _SHOWN, {"key": _key(folder, how), "text": text, "status": status})


def _key(folder: Path, how: Any) -> str:
    """A digest of what a report is made of, and of its files: names, sizes and times of change."""
    files = []
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(path) != folder or name != _NOT_SHOWN)
        files += [Path(path, name) for name in sorted(names) if name != _SHOWN and not name.endswith(".tmp")]
    # A figure of the paper may draw what other experiments have measured.
    if folder.parent.name == PREDICTED:
        files += sorted(folder.absolute().parents[2].glob(f"*/{PREDICTED}/{folder.name}/*/*.json"))
    else:
        files += sorted(file for file in folder.parent.glob("*/*/*.json") if file.parent.name != _NOT_SHOWN)
    return digest_json([how, code(), [[str(file), *stamp(os.stat(file))] for file in files]])
