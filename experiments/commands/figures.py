"""``alsatian figures``: tables, figures and report from result files alone."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console

HELP = "rebuild tables, figures and the report from result files"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", type=Path, help="e.g. results/quickstart")
    parser.add_argument(
        "words", nargs="*", metavar="figure.KEY=VALUE",
        help="what to draw, e.g. figure.x=cache.budget figure.y=[wall_s,bytes_read] (docs/figures.md)",
    )  # fmt: skip


def handle(options: argparse.Namespace, console: Console) -> int:
    """Rebuild and print the table; 1 if scores differ between strategies."""
    from experiments.runs.summary import show

    return show(options.folder, console, figure=_figure(options.words))


def _figure(words: list[str]) -> dict[str, Any]:
    """What ``words`` say about the figure, by key.

    Raises:
        ConfigError: a word is about something else, or is said twice.
    """
    if not words:
        return {}
    from alsatian.errors import ConfigError
    from experiments.configuration.words import parse

    found: dict[str, Any] = {}
    for word, override in zip(words, parse(words), strict=True):
        first, _, key = override.key_or_group.partition(".")
        if first != "figure" or not key:
            raise ConfigError(f"'{word}': runs have been made; only what is drawn can be set, as in figure.x=seed")
        key, _, setting = key.partition(".")
        value = override.value()
        if setting:
            found[key] = {**found.get(key, {}), setting: value}
        elif key in found:
            raise ConfigError(f"figure.{key}: is set twice in one line; write it once")
        else:
            found[key] = value
    return found
