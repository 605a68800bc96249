"""``alsatian study``: measurements and predictions about the system itself, each with a page of its own."""

import argparse
from pathlib import Path

from rich.console import Console

HELP = "list or run studies of the system itself, each of which writes a page"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--stale", action="store_true",
        help="list pages of docs/results whose numbers are older than the code they measure, and have them say so",
    )  # fmt: skip
    parser.add_argument(
        "--measured", metavar="PAGE",
        help="note that a page's numbers were measured anew with the code as it is; for one that no study writes",
    )  # fmt: skip
    parser.add_argument("study", nargs="?", metavar="NAME", help="which; none lists them")
    parser.add_argument("words", nargs=argparse.REMAINDER, metavar="...", help="its own; NAME --help shows them")


def handle(options: argparse.Namespace, console: Console) -> int:
    """List the studies, run one and write its page, or look after the age of pages."""
    from experiments.studies.study import PAGES, execute, studies

    if options.stale or options.measured:
        return _ages(options, PAGES, console)
    if options.study:
        options.traceback |= bool({"-v", "--verbose"} & {*options.words})
        return execute(options.study, options.words, console.print)
    known = studies()
    width = max(map(len, known))
    for name, description in known.items():
        console.print(f"{name:{width}}  {description}")
    return 0


def _ages(options: argparse.Namespace, folder: Path, console: Console) -> int:
    """Note what was measured anew, and have older pages say so, and no others."""
    from alsatian.errors import ConfigError
    from experiments.studies import freshness

    if not (folder / freshness.FILE).exists():
        raise ConfigError(f"{folder / freshness.FILE}: is not here; this is for a checkout of the project")
    if options.measured:
        freshness.renew(folder, options.measured)
    for page, line in freshness.mark(folder).items():
        console.print(f"{page}: {line}")
    return 0
