"""``alsatian check``: whether a strategy, order, schedule, cache policy or proxy does what searches rely on."""

import argparse
import textwrap
from typing import Any

from rich.console import Console

HELP = "check that a strategy, order, schedule, cache policy or proxy does what searches rely on"
OVERRIDES = (
    "what to check, e.g. strategy=shift, order=dfs, schedule=halving, cache=lru, proxy=knn, with its settings"
)
_WIDTH = 80


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--limit", type=seconds, default=20.0, metavar="SECONDS", help="that a case may take; default: 20"
    )


def seconds(text: str) -> float:
    """A limit of time as it is typed."""
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} seconds are no limit; give a positive number")
    return value


def handle(options: argparse.Namespace, console: Console) -> int:
    """Check what the words choose and print a table for each; 1 if a property does not hold."""
    from experiments.configuration.composition import cells

    cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    from experiments.checking.worker import Checked, check
    from experiments.runs.progress import Progress

    status, cases = 0, 0
    with Progress(console) as progress:
        for found in check(options.overrides, options.multirun, options.limit):
            if isinstance(found, Checked):
                console.print(_table(found, min(console.width, _WIDTH)))
                if options.traceback and found.traceback:
                    progress.say(found.traceback)
                status = max(status, 0 if found.passed else 1)
            else:
                cases += 1
                progress.measuring(found[:40], cases, cases)
    return status


def _table(found: Any, width: int) -> str:
    names = [judgement.name for judgement in found.judgements]
    column = max(len(name) for name in names)
    lines = [
        f"{found.subject}: {'passed' if found.passed else 'FAILED'}",
        f"  {'property':{column}}  cases  result",
    ]
    for one in found.judgements:
        result = "pass" if not one.failed else f"FAILED in {one.failed}"
        lines.append(f"  {one.name:{column}}  {one.cases:5}  {result if one.cases else 'not judged'}")
    for one in found.judgements:
        if one.failure is not None:
            about = [f"Not so: {one.name}.", f"Smallest case: {one.failure.case}.", one.failure.reason]
            lines += ["", *(line for text in about for line in textwrap.wrap(text, width, subsequent_indent="  "))]
    return "\n".join([*lines, ""])
