"""Checks of a cache policy by itself, beside the searches that use it."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from alsatian.errors import FOREIGN, AlsatianError
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.meter.meter import Meter
from experiments.checking.suite import SAME, Verdicts, reason_of

EVICTS = "evicts what it holds and nothing in use"
ANEW = "fresh() begins anew"


@dataclass(frozen=True)
class Trace:
    """What a cache of ``budget`` bytes is asked for: vertex after vertex, with its bytes and what is in use."""

    needs: tuple[tuple[int, int, int], ...]
    budget: int = 100

    def __str__(self) -> str:
        needs = ", ".join(f"{vertex} ({size} bytes, {parent} in use)" for vertex, size, parent in self.needs[:8])
        return f"a cache of {self.budget} bytes where are needed: {needs}{', …' * (len(self.needs) > 8)}"


class _Wrong(AlsatianError):
    """A policy decided what it must not."""


@dataclass
class _Guarded(CachePolicy):
    """``policy``, with all that it evicts looked at and noted."""

    policy: CachePolicy
    held: set[int] = field(default_factory=set)
    evicted: list[int] = field(default_factory=list)

    def __getattribute__(self, name: str) -> Any:
        passed = ("planned", "keeps", "foresees", "expect", "advance", "admits", "used")
        return getattr(self.policy, name) if name in passed else super().__getattribute__(name)

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        self.held.add(vertex)
        self.policy.inserted(vertex, nbytes, cost)

    def removed(self, vertex: int) -> None:
        self.held.discard(vertex)
        self.policy.removed(vertex)

    def victim(self, pinned: frozenset[int]) -> int | None:
        chosen = self.policy.victim(pinned)
        if chosen is not None and (chosen not in self.held or chosen in pinned):
            why = "is in use" if chosen in pinned else "it does not hold"
            raise _Wrong(f"evicts {chosen!r}, which {why}; it holds {sorted(self.held)}")
        if chosen is not None:
            self.evicted.append(chosen)
        return chosen


@dataclass(frozen=True)
class PolicySuite:
    """Judges a cache policy on traces of needs."""

    subject: str
    policy: CachePolicy
    properties: Sequence[str] = (EVICTS, SAME, ANEW)

    def cases(self) -> list[Trace]:
        found = []
        for length in (3, 6, 12, 25, 60, 200):
            rng = random.Random(length)
            size = {vertex: rng.choice((10, 20, 30, 60, 120)) for vertex in range(12)}
            drawn = [rng.randrange(12) for _ in range(length)]
            found.append(Trace(tuple((v, size[v], rng.randrange(12)) for v in drawn)))
        return found

    def smaller(self, case: Trace) -> Iterator[Trace]:
        length = len(case.needs)
        for piece in (length // 2, length // 4, 1):
            if piece and (piece > 1 or length <= 25):
                for start in range(0, length, piece):
                    yield replace(case, needs=case.needs[:start] + case.needs[start + piece :])

    def examine(self, case: Trace) -> Verdicts:
        try:
            first = self.policy.fresh()
            evicted = _evicted(first, case)
            again, anew = _evicted(self.policy.fresh(), case), _evicted(first.fresh(), case)
        except FOREIGN as error:
            return {EVICTS: reason_of(error)}
        return {
            EVICTS: None,
            SAME: None if evicted == again else f"evicts {evicted}, and {again} when all happens again",
            ANEW: None if evicted == anew else f"evicts {evicted}, and {anew} as fresh() of a used one",
        }


def _evicted(policy: CachePolicy, case: Trace) -> list[int]:
    """What ``policy`` evicts on the way."""
    if policy.planned:
        return []  # the plan says what to release; nothing is evicted
    guard = _Guarded(policy)
    cache = Cache(guard, case.budget, Meter(torch.device("cpu")))
    cache.expect([[vertex] for vertex, _, _ in case.needs])
    for vertex, size, parent in case.needs:
        cache.advance()
        if vertex in cache:
            for _ in cache.read(vertex):
                pass
        else:
            cache.reserve(vertex, size, frozenset({parent}), cost=float(vertex + 1))
    return guard.evicted
