"""Checks of orders and schedules by themselves, beside the searches that use them."""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from alsatian.data.dataset import batches_ending_at
from alsatian.errors import FOREIGN
from alsatian.planning.orders.base import Order, Shape, arrange
from alsatian.searching.contract import rounds_of
from alsatian.searching.schedules import Round, RoundScores, Schedule
from alsatian.searching.strategy import Strategy
from alsatian.tree import NO_VERTEX
from experiments.checking.suite import SAME, Verdicts, reason_of

PERMUTATION = "has every vertex once, behind its parent"
UNCHANGED = "leaves its input as it is"
VALID = "rounds are valid and come to an end"
SHRINKS = "no round has more models or less data than before"
KEEPS_K = "k models are left"


@dataclass(frozen=True)
class Tree:
    """A task tree by the ``parent`` of every vertex and its ``size``; leaves are features."""

    parent: tuple[int, ...]
    size: tuple[int, ...]

    def __str__(self) -> str:
        return f"a tree of {len(self.parent)} vertices with the parents {list(self.parent)}"

    def shape(self) -> Shape:
        """As orders see it."""
        leaves = sorted(set(range(len(self.parent))) - set(self.parent))
        return Shape(list(self.parent), list(self.size), leaves)


def _tree(vertices: int, seed: int) -> Tree:
    rng = random.Random(seed)
    parents = [NO_VERTEX] + [rng.randrange(-1 if seed % 3 == 0 else 0, i) for i in range(1, vertices)]
    return Tree(tuple(parents), tuple(rng.randint(1, 9) for _ in parents))


@dataclass(frozen=True)
class OrderSuite:
    """Judges an order on trees of many kinds."""

    subject: str
    order: Order
    properties: Sequence[str] = (PERMUTATION, SAME, UNCHANGED)

    def cases(self) -> list[Tree]:
        chain, star = tuple(range(-1, 8)), (NO_VERTEX, *[0] * 8)
        drawn = [_tree(vertices, seed) for seed, vertices in enumerate((1, 2, 3, 4, 5, 6, 8, 10, 14, 20, 40, 70))]
        return [*drawn[:6], Tree(chain, (3,) * 9), Tree(star, (3,) * 9), *drawn[6:]]

    def smaller(self, case: Tree) -> Iterator[Tree]:
        for vertex in range(len(case.parent) - 1, 0, -1):
            if vertex not in case.parent:
                rest = [p - (p > vertex) for i, p in enumerate(case.parent) if i != vertex]
                yield Tree(tuple(rest), case.size[:vertex] + case.size[vertex + 1 :])

    def examine(self, case: Tree) -> Verdicts:
        shape = case.shape()
        try:
            first = list(arrange(self.order, shape).order)
            unchanged = shape == case.shape()
            second = list(arrange(self.order, case.shape()).order)
        except FOREIGN as error:
            return {PERMUTATION: reason_of(error)}
        wrong = None
        if sorted(first) != list(range(len(case.parent))):
            wrong = f"the order is {first}"
        elif early := [v for v in first if case.parent[v] in first[first.index(v) :]]:
            wrong = f"the order is {first}, where {early[0]} stands before its parent {case.parent[early[0]]}"
        return {
            PERMUTATION: wrong,
            SAME: None if first == second else f"the order is {first}, and {second} when asked again",
            UNCHANGED: None if unchanged else "the shape that it was given is another one afterwards",
        }


@dataclass(frozen=True)
class Contest:
    """So many models with scores drawn from ``seed``, and so many items to train with."""

    models: int
    items: int
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.models} models, {self.items} training items, scores drawn from seed {self.seed}"


@dataclass(frozen=True)
class ScheduleSuite:
    """Judges a schedule by made-up scores."""

    subject: str
    schedule: Schedule
    properties: Sequence[str] = (VALID, SHRINKS, KEEPS_K, SAME)

    def cases(self) -> list[Contest]:
        return [Contest(n, items, n + items) for n in (1, 2, 3, 7, 35) for items in (1, 2, 3, 8, 40)]

    def smaller(self, case: Contest) -> Iterator[Contest]:
        for models in (case.models // 2, case.models - 1):
            yield from [replace(case, models=models)] * (models > 0)
        for items in (case.items // 2, case.items - 1):
            yield from [replace(case, items=items)] * (items > 0)

    def examine(self, case: Contest) -> Verdicts:
        try:
            rounds, again = self._rounds(case), self._rounds(case)
        except FOREIGN as error:
            return {VALID: reason_of(error)}
        grown = next(
            (
                f"round {i} has {len(b.models)} models on {b.train_items} items behind {len(a.models)} on "
                f"{a.train_items}"
                for i, (a, b) in enumerate(itertools.pairwise(rounds), start=2)
                if not set(b.models) <= set(a.models) or b.train_items < a.train_items
            ),
            None,
        )
        least = min(getattr(self.schedule, "k", 1), case.models)
        few = [len(one.models) for one in rounds if len(one.models) < least]
        return {
            VALID: None,
            SHRINKS: grown,
            KEEPS_K: f"a round has {few[0]} models where k={least}" if few else None,
            SAME: None if rounds == again else "other rounds when asked again with the same scores",
        }

    def _rounds(self, case: Contest) -> list[Round]:
        rng = np.random.default_rng(case.seed)
        models = [f"m{i}" for i in range(1, case.models + 1)]
        chance = dict(zip(models, rng.random(case.models), strict=True))
        strategy = Strategy(name=self.subject.partition("=")[2], schedule=self.schedule)
        _, train = batches_ending_at((), range(1, case.items + 1))
        pending, scores = rounds_of(strategy, models, train), None
        found: list[Round] = []
        with_outcomes = {model: (rng.random(20) < chance[model]).astype(float) for model in models}
        while True:
            try:
                found.append(next(pending) if scores is None else pending.send(scores))
            except StopIteration:
                return found
            scores = RoundScores({model: float(with_outcomes[model].mean()) for model in found[-1].models})
            scores.outcomes = {model: with_outcomes[model] for model in found[-1].models}
