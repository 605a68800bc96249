"""``alsatian config``: what the runs of an experiment are set to, and where every value comes from."""

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from experiments.configuration.composition import Cell

HELP = "show the settings of runs, and where each comes from"
OVERRIDES = "Hydra overrides, e.g. experiment=fig10 scale=ci"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print every run's settings whole, for programs")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print what all runs have in common, then what each run has of its own."""
    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun, origins=True)
    if options.json:
        runs = [{"chosen": cell.overrides, "config": cell.plain, "from": cell.origins} for cell in found]
        console.out(json.dumps(runs, indent=2), highlight=False)
        return 0
    settings = [_settings(cell) for cell in found]
    first = settings[0]
    common = {key: said for key, said in first.items() if all(own.get(key) == said for own in settings)}
    runs_text = "one run" if len(found) == 1 else f"all {len(found)} runs"
    _show(console, f"Settings of {runs_text}", common)
    if len(found) > 1:
        for i, (cell, own) in enumerate(zip(found, settings, strict=True), 1):
            title = f"\nRun {i}: {' '.join(cell.overrides)}"
            _show(console, title, {key: said for key, said in own.items() if key not in common})
    return 0


def _settings(cell: "Cell") -> dict[str, tuple[str, str]]:
    """Value and source by dotted key."""
    found = {}

    def walk(node: Mapping[str, Any], prefix: str) -> None:
        for name, value in node.items():
            key = f"{prefix}{name}"
            if isinstance(value, dict) and value:
                walk(value, f"{key}.")
            else:
                found[key] = (json.dumps(value), cell.origin(key))

    walk(cell.plain, "")
    return found


def _show(console: Console, title: str, settings: Mapping[str, tuple[str, str]]) -> None:
    console.print(title, style="bold")
    table = Table.grid(padding=(0, 2))
    for column in ("key", "value", "from"):
        table.add_column(column, overflow="fold")
    for key, (value, source) in sorted(settings.items()):
        table.add_row(Text(f"  {key}"), Text(value), Text(source, style="dim"))
    console.print(table, soft_wrap=False)
