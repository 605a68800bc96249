"""What the engine tells a policy about the future and about cost is what then happens."""

import dataclasses
from collections.abc import Callable, Sequence

import pytest
import torch

import alsatian
from alsatian.api import SearchResult
from alsatian.data.dataset import Batch
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.base import Order
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.planning.plan import Plan
from alsatian.proxies.linear import Linear
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.belady import Belady
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from alsatian.tree import TaskTree

# "part" ends where others go on, so its features are computed on the way to theirs.
MODELS = {"a": "aaaa", "b": "bbbb", "c": "aaab", "part": "aaa", "d": "bbba", "e": "aacc", "f": "bacc", "g": "aacb"}
ITEMS = 24


class Recorder(Lru):
    """LRU that writes down what it is told, and checks that the future was foretold."""

    foresees = True

    def __init__(self) -> None:
        super().__init__()
        self.kept: set[int] = set()
        self.needs: list[tuple[int, ...]] = []
        self.told = 0
        self.step = -1
        self.served: list[int | None] = []
        self.costs: list[tuple[int, float]] = []

    def fresh(self) -> "Recorder":
        return self

    def expect(self, needs: Sequence[Sequence[int]]) -> None:
        self.told += 1
        self.step, self.needs = -1, [tuple(need) for need in needs]

    def advance(self) -> None:
        self.step += 1
        serving = next((v for v in self.needs[self.step] if v in self.kept), None)
        self.served.append(serving)

    def inserted(self, vertex: int, nbytes: int, cost: float) -> None:
        super().inserted(vertex, nbytes, cost)
        assert vertex in self.needs[self.step]
        self.kept.add(vertex)
        self.costs.append((nbytes, cost))

    def used(self, vertex: int) -> None:
        super().used(vertex)
        assert vertex == self.served[-1]

    def removed(self, vertex: int) -> None:
        super().removed(vertex)
        self.kept.remove(vertex)


@pytest.fixture(scope="module")
def models(tiny: Callable[[str], torch.nn.Module], tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    whole = {model: tiny(letters.ljust(4, "a")) for model, letters in MODELS.items()}
    cut = {
        model: torch.nn.Sequential(*list(whole[model])[: len(letters)])  # type: ignore[call-overload]
        for model, letters in MODELS.items()
    }
    return ModelSet.from_modules(BlockStore(tmp_path_factory.mktemp("store")), cut, ImagePreprocessing(8))


class PartLast(Strategy):
    """Asks for the part when it has been computed on the way to others long since."""

    def plan(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], budget: int | None) -> Plan:
        plan = super().plan(tree, models, batches, budget)
        part = tree.vertex_of("part")
        return dataclasses.replace(plan, steps=tuple(sorted(plan.steps, key=lambda step: step.vertex == part)))


def search(
    models: ModelSet, cache: CachePolicy, order: Order, budget: int | None = None, kind: type[Strategy] = Strategy
) -> SearchResult:
    strategy = kind(schedule=Exhaustive(), order=order, cache=cache)
    return alsatian.search(
        models, digits(ITEMS), strategy=strategy, proxies=Linear(epochs=1), batch_size=8, budget=budget
    )


# Bytes of one vertex of each kind, for all items: data, and the first two stages.
DATA, EARLY = (4 * 8 * 8 * channels * ITEMS for channels in (3, 4))


@pytest.mark.parametrize("kind", [Strategy, PartLast])
@pytest.mark.parametrize("order", [Given(), Random(1), DfsPlus()], ids=lambda o: o.name)
@pytest.mark.parametrize("budget", [None, DATA, 2 * EARLY, 3 * EARLY])
def test_steps_are_served_as_foretold(
    models: ModelSet, order: Order, budget: int | None, kind: type[Strategy]
) -> None:
    recorder = Recorder()
    counters = search(models, recorder, order, budget, kind).measurement.counters
    assert recorder.told == 1
    assert recorder.step + 1 == len(recorder.needs) == len(MODELS)
    served = [serving for serving in recorder.served if serving is not None]
    needing = [need for need in recorder.needs if need]
    assert counters["hits"] == len(served) > 0
    assert counters["misses"] == len(needing) - len(served)
    assert len(needing) == len(MODELS) - (kind is PartLast)


def test_cost_is_block_executions_and_data_count_as_one(models: ModelSet) -> None:
    recorder = Recorder()
    search(models, recorder, Given())
    assert (DATA, 1 * ITEMS) in recorder.costs
    assert (EARLY, 2 * ITEMS) in recorder.costs  # "aa", from the data through two blocks
    assert {cost % ITEMS for _, cost in recorder.costs} == {0}


def test_the_oracle_saves_executions_where_the_recent_past_misleads(models: ModelSet) -> None:
    saved = 0
    for order in (Given(), *(Random(seed) for seed in range(8))):
        for budget in (DATA + EARLY, DATA + 2 * EARLY):
            lru, oracle = (
                search(models, cache, order, budget).measurement.counters["block_executions"]
                for cache in (Lru(), Belady())
            )
            saved += lru - oracle
    assert saved > 0
