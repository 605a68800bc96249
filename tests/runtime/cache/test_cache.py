"""The cache keeps its budget at every moment, and LRU evicts what an LRU cache evicts."""

from collections import OrderedDict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alsatian.blocks.segment import State
from alsatian.errors import BudgetError
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.runtime.cache.policies.planned import Planned
from alsatian.runtime.meter.meter import Meter

FREE: frozenset[int] = frozenset()


def cache_of(policy: CachePolicy, budget: int | None) -> tuple[Cache, Meter]:
    meter = Meter(torch.device("cpu"))
    return Cache(policy, budget, meter), meter


def state(nbytes: int) -> State:
    return (torch.zeros(nbytes, dtype=torch.uint8),)


def test_what_was_put_comes_back_batch_by_batch() -> None:
    cache, meter = cache_of(Lru(), 100)
    assert cache.reserve(1, 30, FREE)
    states = [state(10), state(20)]
    for batch in states:
        cache.put(1, batch)
    assert list(cache.read(1)) == states
    assert cache.used == 30
    assert 1 in cache
    cache.release(1)
    assert 1 not in cache
    assert cache.used == 0
    assert meter.peaks["cache_bytes"] == 30


def test_lru_hits_and_evictions_on_a_fixed_trace() -> None:
    """Room for three of equal size; the expected sequence was worked out by hand."""
    cache, meter = cache_of(Lru(), 3)
    trace = [1, 2, 3, 1, 4, 2, 5, 1, 2, 3, 4, 5, 5]
    seen = []
    for vertex in trace:
        before = {v for v in range(1, 6) if v in cache}
        if vertex in cache:
            cache.read(vertex)
            seen.append("hit")
        else:
            assert cache.reserve(vertex, 1, FREE)
            gone = before - {v for v in range(1, 6) if v in cache}
            seen.append("".join(map(str, sorted(gone))) or "-")
    assert seen == ["-", "-", "-", "hit", "2", "3", "1", "4", "hit", "5", "1", "2", "hit"]
    assert meter.counters["evictions"] == 7
    assert meter.peaks["cache_bytes"] == 3


def test_lru_evicts_as_much_as_is_needed() -> None:
    cache, meter = cache_of(Lru(), 100)
    for vertex, size in ((1, 20), (2, 30), (3, 40)):
        assert cache.reserve(vertex, size, FREE)
    assert cache.reserve(4, 50, FREE)  # 1 alone would leave 80 bytes too few
    assert [v in cache for v in (1, 2, 3, 4)] == [False, False, True, True]
    assert cache.used == 90
    assert meter.counters["evictions"] == 2


def test_pinned_intermediates_stay() -> None:
    cache, _ = cache_of(Lru(), 100)
    for vertex in (1, 2, 3):
        assert cache.reserve(vertex, 30, FREE)
    assert cache.reserve(4, 40, frozenset({1, 3}))
    assert [v in cache for v in (1, 2, 3, 4)] == [True, False, True, True]
    assert not cache.reserve(5, 90, frozenset({1, 3}))
    assert 5 not in cache
    assert 1 in cache
    assert 3 in cache
    assert cache.used <= 100


def test_what_is_larger_than_the_budget_is_not_admitted_and_drives_nothing_out() -> None:
    cache, meter = cache_of(Lru(), 100)
    assert cache.reserve(1, 60, FREE)
    assert not cache.reserve(2, 101, FREE)
    assert 1 in cache
    assert meter.counters["evictions"] == 0
    assert cache.reserve(3, 100, FREE)


def test_more_than_was_reserved_is_an_error() -> None:
    cache, _ = cache_of(Planned(), 100)
    cache.reserve(1, 20, FREE)
    cache.put(1, state(15))
    with pytest.raises(BudgetError, match="takes 21 bytes where 20 were planned"):
        cache.put(1, state(6))


def test_a_view_counts_with_all_the_memory_it_keeps_alive() -> None:
    cache, _ = cache_of(Planned(), 100)
    cache.reserve(1, 20, FREE)
    with pytest.raises(BudgetError, match="takes 80 bytes"):
        cache.put(1, (torch.zeros(80, dtype=torch.uint8)[:10],))


def test_all_tensors_of_a_state_count() -> None:
    cache, _ = cache_of(Planned(), 100)
    cache.reserve(1, 20, FREE)
    with pytest.raises(BudgetError, match="takes 24 bytes"):
        cache.put(1, (*state(12), *state(12)))


def test_a_plan_over_the_budget_is_an_error_that_evicts_nothing() -> None:
    cache, meter = cache_of(Planned(), 100)
    assert cache.reserve(1, 60, FREE)
    with pytest.raises(BudgetError, match="needs 41 bytes where the cache holds 60 of 100"):
        cache.reserve(2, 41, FREE)
    assert 1 in cache
    assert meter.counters["evictions"] == 0
    assert cache.reserve(2, 40, FREE)


def test_without_a_budget_nothing_is_evicted() -> None:
    for policy in (Lru(), Planned()):
        cache, meter = cache_of(policy, None)
        assert all(cache.reserve(vertex, 10**12, FREE) for vertex in range(5))
        assert meter.counters["evictions"] == 0
        assert meter.peaks["cache_bytes"] == 5 * 10**12
        cache.clear()
        assert cache.used == 0
        assert not any(vertex in cache for vertex in range(5))


def test_no_cache_keeps_nothing() -> None:
    cache, meter = cache_of(NoCache(), None)
    assert not cache.reserve(1, 1, FREE)
    assert 1 not in cache
    assert cache.used == 0
    assert "cache_bytes" not in meter.peaks


def test_a_fresh_policy_has_no_history() -> None:
    old = Lru()
    old.inserted(1, 1, 1.0)
    new = old.fresh()
    assert isinstance(new, Lru)
    assert new.victim(FREE) is None
    assert old.victim(FREE) == 1
    assert [policy.name for policy in (NoCache(), Lru(), Planned())] == ["none", "lru", "planned"]


@given(
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(0, 7), st.integers(1, 40), st.frozensets(st.integers(0, 7), max_size=3))),
)
def test_lru_against_a_model_of_itself(budget: int, requests: list[tuple[int, int, frozenset[int]]]) -> None:
    """Budgets hold, pinned vertices stay, and what is kept is what was used last."""
    cache, meter = cache_of(Lru(), budget)
    kept: OrderedDict[int, int] = OrderedDict()
    peak = 0
    for vertex, size, pinned in requests:
        if vertex in kept:
            cache.read(vertex)
            kept.move_to_end(vertex)
        else:
            fits = size <= budget
            while fits and sum(kept.values()) + size > budget:
                victim = next((v for v in kept if v not in pinned), None)
                if victim is None:
                    fits = False
                else:
                    del kept[victim]
            if fits:
                kept[vertex] = size
            assert cache.reserve(vertex, size, pinned) == fits
        assert {v for v in range(8) if v in cache} == set(kept)
        assert cache.used == sum(kept.values()) <= budget
        peak = max(peak, cache.used)
    assert meter.peaks.get("cache_bytes", 0) == peak
