"""Every cache policy at budgets below and above what it needs: the bits stay those of base."""

from pathlib import Path

import pytest

from alsatian.budgets import Budgets
from alsatian.errors import StrategyError
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.base import Order
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import BASE, POLICIES, Known, outcomes, search
from tests.stores import tiny_set

# Two prefixes take turns, so that there is something to evict and something to come back to.
MODELS = ("aaaa", "bbbb", "aaab", "bbba", "aacc", "bacc", "aacb")
SHARES = ("20%", "35%", "50%", "65%", "80%", "100%")
# One batch takes a plan more than a fifth of a working set of so few items.
PLANNED_SHARES = ("50%", "75%", "100%")


@pytest.fixture(scope="module")
def rivals(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), {letters: letters for letters in MODELS})


@pytest.fixture(scope="module")
def base(rivals: ModelSet) -> Known:
    return outcomes(search(rivals, strategy=BASE))


@pytest.mark.parametrize("order", [Given(), Random(0)], ids=lambda o: o.name)
@pytest.mark.parametrize("cache", POLICIES, ids=lambda c: c.name)
def test_scores_and_features_are_those_of_base(
    rivals: ModelSet, base: Known, cache: CachePolicy, order: Order
) -> None:
    evictions = hits = 0
    for share in PLANNED_SHARES if cache.planned else SHARES:
        result = search(rivals, strategy=Strategy(schedule=Exhaustive(), order=order, cache=cache), budget=share)
        assert outcomes(result) == base
        limit = result.resolved["cache.budget"].bytes
        assert limit is not None
        assert result.measurement.peaks.get("cache_bytes", 0) <= limit
        evictions += result.measurement.counters.get("evictions", 0)
        hits += result.measurement.counters.get("hits", 0)
        halving = outcomes(search(rivals, strategy=Strategy(order=order, cache=cache), budget=share))
        both = halving.keys() & base.keys()
        assert {key: halving[key] for key in both} == {key: base[key] for key in both} != {}
    assert (hits > 0) == cache.keeps
    assert (evictions > 0) == (cache.keeps and not cache.planned)


@pytest.mark.parametrize("ssd", ["35%", "100%"])
@pytest.mark.parametrize("cache", [policy for policy in POLICIES if policy.keeps], ids=lambda c: c.name)
def test_what_is_evicted_may_go_on_to_a_second_tier(
    rivals: ModelSet, base: Known, cache: CachePolicy, ssd: str, tmp_path: Path
) -> None:
    strategy = Strategy(schedule=Exhaustive(), order=Random(0), cache=cache)
    result = search(rivals, strategy=strategy, budget=Budgets(budget="35%", ssd_budget=ssd, ssd_dir=tmp_path))
    assert outcomes(result) == base
    assert result.measurement.peaks["cache_ssd_bytes"] > 0
    for peak, budget in (("cache_bytes", "cache.budget"), ("cache_ssd_bytes", "cache.ssd_budget")):
        assert result.measurement.peaks[peak] <= (result.resolved[budget].bytes or 0)


class Points(Lru):
    """Evicts what nobody asked it to."""

    name = "points"

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def fresh(self) -> "Points":
        return Points(self.at)

    def victim(self, pinned: frozenset[int]) -> int | None:
        return min((v for v in pinned if v >= 0), default=None) if self.at < 0 else self.at


@pytest.mark.parametrize(("at", "why"), [(4711, "which is not there"), (-1, "which is in use")])
def test_a_policy_that_evicts_what_it_may_not_is_named(rivals: ModelSet, at: int, why: str) -> None:
    with pytest.raises(StrategyError, match=rf"^cache=points: evicts vertex \d+, {why}$"):
        search(rivals, strategy=Strategy(order=Random(0), cache=Points(at)), budget="20%")


class Leaves(Lru):
    """Ends Python."""

    name = "leaves"

    def victim(self, pinned: frozenset[int]) -> int | None:
        raise SystemExit(0)


def test_a_policy_that_exits_ends_in_an_error(rivals: ModelSet) -> None:
    with pytest.raises(StrategyError, match=r"^round 1 of strategy=\S+ fails: SystemExit: 0 \(.*:\d+\)$"):
        search(rivals, strategy=Strategy(order=Random(0), cache=Leaves()), budget="20%")
