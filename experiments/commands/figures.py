"""``alsatian figures``: tables, figures and report from result files alone."""

import argparse
from pathlib import Path

from rich.console import Console

HELP = "rebuild tables, figures and the report from result files"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, help="e.g. results/quickstart")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Rebuild and print the table; 1 if scores differ between strategies."""
    from experiments.runs.summary import show

    return show(options.folder, console)
