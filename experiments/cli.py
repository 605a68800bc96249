"""The command ``alsatian``."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from alsatian.errors import AlsatianError

EXAMPLES = """examples:
  alsatian run experiment=quickstart
  alsatian run strategy=shift batch_size=32
  alsatian run -m strategy=alsatian,shared_prefix cache.budget=4MiB,16MiB
  alsatian list strategies
  alsatian figures results/quickstart
"""
# What `alsatian list` shows, and the config group behind it.
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
    "storages": "storage",
    "devices": "device",
    "scales": "scale",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 if all went well, 1 if not, 2 for bad usage."""
    options = _parser().parse_args(arguments)
    console = Console(soft_wrap=True)
    try:
        status: int = options.handler(options, console)
        return status
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"alsatian: {error}", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        Console(stderr=True).print("alsatian: interrupted; the same command continues")
        return 130
    except BrokenPipeError:
        # The reader of the output has left; nothing that is still to be written has a reader.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="alsatian",
        description="Find the best pretrained model to fine-tune from, and measure how.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="carry out an experiment")
    run.add_argument("-m", "--multirun", action="store_true", help="allow several values: key=a,b")
    run.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="Hydra overrides, e.g. experiment=quickstart"
    )
    run.set_defaults(handler=_run)

    listing = commands.add_parser("list", help="show what there is to choose from")
    listing.add_argument("what", nargs="?", choices=sorted(LISTS), help="only this list")
    listing.set_defaults(handler=_list)

    figures = commands.add_parser("figures", help="rebuild tables, figures and the report from result files")
    figures.add_argument("folder", type=Path, help="e.g. results/quickstart")
    figures.set_defaults(handler=_figures)
    return parser


def _run(options: argparse.Namespace, console: Console) -> int:
    from experiments.config import cells  # slow imports stay off the other commands' paths

    found = cells(options.overrides, options.multirun)
    from experiments import runner
    from experiments.progress import Progress

    words = [*(["-m"] if options.multirun else []), *options.overrides]
    with Progress(console) as progress:
        outcome = runner.run(found, words, progress)
    status = 0
    for folder in sorted(outcome.folders):
        status = max(status, _report(folder, console))
    if outcome.failed:
        errors = Console(stderr=True, soft_wrap=True)
        for line in outcome.failed:
            errors.print(f"alsatian: failed: {line}", markup=False, highlight=False)
        return 1
    return status


def _list(options: argparse.Namespace, console: Console) -> int:
    from experiments.listing import describe

    wanted = {options.what: LISTS[options.what]} if options.what else LISTS
    for title, group in wanted.items():
        console.print(f"{title} ({group}=…)", style="bold", highlight=False)
        rows = describe(group)
        width = max(len(name) for name, _ in rows)
        for name, text in rows:
            console.print(f"  {name:{width}}  {text}", markup=False, highlight=False)
    return 0


def _figures(options: argparse.Namespace, console: Console) -> int:
    return _report(options.folder, console)


def _report(folder: Path, console: Console) -> int:
    """Rebuild the report of ``folder`` and print its table; 1 if scores differ between strategies."""
    from analysis import report
    from analysis.records import ResultsError

    try:
        built = report.build(folder)
    except ResultsError as error:
        raise AlsatianError(str(error)) from None
    console.print(built.text, markup=False, highlight=False)
    return 1 if any(check.mismatches for check in built.checks) else 0
