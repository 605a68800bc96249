"""A ranking in a terminal."""

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from alsatian.ranking import report, tables
from alsatian.records.ranking import Ranking
from alsatian.units import printable, seconds_text

_WIDTH = 80


def show(record: Ranking, top: int, paths: Mapping[str, Path], console: Console) -> None:
    """Print the best ``top`` models and what to do with them."""
    console.print()
    console.print(_table(record, top), soft_wrap=False)
    for line in _lines(record, top, paths):
        console.print(textwrap.fill(line, min(console.width, _WIDTH), break_on_hyphens=False))
    first = record.ranked[0]
    console.print(f"\nBest: {printable(first.source or first.model)}\n")
    for line in report.snippet(record):  # which can be copied only as it is
        console.print(line)
    console.print(f"\nReport: {paths['report.html']}")


def _lines(record: Ranking, top: int, paths: Mapping[str, Path]) -> Iterator[str]:
    rest = len(record.ranked) - top
    if rest > 0:
        yield f"… and {rest} more in {paths['ranking.csv']}"
    yield ""
    if any(row.tied for row in record.ranked):
        tied = sum(row.tied for row in record.ranked)
        yield f"{tables.TIED} {tied} cannot be told from the first by these {record.test_items:,} test items."
    if any(row.equal for row in record.ranked[:top]):
        yield f"{tables.EQUAL} round and score are those of the model before."
    if len(record.ranked) > 1:
        yield from (
            f"{pair.proxies[0]} and {pair.proxies[1]}: weighted Kendall's tau {tables.tau_text(pair)}"
            for pair in record.agreement
        )
    if (about := tables.about_layers(record)) is not None:
        yield about
    for warning in record.warnings:
        yield f"warning: {printable(warning)}"
    yield f"Searched in {seconds_text(record.wall_s)}; {tables.work_text(record.work)}."


def _table(record: Ranking, top: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for i, title in enumerate(tables.titles(record)):
        # A long name goes on in the next line; it is never cut.
        table.add_column(title, justify="left" if i == 1 else "right", no_wrap=i != 1, overflow="fold")
    for row in record.ranked[:top]:
        table.add_row(*tables.cells(row, record))
    return table
