"""Schedules: which models see how much of the data.

A schedule is a generator of rounds that is sent each round's scores. A round sees the first training items, as
many as it asks for up to the end of a batch, so that a batch runs through the same kernels whatever the schedule;
the test items belong to every round.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from alsatian.errors import ConfigError


@dataclass(frozen=True)
class Round:
    """Models to score on the first ``train_items`` training items, and the rest of the last one's batch."""

    models: tuple[str, ...]
    train_items: int


class RoundScores(dict[str, float]):
    """The scores of a round by model.

    Attributes:
        outcomes: what each test item adds to a model's score (N,), float64, by model: the same items for all. Empty
            where scores are no means over test items, and in predictions.
    """

    outcomes: Mapping[str, np.ndarray] = {}


Rounds = Generator[Round, Mapping[str, float], None]


class Schedule(Protocol):
    """See the module. One whose last round has all items, whatever the scores, may say so: ``sees_all = True``."""

    name: ClassVar[str]

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        """Yield rounds over ``models`` and at most ``train_items``; receive a :class:`RoundScores` for each."""
        ...


def ranked(models: Sequence[str], scores: Mapping[str, float]) -> list[str]:
    """``models`` by falling score; ties keep their order."""
    return sorted(models, key=lambda model: -scores[model])


@dataclass(frozen=True)
class Exhaustive:
    """One round: every model sees all data."""

    name: ClassVar[str] = "exhaustive"

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        yield Round(tuple(models), train_items)


@dataclass(frozen=True)
class Halving:
    """Successive halving: each round keeps the best ``ceil(n / eta)``, but not fewer than ``k``.

    The last round sees all data and each round before it a fraction ``1 / eta`` of the next. Rounds that
    ask for the same items are one. A single round over all data scores ``k`` models or fewer.
    """

    eta: int = 2
    k: int = 1
    name: ClassVar[str] = "halving"
    sees_all: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.eta < 2 or self.k < 1:
            raise ConfigError(f"schedule: eta={self.eta} must be at least 2 and k={self.k} at least 1")

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        counts = [len(models)]
        while counts[-1] > self.k:
            counts.append(max(self.k, -(-counts[-1] // self.eta)))
        rounds = max(1, len(counts) - 1)
        amounts = [-(-train_items // self.eta ** (rounds - 1 - r)) for r in range(rounds)]
        yield from _shrink(models, list(zip(amounts, counts[1:] or counts, strict=True)), self.survivors)

    def survivors(self, models: Sequence[str], scores: Mapping[str, float], count: int) -> list[str]:
        """Those of ``models`` that a round keeps: the best ``count``, best first."""
        return ranked(models, scores)[:count]


@dataclass(frozen=True)
class Adaptive(Halving):
    """Exhaustive or halving, whichever is predicted to be faster for the candidates; decided when a search starts.

    With much sharing an exhaustive round may cost little more than all rounds of halving, or less. Until it is
    decided it is halving.
    """

    name: ClassVar[str] = "adaptive"

    def choices(self) -> "tuple[Schedule, ...]":
        """What it is going to be."""
        return (Halving(self.eta, self.k), Exhaustive())


@dataclass(frozen=True)
class PaperHalving:
    """The rounds of the published implementation: keeps ``floor(n / 2)`` in ``ceil(log2 n)`` rounds.

    Its last round scores a single model whenever the count is not a power of two
    (35 → 17 → 8 → 4 → 2 → 1). For times that compare with the paper's.
    """

    name: ClassVar[str] = "paper_halving"
    sees_all: ClassVar[bool] = True

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        rounds = max(1, (len(models) - 1).bit_length())
        counts = [max(1, len(models) >> r) for r in range(1, rounds + 1)]
        amounts = [-(-train_items // 2 ** (rounds - 1 - r)) for r in range(rounds)]
        yield from _shrink(models, list(zip(amounts, counts, strict=True)), Halving().survivors)


def _shrink(
    models: Sequence[str],
    rounds: Sequence[tuple[int, int]],
    survivors: Callable[[Sequence[str], Mapping[str, float], int], list[str]],
) -> Rounds:
    """Rounds of ``(training items, models kept afterwards)``; ``survivors`` chooses these."""
    left = list(models)
    for i, (amount, keep) in enumerate(rounds):
        if i + 1 < len(rounds) and rounds[i + 1][0] == amount:
            continue  # the next round has the same items, so it decides as well for this one
        scores = yield Round(tuple(left), amount)
        left = survivors(left, scores, keep)
