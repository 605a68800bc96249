"""Time and memory of tree and plan for very many models.

Generates model sets as fingerprints, of 40 blocks a model, and does with them what a search does before a round:
build the task tree, cut it to the round's models, compress it, order it, plan. Every measurement has a process of
its own, kept on one core. Nothing is executed.
"""

import argparse
import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import floor, log10
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import Batch
from alsatian.errors import ConfigError
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Order, Shape
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.tree import TaskTree
from experiments.studies.study import Page, Say, apart, spread, table

BUDGET = 5 * 1024**3
ITEMS, BATCH_SIZE = 2000, 128
REPEATED_UP_TO = 100_000
BYTES_PER_MODEL = 12_000
"""Of memory, on top of the libraries: to ask for it before a measurement rather than fail in it."""
GOALS = {100_000: (10, 4), 1_000_000: (120, 16)}
"""Seconds and gigabytes for the tree and the first plan."""
FIRST = ("tree", "prune to all", "compress", "DFS+", "plan")
"""Stages from candidates to the plan of the first round."""
ORDERS: dict[str, Order] = {"order given": Given(), "order random": Random(), "order dfs": Dfs()}
OTHERS = ("prune to half", "compress, order and plan the half", "walk all steps", *ORDERS, "generate the set")
PEAK = ("/proc/self/status", "VmHWM:")
T = TypeVar("T")


@dataclass
class Measured:
    """What one process took.

    Attributes:
        facts: counts of vertices, chunks and steps.
        seconds: by stage, of the process on its core and of the wall clock.
        peak_bytes: largest resident memory of the process.
        start_bytes: the same before the first stage: the interpreter and the libraries.
        load: processes that wanted a core, the mean of about a minute.
    """

    facts: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, np.ndarray] = field(default_factory=dict)
    peak_bytes: int = 0
    start_bytes: int = 0
    load: float = 0

    def timed(self, stage: str, step: Callable[[], T]) -> T:
        """The result of ``step``, whose time is entered."""
        start = _now()
        result = step()
        self.seconds[stage] = _now() - start
        return result


@dataclass(frozen=True)
class _Known:
    """An order found before."""

    sequence: list[int]
    name: ClassVar[str] = "known"

    def __call__(self, shape: Shape) -> list[int]:
        return self.sequence


class _Making:
    """Times how long models take to be made, one at a time, while something else consumes them.

    Garbage collections in that time are left out: it is the consumer's objects that they look at.
    """

    def __init__(self, models: Iterable[Candidate]) -> None:
        self.spent = np.zeros(2)
        self._models = iter(models)
        self._began = np.zeros(2)

    def __iter__(self) -> Iterator[Candidate]:
        while True:
            gc.callbacks.append(self._collection)
            start = _now()
            model = next(self._models, None)
            self.spent += _now() - start
            gc.callbacks.remove(self._collection)
            if model is None:
                return
            yield model

    def _collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began = _now()
        else:
            self.spent -= _now() - self._began


def measure(count: int) -> Measured:
    """Plan two rounds of a search among ``count`` models, the second for half of them, on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    result = Measured(start_bytes=_bytes(*PEAK))
    start = _now()
    making = _Making(GeneratedSet(count=count))
    tree = TaskTree.of(making)
    result.seconds = {"generate the set": making.spent, "tree": _now() - start - making.spent}
    models = tree.all_models()
    whole = result.timed("prune to all", lambda: tree.prune(models))
    small = result.timed("compress", whole.compress)
    del whole
    sequence = result.timed("DFS+", lambda: _ordered(DfsPlus(), small, models))
    plan = result.timed("plan", lambda: _plan(small, models, _Known(sequence)))
    result.facts = {
        "vertices of the tree": len(tree),
        "compressed": len(small),
        "chunks": len(plan.chunks),
        "steps": result.timed("walk all steps", lambda: sum(1 for _ in plan.steps)),
    }
    for name, order in ORDERS.items():
        result.timed(name, partial(_ordered, order, small, models))
    half = np.random.default_rng(0).permutation(count)[: (count + 1) // 2]
    kept = [models[i] for i in np.sort(half)]
    halved = result.timed("prune to half", lambda: tree.prune(kept))
    result.timed("compress, order and plan the half", lambda: _plan(halved.compress(), kept, DfsPlus()))
    result.peak_bytes, result.load = _bytes(*PEAK), os.getloadavg()[0]
    return result


def _ordered(order: Order, tree: TaskTree, models: Sequence[str]) -> list[int]:
    return order(Shape.of(tree, models))


def _plan(tree: TaskTree, models: Sequence[str], order: Order) -> Plan:
    stops = [*range(BATCH_SIZE, ITEMS, BATCH_SIZE), ITEMS]
    batches = [Batch(i, i * BATCH_SIZE, stop, stop <= ITEMS // 5) for i, stop in enumerate(stops)]
    return make_plan(tree, models, batches, order, planned_releases=True, limits=Limits((BUDGET,)))


def _now() -> np.ndarray:
    """Seconds (2,) that this process has had a core, and of the wall clock."""
    return np.array([time.process_time(), time.perf_counter()])


def _bytes(file: str, name: str) -> int:
    """What Linux says in ``file`` behind ``name``, 0 elsewhere; ``getrusage`` may say a parent's peak."""
    lines = Path(file).read_text().splitlines() if Path(file).exists() else []
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def check_memory(models: int) -> None:
    """Refuse what would not fit beside the machine's other work, in a ConfigError."""
    free, needed = _bytes("/proc/meminfo", "MemAvailable:"), models * BYTES_PER_MODEL
    if 0 < free < needed:
        raise ConfigError(
            f"--models {models}: about {needed / 1e9:.0f} GB of memory are needed and {free / 1e9:.0f} GB are "
            f"free; {free // BYTES_PER_MODEL} models would fit"
        )


