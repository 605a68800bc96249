"""``alsatian simulate``: what the runs of an experiment would take, on this machine or another."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from experiments.predictions.simulation import Simulated

HELP = "predict what the runs of an experiment take"
PARTS = ("prepare_model", "prepare_data", "inference", "proxy_scoring", "cache_io")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("-m", "--multirun", action="store_true", help="allow several values: key=a,b")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="for the JSON (default: simulated.json in the experiment's results)",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="Hydra overrides, e.g. experiment=quickstart hardware=a5000",
    )


def handle(options: argparse.Namespace, console: Console) -> int:
    """Predict what the words ask for; print a row for each run and write all of it as JSON."""
    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    from alsatian.files import make_folder, write_json
    from experiments.predictions.simulation import simulate
    from experiments.runs.progress import Progress

    with Progress(console) as progress:
        runs = simulate(found, progress)
    console.print(table(runs, console.width), markup=False, highlight=False)
    for hardware in {run.hardware.name: run.hardware for run in runs}.values():
        console.print(f"\nhardware {hardware.name}: {hardware.source}", markup=False, highlight=False)
    config = found[0].config
    path = options.out or Path(config.results_dir) / config.name / "simulated.json"
    make_folder(path.parent)
    write_json(path, {"runs": [run.as_dict() for run in runs]})
    console.print(f"written: {path}", markup=False, highlight=False)
    return 0


def table(runs: "Sequence[Simulated]", width: int) -> str:
    """A row for each run, as text for a terminal of ``width`` characters."""
    import pandas as pd

    from analysis.tables.formats import Table, terminal

    rows = []
    for run in runs:
        taken = run.prediction.measurement
        parts = {f"{part}_s": taken.parts_s[part] for part in PARTS}
        rows.append(
            {
                "run": run.label,
                "wall_s": taken.wall_s,
                "speedup": run.base_s / taken.wall_s if run.base_s else math.nan,
                **parts,
                "other_s": max(0.0, taken.wall_s - sum(parts.values())),
                "bytes_read": taken.counters.get("bytes_read", 0),
                "cache_peak_bytes": taken.peaks.get("cache_bytes", 0),
                "block_peak_bytes": taken.peaks.get("resident_block_bytes", 0),
                "scores": "recorded" if run.recorded else "drawn",
            }
        )
    return terminal(Table.of(pd.DataFrame(rows)), width)
