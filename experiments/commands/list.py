"""``alsatian list``: what there is to choose from."""

import argparse

from rich.console import Console

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
    "scales": "scale",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("what", nargs="?", choices=sorted(LISTS), help="only this list")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print names and descriptions."""
    from experiments.configuration.composition import descriptions

    wanted = {options.what: LISTS[options.what]} if options.what else LISTS
    for title, group in wanted.items():
        console.print(f"{title} ({group}=…)", style="bold", highlight=False)
        rows = descriptions(group)
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            console.print(f"  {name:{width}}  {text}", markup=False, highlight=False)
    return 0
