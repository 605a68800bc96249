"""``alsatian validate``: check run records and sweeps against their JSON Schemas."""

import argparse
from pathlib import Path

from rich.console import Console

HELP = "check run records against their JSON Schema"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("paths", type=Path, nargs="+", metavar="FOLDER", help="results, or parts of them")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print one line for every problem; 1 if there is one."""
    from alsatian.errors import AlsatianError
    from alsatian.records import Record, ResultsError, reading

    found: dict[Path, type[Record]] = {}
    try:
        for path in options.paths:
            found |= reading.files(path)
    except ResultsError as error:
        raise AlsatianError(str(error)) from None
    problems = [line for path, kind in sorted(found.items()) for line in reading.problems(path, kind)]
    for line in problems:
        console.print(line)
    what = f"{len(found)} file{'s' * (len(found) != 1)}"
    verdict = f"{len(problems)} problem{'s' * (len(problems) != 1)}" if problems else "all valid"
    console.print(f"{what} checked: {verdict}")
    return 1 if problems else 0
