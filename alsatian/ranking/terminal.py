"""A ranking in a terminal."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from alsatian.ranking import report, tables
from alsatian.records.ranking import Ranking
from alsatian.units import printable, seconds_text

_WIDTH = 80
# Of the table: the model's column, characters that it has at least, and those between two columns.
_MODEL, _LEAST, _GAP = 1, 16, 2


def show(record: Ranking, top: int, paths: Mapping[str, Path], console: Console) -> None:
    """Print the best ``top`` models and what to do with them."""
    console.print()
    table, hidden = _table(record, top, console.width)
    console.print(table, soft_wrap=False)
    for line in _lines(record, top, hidden, paths):
        console.print(textwrap.fill(line, min(console.width, _WIDTH), break_on_hyphens=False))
    first = record.ranked[0]
    console.print(f"\nBest: {printable(first.source or first.model)}\n")
    for line in report.snippet(record):  # which can be copied only as it is
        console.print(line)
    console.print(f"\nReport: {paths['report.html']}")


def _lines(record: Ranking, top: int, hidden: Sequence[str], paths: Mapping[str, Path]) -> Iterator[str]:
    rest = len(record.ranked) - top
    if rest > 0:
        yield f"… and {rest} more in {paths['ranking.csv']}"
    if hidden:
        yield f"… and {', '.join(hidden)} in {paths['ranking.csv']}, for which there is no room"
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
            if pair.proxies[0] == record.proxies[0]
        )
    if (about := tables.about_layers(record)) is not None:
        yield about
    for warning in record.warnings:
        yield f"warning: {printable(warning)}"
    yield f"Searched in {seconds_text(record.wall_s)}; {tables.work_text(record.work)}."
    if record.limit is not None:
        yield f"{record.limit.text(record.wall_s)}."


def _table(record: Ranking, top: int, width: int) -> tuple[Table, list[str]]:
    """The table, and titles of the columns that ``width`` characters do not hold; no number is ever cut."""
    titles = tables.titles(record)
    rows = [tables.cells(row, record) for row in record.ranked[:top]]
    widths = [max(map(cell_len, column)) for column in zip(titles, *rows, strict=True)]
    widths[_MODEL] = min(widths[_MODEL], _LEAST)
    shown, last = list(range(len(titles))), _MODEL + len(record.proxies)
    # Further proxies go first, then what stands behind them; place, model and score stay.
    for column in (*range(last, _MODEL + 1, -1), *range(len(titles) - 1, last, -1)):
        if sum(widths[i] + _GAP for i in shown) - _GAP <= width:
            break
        shown.remove(column)
    table = Table(box=None, pad_edge=False, header_style="")
    for i in shown:
        # A long name goes on in the next line; it is never cut.
        table.add_column(
            titles[i], justify="left" if i == _MODEL else "right", no_wrap=i != _MODEL, overflow="fold"
        )
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    return table, [title for i, title in enumerate(titles) if i not in shown]
