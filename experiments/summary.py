"""The table at the end of a run."""

from pathlib import Path

from rich.console import Console

from alsatian.errors import AlsatianError
from analysis import report
from analysis.records import ResultsError


def show(folder: Path, console: Console) -> int:
    """Rebuild the report of ``folder`` and print its table; 1 if scores differ between strategies.

    Raises:
        AlsatianError: there is no usable record, or the folder cannot be written.
    """
    try:
        built = report.build(folder)
    except ResultsError as error:
        raise AlsatianError(str(error)) from None
    except OSError as error:
        raise AlsatianError(f"{folder}: tables and figures cannot be written there ({error.strerror})") from None
    console.print(built.text, markup=False, highlight=False)
    return 1 if any(check.mismatches for check in built.checks) else 0
