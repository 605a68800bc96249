"""``alsatian profile``: what this machine needs for the parts of a search."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from alsatian.costs.hardware import Hardware

HELP = "measure what this machine needs for the parts of a search"
OVERRIDES = "Hydra overrides, e.g. experiment=quickstart"
COLUMNS = ("architecture", "position", "parameters", "load ms", "inference ms/item", "output/item")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--again", action="store_true", help="measure also what is known, e.g. if others were busy")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write one profile of all, for hardware.file=FILE on any machine"
    )
    parser.add_argument("--name", default="measured", help="of that profile (default: measured)")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Measure what is not known yet for every model set and data that the words ask for; print it."""
    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun)  # before the slow imports: bad words end at once
    from alsatian.costs.profiling.profile import as_table, merged, portable, segment_keys
    from experiments.configuration.setup import Parts, use_threads
    from experiments.runs.progress import Progress

    parts, profiles, shown = Parts(), [], set()
    with Progress(console) as progress:
        for cell in found:
            setup = parts.setup(cell.plain)
            models = parts.model_set(setup.config, progress.step)
            use_threads(setup.config)
            hardware = setup.measure_hardware(models, progress.measuring, options.again)
            profiles.append(portable(hardware, models))
            rows = as_table(models, hardware, segment_keys(models), setup.config["batch_size"])
            lines = [_table(rows, console.width), "", *_rest(hardware, setup.config)]
            if (text := "\n".join(lines)) not in shown:
                console.print(text)
            shown.add(text)
        if busy := max(one.busy for one in profiles):
            progress.warn(
                f"other processes kept {busy:.1f} cores busy while (part of) this was measured, so it was measured "
                "longer and may still be too slow; the same command on a quiet machine replaces it"
            )
    if options.out is not None:
        merged(profiles, options.name).write(options.out)
        console.print(f"\nwritten: {options.out}")
    return 0


def _table(rows: Sequence[Mapping[str, Any]], width: int) -> str:
    """Blocks as a table for a terminal."""
    from alsatian.units import format_bytes
    from analysis.tables.formats import Table, terminal

    cells = [
        (
            str(row["architecture"]),
            str(row["position"]),
            format_bytes(row["parameter_bytes"]),
            f"{1e3 * row['load_s']:.3f}",
            f"{1e3 * row['infer_s_per_item']:.4f}",
            format_bytes(row["output_bytes_per_item"]),
        )
        for row in rows
    ]
    return terminal(Table("", COLUMNS, cells, numeric=tuple(range(1, len(COLUMNS)))), width)


def _rest(hardware: "Hardware", config: Mapping[str, Any]) -> list[str]:
    """Lines about everything but blocks."""
    from alsatian.units import format_bytes

    def rate(value: float) -> str:
        return f"{format_bytes(round(value))}/s"

    prepare = ", ".join(f"{1e3 * seconds:.4f}" for seconds in hardware.prepare_s.values())
    score = hardware.score
    growing = {
        f"for every {score.step_items:g} training items": score.step_s,
        "per million of their values": 1e6 * score.train_value_s,
        "per million pairs of them": 1e6 * score.pair_s,
        "per million values of pairs": 1e6 * score.pair_value_s,
        "per million units of a decomposition": 1e6 * score.spectrum_s,
        "per million units of a covariance": 1e6 * score.covariance_s,
        "per million units of steps by products": 1e6 * score.least_s,
    }
    proxy = [f"{1e3 * score.fixed_s:.1f} ms", *(f"{1e3 * s:.3g} ms {unit}" for unit, s in growing.items() if s)]
    return [
        f"store: {rate(hardware.store_bytes_per_s)} and {1e3 * hardware.store_fixed_s:.3f} ms a block",
        f"to the device: {rate(hardware.load_bytes_per_s)} and {1e3 * hardware.load_fixed_s:.3f} ms a block",
        f"data: {prepare} ms an item, in batches of {config['batch_size']}",
        f"proxy: {', '.join(proxy)}",
        *(
            f"{tier} tier: {rate(write)} written, {rate(read)} read"
            for tier, (write, read) in hardware.tier_bytes_per_s.items()
        ),
        *(
            f"computing while {rate(speed)} are read: {share:.0%} slower"
            for speed, share in hardware.read_ahead_loss
        ),
        hardware.about,
    ]
