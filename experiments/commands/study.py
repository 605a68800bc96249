"""``alsatian study``: measurements and predictions about the system itself, each with a page of its own."""

import argparse

from rich.console import Console

HELP = "list or run studies of the system itself, each of which writes a page"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="which; none lists them")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its own; NAME --help shows them")


def handle(options: argparse.Namespace, console: Console) -> int:
    """List the studies, or run one and write its page."""
    from experiments.studies.study import execute, studies

    if options.name:
        return execute(options.name, options.words, console.print)
    known = studies()
    width = max(map(len, known))
    for name, description in known.items():
        console.print(f"{name:{width}}  {description}")
    return 0
