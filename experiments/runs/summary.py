"""The table at the end of a run."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from alsatian.errors import AlsatianError
from alsatian.files import claimed, remove_temporaries
from alsatian.records import ResultsError
from analysis.report import build
from experiments.runs import record
from experiments.trackers.base import Tracker


def show(
    folder: Path,
    console: Console,
    tracker: Tracker | None = None,
    figure: Mapping[str, Any] | None = None,
    typed: bool = True,
) -> int:
    """Rebuild the report of ``folder``, print its table and tell ``tracker``; 1 if scores differ.

    ``figure`` says what to draw instead of what the records say; only if that was ``typed`` it is an error that it
    cannot be drawn.

    Raises:
        AlsatianError: there is no usable record, ``figure`` cannot be drawn, or the folder cannot be written; the
            records are intact.
    """
    try:
        with claimed(folder, wait=True) if folder.is_dir() else nullcontext():
            remove_temporaries(folder / "figures")
            built = build.build(folder, console.width, figure, typed)
    except ResultsError as error:
        raise AlsatianError(str(error)) from None
    except OSError as error:
        raise record.SavingError(record.cannot_write(Path(error.filename or folder), error)) from None
    console.print(built.text, markup=False, highlight=False)
    if tracker is not None:
        tracker.figures(folder, built.files)
    return 1 if any(check.mismatches for check in built.checks) else 0
