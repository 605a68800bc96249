"""``alsatian coverage``: the study of the same name, with results in a folder of their own."""

import argparse
from pathlib import Path

from rich.console import Console

from experiments.studies import coverage
from experiments.studies.study import write

HELP = "split many architectures and check that their blocks compute the same"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    coverage.configure(parser)
    parser.add_argument(
        "--out", type=Path, default=Path("results/coverage"), metavar="FOLDER", help="default: %(default)s"
    )


def handle(options: argparse.Namespace, console: Console) -> int:
    """Measure, write ``coverage.csv`` and ``coverage.md``; 1 if a model is not exact."""
    return write("coverage", "alsatian coverage", coverage, options, console.print)
