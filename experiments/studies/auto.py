"""Planning by predicted time against Alsatian's usual plans, from ample memory to very little.

``python -m experiments.studies.auto`` searches the quickstart's models with both at every pair of budgets, of
intermediates and of blocks, by halving and exhaustively, and lets ``auto`` choose between the two schedules. At
each pair all take turns, in changing order, so that whatever else the machine does meets all of them alike. Both
may use the same memory, and both have to find the same scores.
"""

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from alsatian.api import SearchResult, search
from alsatian.budgets import Budgets, working_set
from alsatian.errors import AlsatianError, BudgetError, ConfigError
from alsatian.files import make_folder, write_bytes
from alsatian.models.model_set import ModelSet
from alsatian.progress import unheard
from alsatian.units import parse_budget
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts, Setup, use_threads
from experiments.studies.auto_page import AUTO, USUAL, Memory, Sample, csv_text, page

SCHEDULES = ("halving", "exhaustive", "adaptive")


Scores = dict[tuple[int, str], tuple[float, str | None]]


@dataclass(frozen=True)
class Workload:
    """The models and data, and how the parts of a search are made.

    ``words`` are overrides as on the command line; models are made on first use below ``store``.
    """

    parts: Parts
    words: tuple[str, ...]
    store: Path

    def setup(self, strategy: str, schedule: str) -> Setup:
        """The parts of a search, whatever its budgets."""
        chosen = [f"strategy={strategy}", f"schedule={schedule}", f"store_dir='{self.store}'"]
        return self.parts.setup(cells(["experiment=quickstart", *chosen, *self.words])[0].config)

    def models(self, setup: Setup) -> ModelSet:
        """The candidate models."""
        return self.parts.model_set(setup.config, unheard)

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
        models = self.models(setup)
        batches = setup.dataset.batches(setup.config["batch_size"])

        def usable() -> int:
            items = sum(batch.items for part in batches for batch in part)
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
        setup = self.setup(strategy, schedule)
        use_threads(setup.config)
        return search(
            self.models(setup),
            setup.dataset,
            strategy=setup.strategy,
            proxy=setup.proxy,
            storage=setup.storage,
            hardware=setup.hardware,
            batch_size=setup.config["batch_size"],
            budget=replace(setup.budgets, budget=memory.cache_bytes, block_budget=memory.block_bytes),
            loader=setup.loader,
            device=setup.config["device"]["name"],
            verify=True,
        )


def sample(result: SearchResult, memory: Memory, schedule: str, strategy: str) -> Sample:
    """What is kept of a search."""
    measured = result.measurement
    plans = [event["note"] for event in measured.events if event["kind"] == "plan"]
    chosen = [event["chosen"] for event in measured.events if event["kind"] == "schedule"]
    return Sample(
        memory,
        schedule,
        strategy,
        measured.wall_s,
        measured.parts_s["planning"],
        measured.counters.get("bytes_read", 0),
        measured.peaks.get("memory_bytes", 0),
        "".join(chosen),
        tuple(plans),
    )


def entrants(schedules: Sequence[str]) -> list[tuple[str, str]]:
    """Strategies and schedules that take turns; what an adaptive schedule chooses between is run by both."""
    return [(s, schedule) for schedule in schedules for s in (USUAL, AUTO) if (s, schedule) != (USUAL, "adaptive")]


def measure(
    run: Callable[[str, str, Memory], SearchResult],
    memories: Sequence[Memory],
    schedules: Sequence[str],
    turns: int,
) -> Iterator[Sample]:
    """``turns`` searches of every entrant at every memory, after one of each that does not count.

    Raises:
        AlsatianError: two searches found different scores, or more memory was used than there is.
    """
    known: Scores = {}
    for strategy, schedule in entrants(schedules):
        run(strategy, schedule, memories[0])
    for memory in memories:
        refused: set[tuple[str, str]] = set()
        for turn in range(turns):
            order = entrants(schedules)
            for strategy, schedule in order[turn % len(order) :] + order[: turn % len(order)]:
                if (strategy, schedule) in refused:
                    continue
                try:
                    result = run(strategy, schedule, memory)
                except BudgetError:
                    refused.add((strategy, schedule))
                    yield Sample(memory, schedule, strategy, None)
                    continue
                check(result, known, memory)
                yield sample(result, memory, schedule, strategy)


def check(result: SearchResult, known: Scores, memory: Memory) -> None:
    """Compare the scores with all ``known``, and add them; compare the memory in use with ``memory``.

    Raises:
        AlsatianError: something differs, or more was used.
    """
    for finished in result.rounds:
        for model, score in finished.scores.items():
            found = (score, finished.fingerprints.get(model))
            if known.setdefault((finished.train_items, model), found) != found:
                raise AlsatianError(f"model {model} on {finished.train_items} items: scores or features differ")
    used = result.measurement.peaks.get("memory_bytes", 0)
    if used > memory.both:
        raise AlsatianError(
            f"intermediates and blocks had {used} bytes where {memory.cache} and {memory.blocks} are {memory.both}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write page and CSV; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.auto", description=__doc__)
    parser.add_argument("--cache", nargs="+", default=["100%", "25%", "10%", "5%", "2%"], help="of intermediates")
    parser.add_argument("--blocks", nargs="+", default=["100%", "25%", "5%"], help="of blocks on the device")
    parser.add_argument("--schedules", nargs="+", choices=SCHEDULES, default=list(SCHEDULES))
    parser.add_argument("--turns", type=int, default=3, help="searches of each kind")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where the models are or will be")
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="for auto.md and auto.csv")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="as for alsatian run")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if options.turns < 2:
            raise ConfigError("--turns must be at least 2: one value has no spread")
        workload = Workload(Parts(), tuple(options.set), options.store)
        memories = workload.memories(options.cache, options.blocks)
        before, samples = os.getloadavg()[0], []
        for one in measure(workload.search, memories, options.schedules, options.turns):
            took = "does not fit" if one.wall_s is None else f"{one.wall_s:.2f} s"
            console.print(f"{one.memory.cache} and {one.memory.blocks}, {one.schedule}, {one.strategy}: {took}")
            samples.append(one)
        words = [f"--cache {' '.join(options.cache)}", f"--blocks {' '.join(options.blocks)}"]
        words += [f"--schedules {' '.join(options.schedules)}", f"--turns {options.turns}"]
        words += [f"--set {' '.join(options.set)}"] if options.set else []
        command = " ".join(["python -m experiments.studies.auto", *words])
        make_folder(options.folder)
        text = "\n".join(page(samples, command, (before, os.getloadavg()[0])))
        write_bytes(options.folder / "auto.md", f"{text}\n".encode())
        write_bytes(options.folder / "auto.csv", csv_text(samples).encode())
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"auto: {error}", markup=False, highlight=False)
        return 1
    console.print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
