"""How far the orders are from the best one.

Compares the minimum cache requirement of every order with the least of all, on the task trees of the paper's
synthetic sets and on random ones (minutes).
"""

import argparse
import itertools
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from alsatian.errors import ConfigError
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
from experiments.studies.study import Page, Say, table

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


def paper_cases(chains: dict[str, Chain], seeds: int) -> Iterator[Case]:
    """The trees of the paper's sets: all models, then those left by successive halving with random scores."""
    for (name, chain), distribution, seed in itertools.product(chains.items(), DISTRIBUTIONS, range(seeds)):
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
                yield Case("first round, features stay", row, Shape.of(kept, models, keep_features=True))
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


def compare(cases: Iterable[Case]) -> pd.DataFrame:
    """One line a tree and order: what it needs over the least of all, and whether that was proved to be least.

    ``seconds`` are those that the search for the best order took.
    """
    lines = []
    for case in cases:
        begin = time.perf_counter()
        best = OPTIMAL.arrange(case.shape)
        seconds, least = time.perf_counter() - begin, min_cache_size(case.shape, best.order)
        for order in ORDERS:
            need = min_cache_size(case.shape, order(case.shape))
            ratio = need / least if least else 1.0
            facts = (len(case.shape.parent), best.note is None, seconds, least, need, ratio)
            lines.append((case.table, case.row, order.name, *facts))
    names = ("table", "row", "order", "vertices", "proved", "seconds", "least", "need", "ratio")
    return pd.DataFrame(lines, columns=names)


def summarise(trees: pd.DataFrame) -> pd.DataFrame:
    """One line for every table, row and order, with a last row for all of a table."""
    both = pd.concat([trees, trees.assign(row="all")])
    both["equal"] = both["ratio"] == 1
    groups = both.groupby(["table", "row", "order"], sort=False)
    summary = groups.agg(
        trees=("ratio", "size"), median_vertices=("vertices", "median"), proved=("proved", "sum"),
        equal=("equal", "sum"), mean_ratio=("ratio", "mean"), worst_ratio=("ratio", "max"),
    ).reset_index()  # fmt: skip
    place = summary["table"].map({name: i for i, name in enumerate(trees["table"].unique())})
    return summary.loc[place.sort_values(kind="stable").index].reset_index(drop=True)


def page(trees: pd.DataFrame) -> Page:
    """What came of it."""
    summary = summarise(trees)
    blocks = [
        f"{len(trees) // len(ORDERS)} trees. Minimum cache requirement (C_min) of an order over the least of all "
        "orders, which `optimal` finds. *Equal*: share of the trees where both are the same; *mean* and *worst* "
        "are of the ratio. *Proved*: share of the trees where `optimal` came to its end within "
        f"{OPTIMAL.states} states; for the others the ratio is over the best order found.",
        f"The paper's sets are drawn by its procedure: {MODELS} models, intermediates as the splitter finds them. "
        "Later rounds are those of successive halving with random scores, down to three models. Where features "
        "stay they count in memory from when they are computed to the end of the round; by default they leave the "
        "cache at once, and then DFS+ is the best depth-first order there is.",
    ]
    for name, rows in summary.groupby("table", sort=False):
        slowest = trees.loc[trees["table"] == name, "seconds"].max()
        blocks += [
            f"## {str(name).capitalize()}",
            f"`optimal` took {slowest:.2g} s for the slowest tree.",
            table(_line(str(row), found) for row, found in rows.groupby("row", sort=False)),
        ]
    return Page("How far orders are from the best one", blocks, summary.round(6))


def _line(row: str, found: pd.DataFrame) -> dict[str, str]:
    """A row of the page: ``found`` has a line for each order."""
    first = found.iloc[0]

    def share(count: int) -> str:
        return f"{100 * count // first.trees} %"  # 100 only if all are

    cells = {"trees": row, "N": f"{first.trees}", "vertices, median": f"{first.median_vertices:g}"}
    cells["proved"] = share(first.proved)
    for one in found.to_dict("records"):
        text = f"{share(one['equal'])}, {one['mean_ratio']:.3f}, {one['worst_ratio']:.2f}"
        cells[f"{one['order']}: equal, mean, worst"] = text
    return cells


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--seeds", type=int, default=20, help="sets of each architecture and distribution")
    parser.add_argument("--random", type=int, default=100, help="trees of each random kind")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Compare all orders on all trees."""
    if options.seeds < 1 or options.random < 1:
        raise ConfigError("--seeds and --random must be at least 1")
    # At a smaller input a chain's sizes are in proportion, so its trees say nothing new.
    chains = {name: chain for name, chain in read_chains().items() if name != PUBLISHED["EffNetV2-L"]}
    yield page(compare([*paper_cases(chains, options.seeds), *random_cases(options.random)]))
