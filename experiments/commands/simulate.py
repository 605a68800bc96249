"""``alsatian simulate``: what the runs of an experiment would take, on this machine or another."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from experiments.simulated import Simulated

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
    from experiments.config import cells

    found = cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    from alsatian.files import make_folder, write_json
    from experiments.progress import Progress
    from experiments.simulated import simulate, speedups

    with Progress(console) as progress:
        runs = simulate(found, progress.step, progress.measuring)
    bases = speedups(runs)
    console.print(table(runs, bases), markup=False, highlight=False)
    for hardware in {run.hardware.name: run.hardware for run in runs}.values():
        console.print(f"\nhardware {hardware.name}: {hardware.source}", markup=False, highlight=False)
    config = found[0].config
    path = options.out or Path(config.results_dir) / config.name / "simulated.json"
    make_folder(path.parent)
    rows = [run.as_dict(base) | {"hardware": run.hardware.name} for run, base in zip(runs, bases, strict=True)]
    write_json(path, {"overrides": options.overrides, "runs": rows})
    console.print(f"written: {path}", markup=False, highlight=False)
    return 0


def table(runs: "Sequence[Simulated]", bases: Sequence[float | None]) -> str:
    """A row for each run, as text for a terminal."""
    from alsatian.units import format_bytes
    from analysis import grid

    header = [
        ("run", False),
        ("wall s", True),
        ("over base", True),
        *((f"{part.replace('_', ' ')} s", True) for part in PARTS),
        ("other s", True),
        ("read", True),
        ("cache peak", True),
        ("blocks peak", True),
        ("scores", False),
    ]
    rows = []
    for run, base in zip(runs, bases, strict=True):
        found = run.prediction.measurement
        named = [found.parts_s[part] for part in PARTS]
        peaks = found.peaks
        rows.append(
            [
                run.label,
                f"{found.wall_s:.2f}",
                f"{base / found.wall_s:.2f}×" if base else "",
                *(f"{seconds:.2f}" for seconds in (*named, found.wall_s - sum(named))),
                format_bytes(found.counters.get("bytes_read", 0)),
                format_bytes(peaks.get("cache_bytes", 0)),
                format_bytes(peaks.get("resident_block_bytes", 0)),
                run.scores,
            ]
        )
    return grid.text(header, rows, 160, wrap=("run",))
