"""Policies against a fixed trace: the expected numbers were found by scanning the whole past at every step."""

from collections.abc import Mapping, Sequence

import cachetools
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alsatian.errors import BudgetError
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.belady import Belady
from alsatian.runtime.cache.policies.fifo import Fifo
from alsatian.runtime.cache.policies.gdsf import Gdsf
from alsatian.runtime.cache.policies.lfu import Lfu
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.runtime.cache.policies.planned import Planned
from alsatian.runtime.meter.meter import Meter

FREE: frozenset[int] = frozenset()
REACTIVE: list[CachePolicy] = [NoCache(), Fifo(), Lru(), Lfu(), Gdsf(), Belady()]
each_reactive = pytest.mark.parametrize("policy", REACTIVE, ids=lambda p: p.name)

# 84 requests for 14 keys: loops, hot keys and scans after one another.
# fmt: off
TRACE = [
    11, 5, 13, 10, 8, 11, 5, 13, 10, 8,
    3, 13, 13, 13, 7, 7, 13, 7, 0, 9, 3, 3, 9, 3, 9, 9,
    9, 10, 11, 12, 13, 0, 1,
    0, 0, 8, 0, 0, 13, 8, 1,
    8, 9, 10, 11, 12, 13, 0,
    2, 3, 4, 5, 6, 7, 8,
    6, 7, 8, 9, 10, 11, 12,
    0, 5, 6, 2, 10, 0, 5, 6, 2, 10,
    1, 5, 4, 9, 10, 1, 5, 4, 9, 10,
    10, 9,
]
# fmt: on
SIZES = dict(enumerate([20, 40, 40, 20, 10, 30, 10, 30, 40, 10, 60, 40, 30, 40]))
COSTS = dict(enumerate([160, 10, 80, 10, 20, 160, 20, 10, 20, 80, 40, 160, 40, 160]))
UNIT = dict.fromkeys(SIZES, 1)

# Hits and misses at each size; None where the plan does not fit, which is an error.
EQUAL = (1, 2, 3, 4, 6, 8, 10, 12)
EXPECTED_EQUAL: dict[str, list[tuple[int, int] | None]] = {
    "none": [(0, 84)] * 8,
    "fifo": [(9, 75), (17, 67), (23, 61), (24, 60), (44, 40), (52, 32), (62, 22), (67, 17)],
    "lru": [(9, 75), (18, 66), (22, 62), (25, 59), (43, 41), (53, 31), (59, 25), (62, 22)],
    "lfu": [(9, 75), (14, 70), (19, 65), (24, 60), (37, 47), (48, 36), (57, 27), (65, 19)],
    "gdsf": [(9, 75), (16, 68), (22, 62), (30, 54), (41, 43), (53, 31), (62, 22), (67, 17)],
    "belady": [(22, 62), (33, 51), (42, 42), (48, 36), (58, 26), (63, 21), (67, 17), (70, 14)],
    "planned": [None, None, None, None, None, None, None, (70, 14)],
}
BYTES = (20, 50, 80, 120, 160, 220, 300, 360)
EXPECTED_BYTES: dict[str, list[tuple[int, int] | None]] = {
    "none": [(0, 84)] * 8,
    "fifo": [(11, 73), (12, 72), (20, 64), (24, 60), (36, 48), (46, 38), (55, 29), (67, 17)],
    "lru": [(11, 73), (12, 72), (21, 63), (23, 61), (37, 47), (45, 39), (57, 27), (62, 22)],
    "lfu": [(11, 73), (16, 68), (21, 63), (26, 58), (31, 53), (43, 41), (54, 30), (60, 24)],
    "gdsf": [(11, 73), (13, 71), (19, 65), (32, 52), (36, 48), (49, 35), (59, 25), (64, 20)],
    "belady": [(17, 67), (31, 53), (37, 47), (47, 37), (54, 30), (59, 25), (65, 19), (70, 14)],
    "planned": [None, None, None, None, None, None, None, (70, 14)],
}


class Replay:
    """A cache with a policy, asked for one key after another as the engine asks for intermediates."""

    def __init__(self, policy: CachePolicy, budget: int | None) -> None:
        self.policy = policy.fresh()
        self.meter = Meter(torch.device("cpu"))
        self.cache = Cache(self.policy, budget, self.meter)
        self.hits = self.misses = 0

    def run(
        self, trace: Sequence[int], sizes: Mapping[int, int], costs: Mapping[int, float], releases: bool = False
    ) -> "Replay":
        """With ``releases`` each key leaves after its last request, as a plan says."""
        last = {key: i for i, key in enumerate(trace)}
        self.policy.expect([(key,) for key in trace])
        for i, key in enumerate(trace):
            self.policy.advance()
            if key in self.cache:
                self.hits += 1
                self.cache.read(key)
            else:
                self.misses += 1
                self.cache.reserve(key, sizes[key], FREE, cost=costs[key])
            if releases and last[key] == i:
                self.cache.release(key)
        return self


