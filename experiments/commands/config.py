"""``alsatian config``: what the runs of an experiment are set to, and where every value comes from."""

import argparse
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from experiments.configuration.composition import Cell

HELP = "show the settings of runs, and where each comes from"
OVERRIDES = "Hydra overrides, e.g. experiment=fig10 scale=ci"
# Values of one setting that are shown, and characters of each; --json has them whole.
SHOWN, LONG = 4, 32


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print every run's settings whole, for programs")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print what all runs have in common, then in what they differ, and which runs there are."""
    from experiments.configuration.composition import cells

    found = cells(options.overrides, options.multirun, origins=True)
    if options.json:
        runs = [{"chosen": cell.overrides, "config": cell.plain, "from": cell.origins} for cell in found]
        console.out(json.dumps(runs, indent=2), highlight=False)
        return 0
    settings = [_settings(cell) for cell in found]
    common = {
        key: (value, "; ".join(dict.fromkeys(own[key][1] for own in settings)))
        for key, (value, _) in sorted(settings[0].items())
        if all(own.get(key, ("",))[0] == value for own in settings)
    }
    runs_text = "one run" if len(found) == 1 else f"all {len(found)} runs"
    _show(console, f"Settings of {runs_text}", common)
    if len(found) > 1:
        _show(console, "\nSettings in which they differ", _differing(settings, common))
        _show(console, "\nRuns", {str(i): (" ".join(cell.overrides), "") for i, cell in enumerate(found, 1)})
    return 0


def _differing(
    settings: Sequence[Mapping[str, tuple[str, str]]], common: Collection[str]
) -> dict[str, tuple[str, str]]:
    """All values of each key and in how many runs they are, most first, and all sources."""
    found = {}
    for key in sorted({key for own in settings for key in own if key not in common}):
        values = Counter(own[key][0] for own in settings if key in own)
        sources = dict.fromkeys(own[key][1] for own in settings if key in own)
        told = [f"{_short(key, value)} ({count})" for value, count in values.most_common(SHOWN)]
        if more := len(values) - len(told):
            told.append(f"and {more} more")
        found[key] = ("; ".join(told), "; ".join(sources))
    return found


def _short(key: str, value: str) -> str:
    """``value`` without the end of a long text, or the beginning of a class's path."""
    if len(value) <= LONG:
        return value
    return f"…{value[1 - LONG :]}" if key.endswith("_target_") else f"{value[: LONG - 1]}…"


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
    for key, (value, source) in settings.items():
        table.add_row(Text(f"  {key}"), Text(value), Text(source, style="dim"))
    console.print(table, soft_wrap=False)