def page(runs: Mapping[int, Sequence[Measured]]) -> Page:
    """Tables of medians; ``runs`` by number of models."""
    example = GeneratedSet(count=1)
    first, around, facts = [], [], []
    for models, measured in runs.items():
        seconds, gigabytes = GOALS.get(models, (None, None))
        count = {"models": f"{models:,}"}
        sums = [np.sum([m.seconds[stage] for stage in FIRST], axis=0) for m in measured]
        first.append(
            count
            | {"N": f"{len(measured)}"}
            | {stage: _numbers(m.seconds[stage][0] for m in measured) for stage in FIRST}
            | {"**sum**": _numbers(core for core, _ in sums), "goal": f"{seconds} s" if seconds else ""}
            | {"sum on the wall": _numbers(wall for _, wall in sums)}
            | {"peak memory": f"{max(m.peak_bytes for m in measured) / 1e9:.2f} GB"}
            | {"its goal": f"{gigabytes} GB" if gigabytes else ""}
        )
        stages = {stage: _numbers(m.seconds[stage][0] for m in measured) for stage in OTHERS}
        around.append(count | stages | {"load": _numbers(m.load for m in measured)})
        sizes = {"blocks": models * example.blocks} | measured[0].facts
        facts.append(count | {name: f"{size:,}" for name, size in sizes.items()})
    start = max(m.start_bytes for measured in runs.values() for m in measured)
    return Page(
        "Tree and plan for very many models",
        [
            f"One core. Models are chains of {example.blocks} generated fingerprints, in families of about "
            f"{example.models_per_family}. A model copies a random earlier one of its family and gets new last "
            "blocks, their number drawn from the family's distribution, one of the paper's (top layers, top 25 %, "
            f"top 50 %); {example.unshared:.0%} of the models share nothing. Every model arrives with blocks and "
            f"strings of its own, as if read from a manifest. The plan is for {ITEMS} items in batches of "
            f"{BATCH_SIZE} under a cache budget of {BUDGET >> 30} GiB, with planned releases.",
            "## From candidates to the first plan",
            "Seconds that the process had its core, medians of N with their range.",
            table(first),
            "## Around it",
            "Seconds as above. A search prunes, compresses, orders and plans anew in every round.",
            table(around),
            "## What there is to plan",
            table(facts),
            "Peak memory is the whole process's through all stages of both tables; "
            f"{start / 1e9:.2f} GB of it are the interpreter and its libraries. Models are generated one at a time "
            "while the tree is built, and timed apart; garbage collections in that time count for the tree, whose "
            "objects they look at. *Load*: processes that wanted a core; above the number of cores the wall clock "
            "says little, and shared caches slow the core as well.",
        ],
    )


def _numbers(values: Iterable[float]) -> str:
    """Two significant digits or more, without an exponent."""
    found = list(values)
    smallest = min((value for value in found if value > 0), default=1.0)
    return spread(found, f"{{:.{max(0, 1 - floor(log10(smallest)))}f}}")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--models", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--repeats", type=int, default=3, help=f"once for more than {REPEATED_UP_TO} models")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure every number of models; each leaves a page."""
    if min(*options.models, options.repeats) < 1:
        raise ConfigError("--models and --repeats must be at least 1")
    runs: dict[int, list[Measured]] = {}
    for models in options.models:
        check_memory(models)
        repeats = options.repeats if models <= REPEATED_UP_TO else 1
        runs[models] = [apart(f"planning {models} models", measure, models) for _ in range(repeats)]
        yield page(runs)
