"""How far the orders are from the best one.

``python -m experiments.studies.orders`` compares the minimum cache requirement of every order with the least
of all, on the task trees of the paper's synthetic sets and on random ones, and writes a page of tables with
its CSV (minutes).
"""

import argparse
import csv
import io
import itertools
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import fmean, median

from rich.console import Console

from alsatian.errors import AlsatianError, ConfigError
from alsatian.files import make_folder, write_bytes
from alsatian.models.sets.distributions import DISTRIBUTIONS
from alsatian.planning.orders.base import Order, Shape, min_cache_size
from alsatian.planning.orders.bfs import Bfs
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.dfs_min import DfsMin
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.optimal import Optimal
from alsatian.searching.schedules import Halving
from alsatian.tree import TaskTree
from experiments.predictions.chains import PUBLISHED, Chain, read_chains
from experiments.runs.environment import environment

ORDERS: tuple[Order, ...] = (DfsPlus(), DfsMin(), Dfs(), Bfs())
OPTIMAL = Optimal(time_limit=60, states=100_000)
MODELS = 35
"""Of the paper's sets."""
RANDOM_SIZES = (20, 40, 60, 200)
"""Vertices of random trees; where features stay only the first two, of which most can be proved."""


@dataclass(frozen=True)
class Case:
    """One tree: the table it goes into, its row there, and the tree."""

    table: str
    row: str
    shape: Shape


@dataclass(frozen=True)
class Compared:
    """One tree and what its orders need.

    Attributes:
        case: the tree.
        least: what the best order needs, or the best that was found.
        proved: whether there is no better.
        needs: what the orders need, in the order of ``ORDERS``.
        seconds: that the search for the best took.
    """

    case: Case
    least: int
    proved: bool
    needs: tuple[int, ...]
    seconds: float

    def ratios(self) -> list[float]:
        """Each need over the least."""
        return [need / self.least if self.least else 1.0 for need in self.needs]


def paper_cases(chains: dict[str, Chain], seeds: int) -> Iterator[Case]:
    """The trees of the paper's sets: all models, then those left by successive halving with random scores."""
    for name, chain in chains.items():
        for distribution in DISTRIBUTIONS:
            for seed in range(seeds):
                candidates = chain.models(MODELS, distribution, seed)
                tree = TaskTree.of(candidates)
                scores = random.Random(seed)
                rounds = Halving().rounds([c.id for c in candidates], 1 << MODELS.bit_length())
                models = next(rounds).models
                row = f"{name}, {distribution}"
                while len(models) > 2:
                    kept = tree.prune(models).compress()
                    first = len(models) == MODELS
                    yield Case("first round" if first else "later rounds", row, Shape.of(kept, models))
                    if first:
                        shape = Shape.of(kept, models, keep_features=True)
                        yield Case("first round, features stay", row, shape)
                    models = rounds.send({model: scores.random() for model in models}).models


def random_cases(count: int) -> Iterator[Case]:
    """Random trees: any parent or a recent one, sizes at random or falling with the depth."""
    kinds = itertools.product((False, True), RANDOM_SIZES, (False, True), (False, True))
    for stay, vertices, deep, falling in kinds:
        if stay and vertices not in RANDOM_SIZES[:2]:
            continue
        row = f"{vertices} vertices, {'deep' if deep else 'bushy'}, {'falling' if falling else 'any'} sizes"
        rng = random.Random(row)
        for _ in range(count):
            shape = random_shape(rng, vertices, deep, falling, stay)
            yield Case(f"random trees{', features stay' if stay else ''}", row, shape)


