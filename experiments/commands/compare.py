"""``alsatian compare``: any results side by side."""

import argparse
from pathlib import Path

from rich.console import Console

HELP = "show runs side by side: time, parts, bytes, and whether scores are equal"
FORMATS = ("table", "csv", "markdown", "latex")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "paths", type=Path, nargs="+", metavar="RUN_OR_FOLDER",
        help="a run, an experiment or a folder of experiments; the first holds what the others are compared with",
    )  # fmt: skip
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="of the output (default: by --output's suffix .txt, .csv, .md, .tex; table)",
    )
    parser.add_argument("--output", type=Path, metavar="PATH", help="write it to this file")


def handle(options: argparse.Namespace, console: Console) -> int:
    """Print the comparison or write it; 1 if scores differ that must be equal."""
    from alsatian.errors import AlsatianError, ConfigError
    from alsatian.files import write_text
    from alsatian.records import ResultsError, find
    from analysis.comparing import comparison
    from analysis.tables.comparison import FORMATS, SUFFIXES, text

    suffixes = SUFFIXES
    chosen = options.format or ("table" if options.output is None else suffixes.get(options.output.suffix))
    if chosen is None:
        raise ConfigError(f"--output={options.output}: end it in {', '.join(suffixes)} or say --format")
    try:
        found = comparison.compare([find(path) for path in options.paths])
    except ResultsError as error:
        raise AlsatianError(str(error)) from None
    content = text(found, console.width) if chosen == "table" else FORMATS[chosen](found)
    if options.output is None:
        console.out(content, end="")
    else:
        console.print(f"written: {write_text(options.output, content)}")
    return 1 if found.frame["wrong"].any() else 0