def fixed(policy: CachePolicy, sizes: Mapping[int, int], budget: int) -> tuple[int, int] | None:
    replay = Replay(policy, budget)
    try:
        replay.run(TRACE, sizes, COSTS, releases=policy.planned)
    except BudgetError:
        return None
    assert replay.meter.peaks.get("cache_bytes", 0) <= budget
    return replay.hits, replay.misses


@pytest.mark.parametrize("policy", [*REACTIVE, Planned()], ids=lambda p: p.name)
def test_hits_and_misses_on_the_fixed_trace(policy: CachePolicy) -> None:
    assert [fixed(policy, UNIT, size) for size in EQUAL] == EXPECTED_EQUAL[policy.name]
    assert [fixed(policy, SIZES, size) for size in BYTES] == EXPECTED_BYTES[policy.name]


def best(trace: Sequence[int], size: int) -> int:
    """Most hits that a cache for ``size`` keys can have on ``trace``, by trying everything."""
    reached = {frozenset[int](): 0}
    for key in trace:
        after: dict[frozenset[int], int] = {}
        for kept, hits in reached.items():
            ways = [kept]
            if key not in kept:
                full = len(kept) == size
                ways += [(kept - {victim}) | {key} for victim in kept] if full else [kept | {key}]
            for way in ways:
                after[way] = max(after.get(way, 0), hits + (key in kept))
        reached = after
    return max(reached.values())


@given(st.lists(st.integers(0, 6), max_size=24), st.integers(1, 4))
def test_belady_has_the_most_hits_that_any_cache_can_have(trace: list[int], size: int) -> None:
    assert Replay(Belady(), size).run(trace, UNIT, UNIT).hits == best(trace, size)


@given(
    st.lists(st.integers(0, 13), max_size=120),
    st.integers(1, 13),
    st.lists(st.integers(1, 50), min_size=14, max_size=14),
)
def test_no_policy_has_more_hits_than_belady(trace: list[int], size: int, costs: list[int]) -> None:
    hits = {p.name: Replay(p, size).run(trace, UNIT, dict(enumerate(costs))).hits for p in REACTIVE}
    assert max(hits.values()) == hits["belady"]


@pytest.mark.parametrize(("policy", "kind"), [(Lru(), cachetools.LRUCache), (Fifo(), cachetools.FIFOCache)])
@given(trace=st.lists(st.integers(0, 9), max_size=80), size=st.integers(1, 6))
def test_lru_and_fifo_are_those_of_cachetools(
    policy: CachePolicy, kind: type[cachetools.Cache[int, None]], trace: list[int], size: int
) -> None:
    theirs = kind(size)
    hits = 0
    for key in trace:
        if key in theirs:
            hits += 1
            theirs[key]  # reading is what counts as use
        else:
            theirs[key] = None
    assert Replay(policy, size).run(trace, UNIT, UNIT).hits == hits


Request = tuple[int, frozenset[int]]
requests = st.lists(st.tuples(st.integers(0, 9), st.frozensets(st.integers(0, 9), max_size=4)), max_size=60)
some_sizes = st.lists(st.integers(1, 40), min_size=10, max_size=10)


@each_reactive
@given(asked=requests, sizes=some_sizes, budget=st.integers(1, 120))
def test_budgets_hold_and_pinned_vertices_stay(
    policy: CachePolicy, asked: list[Request], sizes: list[int], budget: int
) -> None:
    replay = Replay(policy, budget)
    cache = replay.cache
    replay.policy.expect([(key,) for key, _ in asked])
    for key, pinned in asked:
        replay.policy.advance()
        before = {v for v in range(10) if v in cache}
        if key in cache:
            cache.read(key)
            continue
        stored = cache.reserve(key, sizes[key], pinned, cost=sizes[-1 - key])
        after = {v for v in range(10) if v in cache}
        assert stored == (key in after)
        assert before & pinned <= after
        assert after <= before | {key}
        assert cache.used == sum(sizes[v] for v in after) <= budget
        # Room that is there is used.
        assert stored or not policy.keeps or sum(sizes[v] for v in before) + sizes[key] > budget


@each_reactive
def test_victims_are_never_pinned_and_run_out(policy: CachePolicy) -> None:
    fresh = policy.fresh()
    for vertex in (3, 1, 2):
        fresh.inserted(vertex, 10, 1.0)
    if policy.keeps:
        assert {fresh.victim(frozenset({1, 2, 3} - {v})) for v in (1, 2, 3)} == {1, 2, 3}
        assert policy.fresh().victim(FREE) is None
        assert fresh.fresh().victim(FREE) is None
    assert fresh.victim(frozenset({1, 2, 3})) is None
