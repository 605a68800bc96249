"""Checks of a proxy on features that are made up."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from alsatian.errors import FOREIGN
from alsatian.proxies.base import Evaluation, Proxy, needs_head, score_each, scores_together
from experiments.checking.suite import SAME, Verdicts, reason_of

FINITE = "gives a finite number"
OUTCOMES = "outcomes belong to test items, their mean is the score"
ALONE = "depends on no other model"
UNCHANGED = "leaves its input as it is"


@dataclass(frozen=True)
class Problem:
    """Features of so many items; ``classes`` is 0 for numbers, and ``odd`` says what is unusual."""

    train: int
    test: int
    dimension: int
    classes: int
    odd: str = ""

    def __str__(self) -> str:
        labels = f"{self.classes} classes" if self.classes else "numbers"
        return (
            f"{self.train} + {self.test} items, {self.dimension} features, {labels}"
            + ", " * bool(self.odd)
            + self.odd
        )

    def arguments(self, seed: int = 0) -> list[Any]:
        """Those of ``score``."""
        rng = torch.Generator().manual_seed(seed)
        items = self.train + self.test
        x = torch.randn(items, self.dimension, generator=rng)
        y = torch.arange(items) % self.classes if self.classes else x.double().sum(1)
        if self.classes:
            x += 2 * torch.randn(self.classes, self.dimension, generator=rng)[y]
        if self.odd == "a constant feature":
            x[:, 0] = 0.1
        if self.odd == "equal features":
            x[:] = 0.3
        if self.odd == "a class without training items":
            y[: self.train] %= self.classes - 1
        return [x[: self.train], y[: self.train], x[self.train :], y[self.train :], self.classes]


@dataclass(frozen=True)
class ProxySuite:
    """Judges a proxy."""

    subject: str
    proxy: Proxy
    properties: Sequence[str] = (FINITE, OUTCOMES, SAME, ALONE, UNCHANGED)

    def cases(self) -> list[Problem]:
        numbers = [Problem(30, 9, 5, 0), Problem(12, 4, 40, 0)] if getattr(self.proxy, "regression", False) else []
        return [
            Problem(6, 3, 2, 2),
            Problem(12, 6, 1, 3),
            Problem(20, 6, 20, 4),
            Problem(12, 6, 50, 3),
            *(Problem(24, 8, 6, 4, odd) for odd in ("a constant feature", "a class without training items")),
            Problem(24, 8, 6, 4, "equal features"),
            Problem(150, 40, 16, 10),
            *numbers,
        ]

    def smaller(self, case: Problem) -> Iterator[Problem]:
        if case.odd:
            yield replace(case, odd="")
        for train in (case.train // 2, case.train - 1):
            yield from [replace(case, train=train)] * (train >= max(2, case.classes))
        for dimension in (case.dimension // 2, case.dimension - 1):
            yield from [replace(case, dimension=dimension)] * (dimension > 0)
        if case.classes > 2 and not case.odd:
            yield replace(case, classes=case.classes - 1)
        if case.test > 2:
            yield replace(case, test=case.test // 2)

    def examine(self, case: Problem) -> Verdicts:
        given, untouched = case.arguments(), case.arguments()
        try:
            first = self._score(given, seed=1)
            second = self._score(untouched, seed=2)
            self._score(case.arguments(seed=1), seed=3)
            third = self._score(case.arguments(), seed=1)
            beside = self._beside(case)
        except FOREIGN as error:
            return {FINITE: reason_of(error)}
        outcomes = None
        if first.outcomes is not None and len(first.outcomes) != case.test:
            outcomes = f"{len(first.outcomes)} outcomes for {case.test} test items"
        elif first.outcomes is not None and not math.isclose(
            float(np.mean(first.outcomes)), first.score, rel_tol=1e-9
        ):
            outcomes = f"their mean is {float(np.mean(first.outcomes))!r}, the score {first.score!r}"
        same = all(torch.equal(a, b) for a, b in zip(given[:4], case.arguments()[:4], strict=True))
        return {
            FINITE: None if math.isfinite(first.score) else f"the score is {first.score}",
            OUTCOMES: outcomes,
            SAME: _difference(first, second, "with another random state"),
            ALONE: _difference(first, third, "after another model was scored")
            or _difference(first, beside or first, "together with another model"),
            UNCHANGED: None if same else "features or labels are others afterwards",
        }

    def _beside(self, case: Problem) -> Evaluation | None:
        """What it says of the model behind another one, if it scores several together."""
        if not scores_together(self.proxy):
            return None
        train_x, train_y, test_x, test_y, classes = case.arguments()
        other = case.arguments(seed=1)
        return score_each(self.proxy, [other[0], train_x], train_y, [other[2], test_x], test_y, classes)[1]

    def _score(self, given: Sequence[Any], seed: int) -> Evaluation:
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        more = {"head": _head} if needs_head(self.proxy) else {}
        return Evaluation.of(self.proxy.score(*given, **more))  # type: ignore[arg-type]


def _difference(one: Evaluation, two: Evaluation, when: str) -> str | None:
    if one.score == two.score or (math.isnan(one.score) and math.isnan(two.score)):
        return None
    return f"the score is {one.score!r}, and {two.score!r} {when}"


def _head(features: torch.Tensor) -> torch.Tensor:
    """A classifier of two classes, by the first feature."""
    first = torch.sigmoid(features[:, :1].double())
    return torch.cat([first, 1 - first], dim=1)
