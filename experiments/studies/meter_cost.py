"""What measuring costs: the same search with and without its parts being measured.

``python -m experiments.studies.meter_cost`` runs the quickstart's ``alsatian`` again and again: at level
``total``, at level ``parts``, and with a timeline. The three take turns, in changing order, so that whatever else
the machine does meets all of them alike. Wall time is what a user waits for; processor time is what measuring can
add to, and suffers less from a busy machine. Since the differences are small, the cost of a single part is
measured as well, and multiplied by the number of parts in a search.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import hydra
import torch
from rich.console import Console

from alsatian.api import search
from alsatian.blocks.store import BlockStore
from alsatian.budgets import Budgets
from alsatian.errors import AlsatianError, ConfigError
from alsatian.files import write_bytes
from alsatian.progress import unheard
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.meter import Meter
from experiments.configuration.composition import cells
from experiments.runs.environment import environment

GOAL = 0.02
"""Largest share of the wall time that measuring the parts may add."""
# Level and timeline.
LEVELS = {"total": ("total", False), "parts": ("parts", False), "parts and timeline": ("parts", True)}
SINGLE_PARTS = 20_000


@dataclass(frozen=True)
class Sample:
    """One search. Times in seconds.

    Attributes:
        wall: from start to end.
        processor: of all threads of the process.
        slices: parts in the timeline of the thread that searches; 0 without a timeline.
    """

    wall: float
    processor: float
    slices: int


Samples = dict[str, list[Sample]]


def prepare(store: Path, words: Sequence[str]) -> Callable[[str, bool], Measurement]:
    """The quickstart's search with Alsatian, to be run at a level and with a timeline or without.

    Models are made on first use. ``words`` are overrides as on the command line.
    """
    config = cells(["experiment=quickstart", "strategy=alsatian", *words])[0].config

    def build(group: str) -> Any:
        return hydra.utils.instantiate(config[group], _convert_="all")

    if config.device.threads:
        torch.set_num_threads(config.device.threads)
    models = build("model_set").open(BlockStore(store, verify="always"), config.device.name, unheard)
    dataset, proxy, storage = build("dataset"), build("proxy"), build("storage")
    budgets = Budgets.read(config.cache)

    def run(level: str, timeline: bool) -> Measurement:
        return search(
            models, dataset, proxy=proxy, storage=storage, batch_size=config.batch_size, budget=budgets,
            device=config.device.name, verify=config.verify, meter_level=level, timeline=timeline,
        ).measurement  # fmt: skip

    return run


def measure(run: Callable[[str, bool], Measurement], repeats: int) -> Samples:
    """``repeats`` searches of each level in turns, after one that does not count."""
    samples: Samples = {name: [] for name in LEVELS}
    run(*LEVELS["parts"])
    for i in range(repeats):
        order = list(LEVELS)
        for name in order[i % len(order) :] + order[: i % len(order)]:
            start = time.process_time()
            found = run(*LEVELS[name])
            processor = time.process_time() - start
            slices = sum(e["ph"] == "X" and e["tid"] == 1 for e in found.timeline or ())
            samples[name].append(Sample(found.wall_s, processor, slices))
    return samples


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


def report(samples: Samples, singles: dict[str, float]) -> Iterator[str]:
    """The lines to print and to keep, as Markdown."""
    yield "| level | N | wall s, median | quartiles | range | over `total` | processor s, median | over `total` |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    base = samples["total"]
    for name, found in samples.items():
        walls, processors = [s.wall for s in found], [s.processor for s in found]
        low, _, high = quantiles(walls, n=4, method="inclusive")
        over = median(walls) / median(s.wall for s in base) - 1
        used = median(processors) / median(s.processor for s in base) - 1
        yield (
            f"| `{name}` | {len(found)} | {median(walls):.3f} | {low:.3f}–{high:.3f} "
            f"| {min(walls):.3f}–{max(walls):.3f} | {'' if found is base else f'{over:+.2%}'} "
            f"| {median(processors):.3f} | {'' if found is base else f'{used:+.2%}'} |"
        )
    yield ""
    for name, found in samples.items():
        if found is base:
            continue
        ratios = [sample.wall / other.wall - 1 for sample, other in zip(found, base, strict=True)]
        low, middle, high = quantiles(ratios, n=4, method="inclusive")
        yield (
            f"- `{name}` over the `total` of the same turn: median {middle:+.2%}, quartiles {low:+.2%} to "
            f"{high:+.2%}, range {min(ratios):+.2%} to {max(ratios):+.2%} (N={len(ratios)})."
        )
    slices = median(sample.slices for sample in samples["parts and timeline"])
    wall = median(sample.wall for sample in base)
    cost = singles["parts"] - singles["total"]
    yield (
        f"- A single part costs {singles['parts'] * 1e6:.2f} µs at level `parts` and "
        f"{singles['total'] * 1e6:.2f} µs at `total`; a search has {slices:.0f}, which makes "
        f"{slices * cost * 1e3:.2f} ms or {slices * cost / wall:.4%} of the wall time."
    )
    yield f"- {_verdict(samples)}"


def _verdict(samples: Samples) -> str:
    """Whether the goal is kept, as far as the spread of the wall times lets them say so."""
    total, parts = ([sample.wall for sample in samples[name]] for name in ("total", "parts"))
    over = median(parts) / median(total) - 1
    low, _, high = quantiles([a / b - 1 for a, b in zip(parts, total, strict=True)], n=4, method="inclusive")
    text = (
        f"Goal for `parts`, at most {GOAL:+.0%} by the ratio of medians: {'kept' if over <= GOAL else 'not kept'}"
    )
    if high - low > 2 * GOAL:
        return f"{text}; but turns spread by more than that, so the cost of the single parts says more."
    return f"{text}."


def document(lines: Sequence[str], command: str, load: str) -> str:
    """The file that keeps the result."""
    machine = environment()
    versions = f"Python {machine['python']}, PyTorch {machine['libraries']['torch']}"
    where = f"{datetime.now(UTC):%Y-%m-%d}, {machine['cores']} CPU cores ({machine['cpu']}), {versions}"
    return "\n".join(
        [
            "# What measuring costs",
            "",
            f"{where}, code {machine['code']['commit']}{' with changes' if machine['code']['dirty'] else ''}.",
            "",
            "```",
            command,
            "```",
            "",
            "The quickstart's `alsatian` search, in one process, at each level in turns and in changing order; one",
            "search before that does not count. `total` measures the wall time and counters, `parts` where the",
            f"time went, and a timeline keeps every slice of it. {load}",
            "",
            *lines,
            "",
        ]
    )


def _load() -> str:
    return "/".join(f"{value:.1f}" for value in os.getloadavg())


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.meter_cost", description=__doc__)
    parser.add_argument("--repeats", type=int, default=10, help="searches of each level")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where the models are or will be")
    parser.add_argument("--out", type=Path, help="a file for the result, e.g. docs/results/meter_cost.md")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="as for alsatian run, e.g. scale=ci")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if options.repeats < 2:
            raise ConfigError("--repeats must be at least 2")
        run = prepare(options.store, options.overrides)
        before = _load()
        samples = measure(run, options.repeats)
        load = f"Load averages (1/5/15 minutes) before: {before}, after: {_load()}."
        lines = list(report(samples, {level: single_part(level) for level in ("total", "parts")}))
        for line in [load, "", *lines]:
            console.print(line)
        if options.out is not None:
            words = [
                "python -m experiments.studies.meter_cost",
                f"--repeats {options.repeats}",
                *options.overrides,
            ]
            write_bytes(options.out, document(lines, " ".join(words), load).encode())
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"meter_cost: {error}", markup=False, highlight=False)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
