"""Baselines as somebody would write them in a folder of their own, each with one mistake."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Arrangement, Shape
from alsatian.planning.plan import Infer, Plan, Release, Score
from alsatian.planning.planner import make_plan
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.searching.schedules import Round, Rounds
from alsatian.searching.strategy import Strategy


class ForgetsAScore(Strategy):
    def plan(self, *given: Any) -> Plan:
        plan = super().plan(*given)
        last = [i for i, step in enumerate(plan.steps) if isinstance(step, Score)][-1]
        return replace(plan, steps=[step for i, step in enumerate(plan.steps) if i != last or i == 0])


class ReleasesTooEarly(Strategy):
    def plan(self, *given: Any) -> Plan:
        plan = super().plan(*given)
        steps = list(plan.steps)
        for at in [i for i, step in enumerate(steps) if isinstance(step, Release)]:
            first = next(i for i, step in enumerate(steps) if step == Infer(steps[at].vertex, steps[at].chunk))
            steps.insert(first + 1, steps.pop(at))
        return replace(plan, steps=steps)


class ReleasesTwice(Strategy):
    def plan(self, *given: Any) -> Plan:
        plan = super().plan(*given)
        return replace(plan, steps=[s for step in plan.steps for s in [step] * (1 + isinstance(step, Release))])


class ReleasesNothing(Strategy):
    def plan(self, *given: Any) -> Plan:
        plan = super().plan(*given)
        return replace(plan, steps=[step for step in plan.steps if not isinstance(step, Release)])


class TakesTheWrongModel(Strategy):
    def plan(self, tree: Any, *given: Any) -> Plan:
        models = list(tree._vertex_of)
        tree._vertex_of = dict(zip(models, [tree._vertex_of[m] for m in reversed(models)], strict=True))
        return super().plan(tree, *given)


class PlansNothing(Strategy):
    def plan(self, *given: Any) -> Any:
        return None


class NeverEnds(Strategy):
    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        while True:
            yield Round(tuple(models), train_items)


class YieldsText(Strategy):
    def rounds(self, models: Sequence[str], train_items: int) -> Any:
        yield "all models"


class ReturnsNoRounds(Strategy):
    def rounds(self, models: Sequence[str], train_items: int) -> Any:
        return None


class HasNoRound(Strategy):
    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        yield from ()


class KnowsOtherModels(Strategy):
    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        yield Round((*models, "mine"), train_items)


class WantsTooMuch(Strategy):
    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        yield Round(tuple(models), train_items + 1)


class ChangesFeatures(Strategy):
    def plan(self, tree: Any, *given: Any) -> Plan:
        tree.preprocessing = [ImagePreprocessing(8, mean=(0.1, 0.2, 0.3)) for _ in tree.preprocessing]
        return super().plan(tree, *given)


class IgnoresBudgets(Strategy):
    def plan(self, tree: Any, models: Sequence[str], batches: Any, limits: Limits) -> Plan:
        return super().plan(tree, models, batches, Limits())


class Shuffles(Strategy):
    def plan(self, tree: Any, models: Sequence[str], batches: Any, limits: Limits) -> Plan:
        outputs = list(models)
        random.shuffle(outputs)
        shape = Shape.of(tree, outputs)
        waiting, order = shape.roots(), []
        while waiting:
            order.append(waiting.pop(random.randrange(len(waiting))))
            waiting += shape.children[order[-1]]
        return make_plan(tree, models, batches, Arrangement(order), planned_releases=True, limits=limits)


class Sleeps(Strategy):
    def plan(self, *given: Any) -> Plan:
        time.sleep(600)
        return super().plan(*given)


class Raises(Strategy):
    def plan(self, *given: Any) -> Plan:
        raise KeyError("benefit")


class LeavesItemsOut(Strategy):
    def plan(self, tree: Any, models: Sequence[str], batches: Any, limits: Limits) -> Plan:
        return super().plan(tree, models, batches[:-1], limits)


class CutsBatches(Strategy):
    def plan(self, tree: Any, models: Sequence[str], batches: Any, limits: Limits) -> Plan:
        return super().plan(tree, models, [replace(b, stop=b.stop - (b.items > 1)) for b in batches], limits)


class ScoresTooSoon(Strategy):
    def plan(self, *given: Any) -> Plan:
        plan = super().plan(*given)
        return replace(plan, steps=sorted(plan.steps, key=lambda step: not isinstance(step, Score)))


class Exits(Strategy):
    def plan(self, *given: Any) -> Plan:
        raise SystemExit(0)


class TakesTooLittle(Strategy):
    def plan(self, tree: Any) -> Plan:  # type: ignore[override]
        return super().plan(tree, (), (), Limits())


class Misjudges(Strategy):
    def plan(self, *given: Any) -> Plan:
        return replace(super().plan(*given), peaks=(1,))


class ScoresNoVertex(Strategy):
    def plan(self, *given: Any) -> Plan:
        plan = super().plan(*given)
        return replace(plan, steps=[*plan.steps, Score(-1)])


# Parts of strategies, each with one mistake.


class Backwards:
    name: ClassVar[str] = "backwards"

    def __call__(self, shape: Shape) -> list[int]:
        return list(range(len(shape.parent)))[::-1]


class Leaves:
    name: ClassVar[str] = "leaves"

    def __call__(self, shape: Shape) -> list[int]:
        return list(shape.outputs)


class Whim:
    name: ClassVar[str] = "whim"

    def __call__(self, shape: Shape) -> list[int]:
        waiting, order = shape.roots(), []
        while waiting:
            order.append(waiting.pop(random.randrange(len(waiting))))
            waiting += shape.children[order[-1]]
        return order


class ReturnsNothing:
    name: ClassVar[str] = "returns_nothing"

    def __call__(self, shape: Shape) -> Any:
        shape.roots()


class EvictsAnything(CachePolicy):
    name = "anything"

    def victim(self, pinned: frozenset[int]) -> int | None:
        return 0


class Remembers(CachePolicy):
    """Goes on counting from search to search."""

    name = "remembers"

    def __init__(self) -> None:
        self.entries: list[int] = []
        self.count = 0

    def fresh(self) -> CachePolicy:
        self.entries = []
        return self

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        self.entries.append(vertex)
        self.count += 1

    def removed(self, vertex: int) -> None:
        self.entries.remove(vertex)

    def victim(self, pinned: frozenset[int]) -> int | None:
        free = [v for v in self.entries if v not in pinned]
        return free[self.count % len(free)] if free else None


@dataclass(frozen=True)
class Grows:
    name: ClassVar[str] = "grows"

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        for count in range(1, len(models) + 1):
            yield Round(tuple(models[:count]), train_items)


@dataclass(frozen=True)
class KeepsOne:
    k: int = 3
    name: ClassVar[str] = "keeps_one"

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        scores = yield Round(tuple(models), 1)
        yield Round((max(scores, key=lambda model: scores[model]),), train_items)


class NotANumber:
    name: ClassVar[str] = "not_a_number"

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> float:
        return float(train_x.std(0).min().log())


class Dice:
    name: ClassVar[str] = "dice"

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> float:
        return float(torch.rand(()))


class Compares:
    """To what it saw before."""

    name: ClassVar[str] = "compares"
    best = 0.0

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> float:
        self.best = max(self.best, float(train_x.abs().mean()))
        return float(train_x.abs().mean()) / self.best


class Averages:
    """Over the models that are scored together."""

    name: ClassVar[str] = "averages"

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> float:
        return float(train_x.mean())

    def score_together(self, train_x: Any, *others: Any) -> list[float]:
        return [float(torch.stack(list(train_x)).mean())] * len(train_x)


class Normalises:
    name: ClassVar[str] = "normalises"

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> float:
        train_x /= train_x.abs().sum()
        return float(train_x.mean())


class Fails:
    name: ClassVar[str] = "fails"

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> float:
        raise RuntimeError("no features")


class Writes:
    name: ClassVar[str] = "writes"

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> Any:
        return "0.5"


class ProxyExits:
    name: ClassVar[str] = "exits"

    def score(self, train_x: Any, train_y: Any, test_x: Any, test_y: Any, classes: int) -> float:
        raise SystemExit("enough")
