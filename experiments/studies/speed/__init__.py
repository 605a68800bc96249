"""How fast searches are, beside the published system and a limit.

Small cells of every kind: the quickstart, one of each network of Fig 10 at laptop scale, three whole networks that
are computed rather than read, 4 to 500 small models, 64 to 8,000 items, three budgets. The published system and
ours take turns in one process.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from alsatian.errors import AlsatianError, ConfigError
from experiments.studies.speed.cells import CELLS, chosen, entrants
from experiments.studies.speed.measurement import REFERENCES, Bench, Row, bench, turned
from experiments.studies.speed.page import page
from experiments.studies.study import Page, Say

LEAST_S, MORE = 2.0, 5
"""Seconds that searches take in the mean over all turns of a cell, for which there may be so many times more turns:
the medians of few short ones differ by more than what is aimed at."""


def measure(
    own: Bench, cells: Mapping[str, Sequence[str]], of: Mapping[str, Sequence[str]], repeats: int, references: bool
) -> Iterator[Row]:
    """A row for each search: in each cell ``repeats`` turns of all ``of`` them, and more where they are short.

    Where ``references`` are asked for, ``REFERENCES`` search before, uncounted, and all scores are compared with
    theirs.
    """
    for cell, words in cells.items():
        for reference in REFERENCES if references else ():
            own.search(cell, words, reference)
        turn, taken = 0, 0.0
        while turn < repeats or (turn < MORE * repeats and taken < LEAST_S * len(of)):
            for name in turned(list(of), turn):
                found = own.search(cell, words, of[name])
                taken += found["wall_s"]
                yield {"strategy": name, "turn": turn, "words": " ".join((*words, *of[name])), **found}
            turn += 1


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    configure_measuring(parser, repeats=5)
    parser.add_argument(
        "--also", nargs="+", default=[], metavar="WORDS", help="more that take turns, e.g. 'strategy=shift'"
    )


def configure_measuring(parser: argparse.ArgumentParser, repeats: int) -> None:
    """Declare what is measured."""
    kinds = ", ".join(dict.fromkeys(name.partition("/")[0] for name in CELLS))
    parser.add_argument("--repeats", type=int, default=repeats, metavar="N", help="turns (default: %(default)s)")
    parser.add_argument(
        "--cells", nargs="+", metavar="NAME", help=f"of a kind ({kinds}) or such as models/50; default: all"
    )
    parser.add_argument("--store", type=Path, default=Path("store"), help="where the models are or will be")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="as for alsatian run")
    parser.add_argument(
        "--no-base", action="store_true", help="do not compare the scores with those of base, which is slow"
    )


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure, and yield the page after every cell."""
    if options.repeats < 1:
        raise ConfigError("--repeats must be at least 1")
    cells, load, rows = chosen(options.cells), os.getloadavg()[0], list[Row]()
    taking, failed = entrants(options.also), dict[str, str]()
    own = bench(options.store, options.set)
    for cell, words in cells.items():
        try:
            for row in measure(own, {cell: words}, taking, options.repeats, not options.no_base):
                say(told(row))
                rows.append(row)
        except AlsatianError as error:  # the other cells are measured all the same
            failed[cell] = str(error)
            say(f"{cell} failed: {error}")
        if rows:
            yield page(pd.DataFrame(rows), load, not options.no_base, failed)
    if not rows:
        raise AlsatianError(f"nothing was measured: {next(iter(failed.values()))}")


def told(row: Row) -> str:
    """A search in one line."""
    over = "" if row["over_limit"] is None else f", {row['over_limit']:.2f}× the limit"
    return f"{row['cell']}, turn {row['turn'] + 1}, {row['strategy']}: {row['wall_s']:.2f} s{over}"
