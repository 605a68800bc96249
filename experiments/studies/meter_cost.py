"""What measuring the parts of a search costs.

Runs the quickstart's ``alsatian`` again and again: at level ``total``, at level ``parts``, and with a timeline. The
three take turns, in changing order, so that whatever else the machine does meets all of them alike. Wall time is
what a user waits for; processor time is what measuring can add to, and suffers less from a busy machine. Since the
differences are small, the cost of a single part is measured as well, and multiplied by the number of parts in a
search.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median

import pandas as pd
import torch

from alsatian.api import search
from alsatian.errors import ConfigError
from alsatian.progress import unheard
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.meter import Meter
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts, use_threads
from experiments.studies.study import Page, Say, table

GOAL = 0.02
"""Largest share of the wall time that measuring the parts may add."""
# Level and timeline.
LEVELS = {"total": ("total", False), "parts": ("parts", False), "parts and timeline": ("parts", True)}
SINGLE_PARTS = 20_000


def prepare(store: Path, words: Sequence[str]) -> Callable[[str, bool], Measurement]:
    """The quickstart's search with Alsatian, to be run at a level and with a timeline or without.

    Models are made on first use. ``words`` are overrides as on the command line.
    """
    parts = Parts()
    chosen = ["experiment=quickstart", "strategy=alsatian", f"store_dir='{store}'", *words]
    setup = parts.setup(cells(chosen)[0].config)
    use_threads(setup.config)
    models = parts.model_set(setup.config, unheard)

    def run(level: str, timeline: bool) -> Measurement:
        settings = setup.search_settings()
        return search(models, setup.dataset, **settings, meter_level=level, timeline=timeline).measurement

    return run


def measure(run: Callable[[str, bool], Measurement], repeats: int) -> pd.DataFrame:
    """``repeats`` searches of each level in turns, after one that does not count: a line each.

    Columns: ``level``, ``turn``, seconds of the ``wall`` and of all threads' ``processor`` time, and ``slices`` in
    the timeline of the thread that searches.
    """
    run(*LEVELS["parts"])
    lines = []
    for turn in range(repeats):
        order = list(LEVELS)
        for level in order[turn % len(order) :] + order[: turn % len(order)]:
            start = time.process_time()
            found = run(*LEVELS[level])
            processor = time.process_time() - start
            slices = sum(event["ph"] == "X" and event["tid"] == 1 for event in found.timeline or ())
            lines.append((level, turn, found.wall_s, processor, slices))
    return pd.DataFrame(lines, columns=["level", "turn", "wall", "processor", "slices"])


def single_part(level: str) -> float:
    """Seconds that entering and leaving one part takes, the median of many rounds."""
    times = []
    for _ in range(15):
        meter = Meter(torch.device("cpu"), level)
        meter.start()
        start = time.perf_counter()
        for _ in range(SINGLE_PARTS):
            with meter.part("inference"):
                pass
        meter.settle()
        times.append((time.perf_counter() - start) / SINGLE_PARTS)
    return median(times)


def page(samples: pd.DataFrame, singles: Mapping[str, float]) -> Page:
    """Times by level, what they are over those of ``total``, and a verdict."""
    walls = samples.pivot(index="turn", columns="level", values="wall")[list(LEVELS)]
    processors = samples.pivot(index="turn", columns="level", values="processor")
    rows, lines = [], []
    for level, wall in walls.items():
        low, high = wall.quantile(0.25), wall.quantile(0.75)
        used = processors[level].median()
        first = level == "total"
        rows.append(
            {
                "level": f"`{level}`",
                "N": len(wall),
                "wall s, median": wall.median(),
                "quartiles": f"{low:.3f}–{high:.3f}",
                "range": f"{wall.min():.3f}–{wall.max():.3f}",
                "over `total`": "" if first else f"{wall.median() / walls['total'].median() - 1:+.2%}",
                "processor s, median": used,
                "its over `total`": "" if first else f"{used / processors['total'].median() - 1:+.2%}",
            }
        )
        if not first:
            ratio = wall / walls["total"] - 1
            lines.append(
                f"- `{level}` over the `total` of the same turn: median {ratio.median():+.2%}, quartiles "
                f"{ratio.quantile(0.25):+.2%} to {ratio.quantile(0.75):+.2%}, range {ratio.min():+.2%} to "
                f"{ratio.max():+.2%} (N={len(ratio)})."
            )
    slices = samples.loc[samples["level"] == "parts and timeline", "slices"].median()
    cost = slices * (singles["parts"] - singles["total"])
    lines.append(
        f"- A single part costs {singles['parts'] * 1e6:.2f} µs at level `parts` and "
        f"{singles['total'] * 1e6:.2f} µs at `total`; a search has {slices:.0f}, which makes "
        f"{cost * 1e3:.2f} ms or {cost / walls['total'].median():.4%} of the wall time."
    )
    kept = "kept" if walls["parts"].median() / walls["total"].median() - 1 <= GOAL else "not kept"
    verdict = f"- Goal for `parts`, at most {GOAL:+.0%} by the ratio of medians: {kept}"
    ratio = walls["parts"] / walls["total"]
    if ratio.quantile(0.75) - ratio.quantile(0.25) > 2 * GOAL:
        verdict += "; but turns spread by more than that, so the cost of the single parts says more"
    return Page(
        "What measuring costs",
        [
            "The quickstart's `alsatian` search, in one process, at each level in turns and in changing order; one "
            "search before that does not count. `total` measures the wall time and counters, `parts` where the "
            "time went, and a timeline keeps every slice of it.",
            table(rows, **dict.fromkeys(("wall s, median", "processor s, median"), "{:.3f}")),
            "\n".join([*lines, f"{verdict}."]),
        ],
    )


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--repeats", type=int, default=10, help="searches of each level")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where the models are or will be")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for alsatian run, e.g. scale=ci")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure all levels."""
    if options.repeats < 2:
        raise ConfigError("--repeats must be at least 2")
    samples = measure(prepare(options.store, options.overrides), options.repeats)
    yield page(samples, {level: single_part(level) for level in ("total", "parts")})
