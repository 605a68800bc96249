"""Plans chosen by predicted time: valid, within the memory, and not slower than the usual ones."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.api import predict
from alsatian.blocks.candidate import Block, Candidate
from alsatian.budgets import Budgets
from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.costs.model import CostModel
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import BudgetError
from alsatian.planning.limits import Limits
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from tests.planning.fake_engine import FakeEngine
from tests.planning.test_planner import batches_of

PREPROCESSING = ImagePreprocessing(1)  # 12 bytes an item


def family(chains: Sequence[str], outputs: Sequence[int], parameters: Sequence[int]) -> list[Candidate]:
    """Models by the letters of their blocks. A block's outputs and parameters go by its place in the chain."""
    return [
        Candidate(
            f"m{i}",
            tuple(Block(chain[: j + 1], parameters[j], outputs[j]) for j in range(len(chain))),
            None,
            PREPROCESSING,
        )
        for i, chain in enumerate(chains)
    ]


def costs_of(models: Sequence[Candidate], item_s: float, bandwidth: float) -> CostModel:
    blocks = {block.identity: "any" for model in models for block in model.blocks}
    machine = Hardware("made up", "made up", {"any": SegmentCost(((1, item_s),))}, load_bytes_per_s=bandwidth)
    return CostModel.of(machine, blocks, Storage())


@st.composite
def families(draw: st.DrawFn) -> list[Candidate]:
    chains = draw(st.lists(st.text("abc", min_size=1, max_size=5), min_size=1, max_size=7))
    sizes = st.lists(st.integers(1, 40), min_size=5, max_size=5)
    return family(chains, draw(sizes), [100 * size for size in draw(sizes)])


@given(
    families(),
    st.lists(st.integers(1, 8), min_size=1, max_size=6),
    st.integers(1, 3000),
    st.integers(1, 20000),
    st.sampled_from([1e-6, 1e-3, 1e-1]),
    st.sampled_from([1e3, 1e6]),
)
def test_chosen_plans_are_valid_and_within_the_memory(
    models: list[Candidate], counts: list[int], budget: int, blocks: int, item_s: float, bandwidth: float
) -> None:
    tree, ids = TaskTree.of(models).compress(), [model.id for model in models]
    limits = Limits((budget,), blocks=blocks)
    strategy = Auto().with_costs(costs_of(models, item_s, bandwidth))
    try:
        plan = strategy.plan(tree, ids, batches_of(*counts), limits)
    except BudgetError:
        with pytest.raises(BudgetError):  # nor does the usual plan fit
            Strategy().plan(tree, ids, batches_of(*counts), limits)
        return
    assert plan.memory is not None
    assert sum(plan.memory) <= budget + blocks
    engine = FakeEngine(plan, [plan.memory[0]])
    engine.run()
    assert tuple(engine.peaks) == plan.peaks
    assert plan.note is not None
    assert "predicted" in plan.note or (len(plan.chunks) == 1 and "intermediates fit" in plan.note)


@given(families(), st.integers(1, 3000), st.integers(1, 20000), st.sampled_from([1e-6, 1e-3]), st.booleans())
def test_auto_is_not_simulated_slower_than_alsatian(
    models: list[Candidate], budget: int, blocks: int, item_s: float, ahead: bool
) -> None:
    """The seconds that plans are compared by, against the simulation of what they do."""
    costs = costs_of(models, item_s, 1e6)
    batches = (batches_of(4), batches_of(4, 4, 4, 4, 4)[1:])
    settings: dict[str, Any] = {
        "budget": Budgets(budget=budget, block_budget=blocks),
        "loader": LoaderSettings(read_ahead=ahead),
    }
    seconds = []
    for strategy in (Strategy(schedule=Exhaustive()), Auto(schedule=Exhaustive())):
        try:
            found = predict(models, batches, costs, strategy=strategy, **settings)
        except BudgetError:
            return
        seconds.append(found.measurement.wall_s)
    assert seconds[1] <= seconds[0] * 1.05


def test_memory_that_is_divided_anew_saves_reading() -> None:
    """Eight chunks read what does not stay eight times; with more room for intermediates it is read once."""
    models = family(["aab", "aac", "ba", "bb"], [40, 20, 4], [3000, 3000, 3000])
    costs = costs_of(models, 1e-6, 1e5)
    batches = (batches_of(8), batches_of(*[8] * 8)[1:])
    budget = Budgets(budget=500, block_budget=9000)
    usual, auto = (
        predict(models, batches, costs, strategy=strategy, budget=budget)
        for strategy in (Strategy(schedule=Exhaustive()), Auto(schedule=Exhaustive()))
    )
    assert usual.rounds[0].chunks == 8
    assert auto.rounds[0].chunks == 1
    assert auto.measurement.counters["blocks_read"] < usual.measurement.counters["blocks_read"] / 2
    assert auto.measurement.wall_s < usual.measurement.wall_s / 2


def test_where_no_block_stays_memory_is_for_intermediates() -> None:
    """No block fits the budget of blocks; it then serves so that each is read once."""
    models = family(["aab", "aac", "ba", "bb"], [40, 20, 4], [9000, 9000, 9000])
    costs = costs_of(models, 1e-6, 1e5)
    batches = (batches_of(8), batches_of(*[8] * 8)[1:])
    budget = Budgets(budget=500, block_budget=8000)
    usual, auto = (
        predict(models, batches, costs, strategy=strategy, budget=budget)
        for strategy in (Strategy(schedule=Exhaustive()), Auto(schedule=Exhaustive()))
    )
    distinct = len({block.identity for model in models for block in model.blocks})
    assert usual.measurement.counters["blocks_read"] == 8 * distinct
    assert auto.measurement.counters["blocks_read"] == distinct
    assert auto.measurement.peaks["memory_bytes"] <= 500 + 8000


@pytest.mark.parametrize(("item_s", "chunks"), [(3e-4, 1), (3e-3, 8)])
def test_few_chunks_where_the_first_would_wait_for_its_blocks(item_s: float, chunks: int) -> None:
    """An eighth of the data does not hide that all blocks are read; where reading is short, it need not."""
    models = family(["aab", "aac", "ba", "bb", "bc"], [40, 20, 4], [3000, 3000, 3000])
    costs = costs_of(models, item_s, 1e5)
    batches = (batches_of(8), batches_of(*[8] * 8)[1:])
    budget = Budgets(budget=700, block_budget=None)
    usual, auto = (
        predict(models, batches, costs, strategy=strategy, budget=budget)
        for strategy in (Strategy(schedule=Exhaustive()), Auto(schedule=Exhaustive()))
    )
    assert usual.rounds[0].chunks == 8
    assert auto.rounds[0].chunks == chunks
    assert (auto.measurement.wall_s < usual.measurement.wall_s * 0.8) == (chunks == 1)
