"""Whether searches are slower than on the recorded page.

Measures some cells of the study of speed again and compares how many times faster than the published system each
search is with what the last page recorded: slower is what lies below everything that was recorded. The published
system is part of the same code, so what slows all alike is seen only in seconds, which belong to a machine.
"""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from alsatian.errors import AlsatianError, ConfigError
from experiments.studies.speed import configure_measuring, measure, told
from experiments.studies.speed.cells import PUBLISHED, chosen, entrants
from experiments.studies.speed.measurement import bench
from experiments.studies.speed.page import RATIO, warnings, with_ratios
from experiments.studies.study import PAGES, Page, Say, spread, table

NEEDED = ("cell", "strategy", "turn", "words", "wall_s")
COLUMNS = ["cell", "search", "N", "recorded", "now", "recorded s", "now s", "verdict"]
SLOWER, AS_BEFORE, FASTER, OTHER = "SLOWER", "as before", "faster", "recorded with other words"


def recorded(path: Path) -> pd.DataFrame:
    """The searches behind a page of the study of speed.

    Raises:
        AlsatianError: it cannot be read, or is not such a file.
    """
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise AlsatianError(f"{path}: cannot be read ({error}); alsatian study speed writes it") from None
    if missing := sorted(set(NEEDED) - set(rows.columns)):
        raise AlsatianError(f"{path}: not from alsatian study speed, since it has no {missing[0]}")
    return with_ratios(rows)


def compare(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """A line for each cell and search of ``now`` but the published system, with a verdict."""
    lines = []
    for (cell, name), own in now[now["strategy"] != PUBLISHED].groupby(["cell", "strategy"], sort=False):
        known = before[(before["cell"] == cell) & (before["strategy"] == name)]
        if known.empty:
            continue
        ratio = own[RATIO].median()
        if set(known["words"]) != set(own["words"]):
            verdict = OTHER
        elif ratio < known[RATIO].min():
            verdict = SLOWER
        else:
            verdict = FASTER if ratio > known[RATIO].max() else AS_BEFORE
        lines.append(
            {
                "cell": cell, "search": f"`{name}`", "N": f"{len(known)}, {len(own)}",
                "recorded": spread(known[RATIO], "{:.2f}×"), "now": spread(own[RATIO], "{:.2f}×"),
                "recorded s": spread(known["wall_s"]), "now s": spread(own["wall_s"]), "verdict": verdict,
            }
        )  # fmt: skip
    return pd.DataFrame(lines, columns=COLUMNS)


def page(before: pd.DataFrame, now: pd.DataFrame, source: Path, load: float) -> Page:
    """The comparison; good unless something is slower, or scores or budgets are not as they should be. ``load`` is
    the load average before."""
    found = compare(before, with_ratios(now))
    if found.empty:
        raise AlsatianError(f"{source}: none of these cells was recorded; alsatian study speed measures them")
    slower = found[found["verdict"] == SLOWER]
    sound = bool(now["identical"].all() and now["kept"].all())
    names = ", ".join(f"{row['search']} in {row['cell']}" for row in slower.to_dict("records"))
    blocks = [
        f"How many times faster than `{PUBLISHED}` each search is, as `{source.name}` recorded it and now: medians "
        f"with their range. *{SLOWER}*: the median now is below all that was recorded. Seconds are of the machines "
        "at hand.",
        f"**{f'Slower: {names}' if names else 'Nothing is slower than the recorded spread allows'}.** Scores "
        f"{'identical, budgets kept' if sound else 'or budgets are NOT as they should be'}.",
        *(f"**{line}**" for line in warnings(now, load)),
        table(found),
    ]
    return Page("Speed, against the last record", blocks, found, good=slower.empty and sound)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument(
        "--recorded", type=Path, default=PAGES / "speed.csv", metavar="FILE",
        help="of a page of the study of speed (default: %(default)s)",
    )  # fmt: skip
    configure_measuring(parser, repeats=3)
    parser.set_defaults(cells=["quickstart", "models/50", "items/800"])


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure and compare."""
    if options.repeats < 1:
        raise ConfigError("--repeats must be at least 1")
    before, cells, load = recorded(options.recorded), chosen(options.cells), os.getloadavg()[0]
    rows = []
    own = bench(options.store, options.set)
    for row in measure(own, cells, entrants(), options.repeats, not options.no_base):
        say(told(row))
        rows.append(row)
    yield page(before, pd.DataFrame(rows), options.recorded, load)