def random_shape(rng: random.Random, vertices: int, deep: bool, falling: bool, stay: bool) -> Shape:
    """Sizes from 1 to 1000, with ``falling`` divided by the depth; features, at the leaves, from 1 to 100."""
    parent, depth = [-1], [1]
    for v in range(1, vertices):
        parent.append(rng.randrange(max(0, v - 5) if deep else 0, v))
        depth.append(depth[parent[-1]] + 1)
    inner = set(parent)
    outputs = [v for v in range(vertices) if v not in inner]
    sizes = [-(-rng.randint(1, 1000) // (depth[v] if falling else 1)) if v in inner else 0 for v in range(vertices)]
    kept = [rng.randint(1, 100) if stay and v not in inner else 0 for v in range(vertices)]
    return Shape(parent, sizes, outputs, kept)


def compare(case: Case) -> Compared:
    """Run all orders on one tree."""
    begin = time.perf_counter()
    best = OPTIMAL.arrange(case.shape)
    seconds = time.perf_counter() - begin
    needs = tuple(min_cache_size(case.shape, order(case.shape)) for order in ORDERS)
    return Compared(case, min_cache_size(case.shape, best.order), best.note is None, needs, seconds)


def grouped(results: Sequence[Compared]) -> dict[str, dict[str, list[Compared]]]:
    """By table and row, in the order of first appearance, with a last row for all."""
    tables: dict[str, dict[str, list[Compared]]] = {}
    for result in results:
        tables.setdefault(result.case.table, {}).setdefault(result.case.row, []).append(result)
    for rows in tables.values():
        rows["all"] = [result for row in rows.values() for result in row]
    return tables


def page(tables: dict[str, dict[str, list[Compared]]], command: str) -> Iterator[str]:
    """The page's lines."""
    machine = environment()
    count = sum(len(rows["all"]) for rows in tables.values())
    yield from (
        "# How far orders are from the best one",
        "",
        f"{date.today()}, {count} trees, {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}.",
        "",
        *("```", command, "```", ""),
        "Minimum cache requirement (C_min) of an order over the least of all orders, which `optimal` finds.",
        "*Equal*: share of the trees where both are the same; *mean* and *worst* are of the ratio. *Proved*: share",
        f"of the trees where `optimal` came to its end within {OPTIMAL.states} states; for the others the ratio is",
        "over the best order found.",
        "",
        f"The paper's sets are drawn by its procedure: {MODELS} models, intermediates as the splitter finds them.",
        "Later rounds are those of successive halving with random scores, down to three models. Where features",
        "stay they count in memory from when they are computed to the end of the round; by default they leave the",
        "cache at once, and then DFS+ is the best depth-first order there is.",
    )
    for table, rows in tables.items():
        slowest = max(result.seconds for result in rows["all"])
        yield from ("", f"## {table[0].upper()}{table[1:]}", "")
        yield from (f"`optimal` took {slowest:.2g} s for the slowest tree.", "")
        heads = (f"{order.name}: equal | mean | worst" for order in ORDERS)
        yield f"| trees | N | vertices, median | proved | {' | '.join(heads)} |"
        yield f"|---|{'--:|' * (3 + 3 * len(ORDERS))}"
        for row, results in rows.items():
            vertices = median(len(result.case.shape.parent) for result in results)
            cells = [row, str(len(results)), f"{vertices:g}", _share(result.proved for result in results)]
            for ratios in zip(*(result.ratios() for result in results), strict=True):
                equal = _share(ratio == 1 for ratio in ratios)
                cells += [equal, f"{fmean(ratios):.3f}", f"{max(ratios):.2f}"]
            yield f"| {' | '.join(cells)} |"


def _share(held: Iterable[bool]) -> str:
    """A percentage that is 100 only if all are."""
    values = list(held)
    return f"{int(100 * sum(values) / len(values))} %"


def csv_text(tables: dict[str, dict[str, list[Compared]]]) -> str:
    """One line for every row and order."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(
        ["table", "row", "order", "trees", "median_vertices", "proved", "equal", "mean_ratio", "worst_ratio"]
    )
    for table, rows in tables.items():
        for row, results in rows.items():
            vertices = f"{median(len(result.case.shape.parent) for result in results):g}"
            proved = sum(result.proved for result in results)
            columns = zip(*(result.ratios() for result in results), strict=True)
            for order, ratios in zip(ORDERS, columns, strict=True):
                equal = sum(ratio == 1 for ratio in ratios)
                mean, worst = f"{fmean(ratios):.6f}", f"{max(ratios):.6f}"
                writer.writerow([table, row, order.name, len(results), vertices, proved, equal, mean, worst])
    return out.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare and write; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.orders", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="sets of each architecture and distribution")
    parser.add_argument("--random", type=int, default=100, help="trees of each random kind")
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="for orders.md and orders.csv")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if options.seeds < 1 or options.random < 1:
            raise ConfigError("--seeds and --random must be at least 1")
        # At a smaller input a chain's sizes are in proportion, so its trees say nothing new.
        chains = {name: chain for name, chain in read_chains().items() if name != PUBLISHED["EffNetV2-L"]}
        cases = [*paper_cases(chains, options.seeds), *random_cases(options.random)]
        tables = grouped([compare(case) for case in cases])
        command = f"python -m experiments.studies.orders --seeds {options.seeds} --random {options.random}"
        make_folder(options.folder)
        lines = "\n".join(page(tables, command))
        write_bytes(options.folder / "orders.md", f"{lines}\n".encode())
        write_bytes(options.folder / "orders.csv", csv_text(tables).encode())
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"orders: {error}", markup=False, highlight=False)
        return 1
    console.print(lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
