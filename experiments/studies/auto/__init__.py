"""Planning by predicted time against the usual plans.

Searches the quickstart's models with both at every pair of budgets, of intermediates and of blocks, from ample
memory to very little, by halving and exhaustively, and lets ``auto`` choose between the two schedules. At each pair
all take turns, in changing order, so that whatever else the machine does meets all of them alike. Both may use the
same memory, and both have to find the same scores.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alsatian.api import SearchResult, search
from alsatian.budgets import Budgets, working_set
from alsatian.errors import AlsatianError, BudgetError, ConfigError
from alsatian.progress import unheard
from alsatian.units import parse_budget
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts, Setup, use_threads
from experiments.studies.auto.page import AUTO, NONE, USUAL, page
from experiments.studies.study import Page, Say

SCHEDULES = ("halving", "exhaustive", "adaptive")


@dataclass(frozen=True)
class Memory:
    """A pair of budgets.

    Attributes:
        cache, blocks: as shares, of all that an exhaustive round could use again and of all distinct blocks.
        cache_bytes, block_bytes: the same in bytes.
    """

    cache: str
    blocks: str
    cache_bytes: int
    block_bytes: int


@dataclass(frozen=True)
class Workload:
    """The models and data; ``words`` are overrides as on the command line."""

    parts: Parts
    words: tuple[str, ...]

    def setup(self, strategy: str, schedule: str, *budgets: str) -> Setup:
        """The parts of a search."""
        chosen = ["experiment=quickstart", f"strategy={strategy}", f"schedule={schedule}", "verify=true"]
        return self.parts.setup(cells([*chosen, *budgets, *self.words])[0].config)

    def memories(self, caches: Sequence[str], blocks: Sequence[str]) -> list[Memory]:
        """Every pair of the shares.

        Raises:
            ConfigError: one is no share, or not positive.
        """
        for name, share in [*(("--cache", s) for s in caches), *(("--blocks", s) for s in blocks)]:
            if not share.endswith("%"):
                raise ConfigError(f"{name} {share}: not a share; write e.g. 25%")
            parse_budget(share, name)  # refused before models are made
        setup = self.setup(USUAL, "exhaustive")
        models = self.parts.model_set(setup.config, unheard)
        parts = setup.dataset.batches(setup.config["batch_size"], len(models.candidates))
        items = sum(batch.items for part in parts for batch in part)

        def usable() -> int:
            return working_set(models.candidates, [candidate.id for candidate in models.candidates], items)

        memories = []
        for cache, block in itertools.product(caches, blocks):
            found = Budgets(budget=cache, block_budget=block).resolve(usable, models.distinct_bytes)
            memories.append(Memory(cache, block, found.budget or 0, found.block_budget or 0))
        return memories

    def search(self, strategy: str, schedule: str, memory: Memory) -> SearchResult:
        """One search.

        Raises:
            BudgetError: no plan fits.
        """
        budgets = (f"cache.budget={memory.cache_bytes}", f"cache.block_budget={memory.block_bytes}")
        setup = self.setup(strategy, schedule, *budgets)
        use_threads(setup.config)
        return search(self.parts.model_set(setup.config, unheard), setup.dataset, **setup.search_settings())


def entrants(schedules: Sequence[str]) -> list[tuple[str, str]]:
    """Strategies and schedules that take turns; what an adaptive schedule chooses between is run by both."""
    return [(s, schedule) for schedule in schedules for s in (USUAL, AUTO) if (s, schedule) != (USUAL, "adaptive")]


def measure(
    run: Callable[[str, str, Memory], SearchResult],
    memories: Sequence[Memory],
    schedules: Sequence[str],
    turns: int,
) -> Iterator[dict[str, Any]]:
    """``turns`` searches of every entrant at every memory, after one of each that does not count.

    Each is a line of the page's data.

    Raises:
        AlsatianError: two searches found different scores, or more memory was used than there is.
    """
    known: dict[tuple[int, str], tuple[float, str | None]] = {}
    for entrant in entrants(schedules):
        run(*entrant, memories[0])
    for memory in memories:
        refused = set()
        for turn in range(turns):
            order = entrants(schedules)
            for strategy, schedule in order[turn % len(order) :] + order[: turn % len(order)]:
                if (strategy, schedule) in refused:
                    continue
                try:
                    result = run(strategy, schedule, memory)
                except BudgetError:
                    refused.add((strategy, schedule))
                    found = _MISSING
                else:
                    _check(result, known, memory)
                    found = _kept(result)
                yield {**asdict(memory), "schedule": schedule, "strategy": strategy, **found}


_MISSING: Mapping[str, Any] = {
    "wall_s": None, "profile_s": 0.0, "planning_s": 0.0, "bytes_read": 0, "memory_bytes": 0, "schedule_chosen": "",
    "notes": (),
}  # fmt: skip


def _kept(result: SearchResult) -> Mapping[str, Any]:
    """What is kept of a search."""
    measured = result.measurement
    return {
        "wall_s": measured.wall_s,
        "profile_s": sum(event["wall_s"] for event in measured.events if event["kind"] == "profile"),
        "planning_s": measured.parts_s["planning"],
        "bytes_read": measured.counters.get("bytes_read", 0),
        "memory_bytes": measured.peaks.get("memory_bytes", 0),
        "schedule_chosen": "".join(event["chosen"] for event in measured.events if event["kind"] == "schedule"),
        "notes": tuple(event["note"] for event in measured.events if event["kind"] == "plan"),
    }


def _check(result: SearchResult, known: dict[tuple[int, str], tuple[float, str | None]], memory: Memory) -> None:
    """Compare the scores with all ``known``, and add them; compare the memory in use with ``memory``."""
    for finished in result.rounds:
        for model, score in finished.scores.items():
            found = (score, finished.fingerprints.get(model))
            if known.setdefault((finished.train_items, model), found) != found:
                raise AlsatianError(f"model {model} on {finished.train_items} items: scores or features differ")
    used = result.measurement.peaks.get("memory_bytes", 0)
    both = memory.cache_bytes + memory.block_bytes
    if used > both:
        raise AlsatianError(
            f"intermediates and blocks had {used} bytes where {memory.cache} and {memory.blocks} are {both}"
        )


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--cache", nargs="+", default=["100%", "25%", "10%", "5%", "2%"], help="of intermediates")
    parser.add_argument("--blocks", nargs="+", default=["100%", "25%", "5%"], help="of blocks on the device")
    choices = ", ".join(SCHEDULES)
    parser.add_argument(
        "--schedules", nargs="+", metavar="NAME", choices=SCHEDULES, default=list(SCHEDULES), help=choices
    )
    parser.add_argument("--turns", type=int, default=3, help="searches of each kind")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where the models are or will be")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="as for alsatian run")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure every pair of budgets."""
    if options.turns < 2:
        raise ConfigError("--turns must be at least 2: one value has no spread")
    workload = Workload(Parts(), (f"store_dir='{options.store}'", *options.set))
    memories = workload.memories(options.cache, options.blocks)
    samples = []
    for one in measure(workload.search, memories, options.schedules, options.turns):
        took = NONE if one["wall_s"] is None else f"{one['wall_s']:.2f} s"
        say(f"cache {one['cache']}, blocks {one['blocks']}, {one['schedule']}, {one['strategy']}: {took}")
        samples.append(one)
    yield page(pd.DataFrame(samples))
