"""``alsatian list``: what there is to choose from."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

HELP = "show what there is to choose from"
# What is listed, and the config group behind it.
LISTS = {
    "experiments": "experiment",
    "strategies": "strategy",
    "schedules": "schedule",
    "sharing": "sharing",
    "orders": "order",
    "policies": "cache",
    "proxies": "proxy",
    "datasets": "dataset",
    "model_sets": "model_set",
    "networks": "network",
    "loaders": "loader",
    "storages": "storage",
    "devices": "device",
    "hardware": "hardware",
    "trackers": "tracker",
    "launchers": "launcher",
    "scales": "scale",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    titles = {group: title for title, group in LISTS.items()}
    parser.add_argument(
        "what", nargs="?", metavar="LIST", type=lambda word: titles.get(word, word), choices=sorted(LISTS),
        help=f"only this list: {', '.join(sorted(LISTS))}",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print names, descriptions and files, for programs")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print names, descriptions, and where choices of plugins come from."""
    from experiments.configuration import menu

    wanted = {options.what: LISTS[options.what]} if options.what else LISTS
    if options.json:
        found = {
            title: [_choice(name, file) for name, file in menu.choices(group).items()]
            for title, group in wanted.items()
        }
        console.out(json.dumps(found, indent=2), highlight=False)
        return 0
    for title, group in wanted.items():
        console.print(f"{title} ({group}=…)", style="bold")
        table = Table.grid(padding=(0, 2))
        for name, file in menu.choices(group).items():
            source = menu.origin(file)
            mark = "" if source is None else f" ({source})"
            table.add_row(Text(f"  {name}"), Text(menu.description(file) + mark))
        console.print(table, soft_wrap=False)
    return 0


def _choice(name: str, file: Path) -> dict[str, str | None]:
    from experiments.configuration import menu

    return {"name": name, "description": menu.description(file), "plugin": menu.origin(file), "file": str(file)}
