"""``alsatian simulate``: what the runs of an experiment would take, on this machine or another."""

import argparse
from pathlib import Path

from rich.console import Console

HELP = "predict what the runs of an experiment take"
OVERRIDES = "Hydra overrides, e.g. experiment=quickstart hardware=a5000"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="for records, tables and figures (default: predicted/<hardware> in the experiment's results)",
    )


def handle(options: argparse.Namespace, console: Console) -> int:
    """Predict what the words ask for, and show it as the runs themselves would be shown."""
    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    from alsatian.records import Run
    from analysis.tables.formats import terminal
    from analysis.tables.workers import ABOUT, workers_table
    from experiments.predictions.simulation import simulate
    from experiments.runs.progress import Progress
    from experiments.runs.summary import show

    words = [*["-m"] * options.multirun, *options.overrides]
    with Progress(console) as progress:
        runs = simulate(found, words, progress, options.out)
    folders = dict.fromkeys(run.folder for run in runs)
    status = max(show(folder, console) for folder in folders)
    if table := workers_table([Run.of(run.record) for run in runs]):
        console.print(f"\n{terminal(table, console.width)}\n{ABOUT}", highlight=False)
    for hardware in {run.hardware.name: run.hardware for run in runs}.values():
        console.print(f"\nhardware {hardware.name}: {hardware.about}")
    return status
