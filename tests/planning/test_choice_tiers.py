"""Plans chosen by predicted time with lower tiers, without limits, and on machines of any speeds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alsatian.blocks.candidate import Block, Candidate
from alsatian.costs.estimate import Workload, estimate
from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.errors import BudgetError
from alsatian.planning.chunks import place
from alsatian.planning.computation import inference_steps
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Shape
from alsatian.planning.plan import Infer, Plan
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from tests.planning.fake_engine import FakeEngine
from tests.planning.test_planner import PREPROCESSING, batches_of

NAMES = "abcdef"
TIERS = ("device", "host", "ssd")
SOMETIMES_NONE = st.integers(1, 3000) | st.integers(1, 300) | st.integers(1, 1000) | st.none()


@dataclass(frozen=True)
class Case:
    """One round to plan."""

    tree: TaskTree
    models: list[str]
    batches: list[Batch]
    costs: CostModel
    limits: Limits


def costs_of(hardware: Hardware, blocks: Sequence[Block]) -> CostModel:
    """Every block's inference takes what the hardware knows under the block's name."""
    return CostModel.of(hardware, {block.identity: block.identity for block in blocks}, Storage())


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Random trees, block sizes, outputs, speeds and budgets of up to three tiers."""
    blocks = {name: Block(name, draw(st.integers(1, 500)), draw(st.integers(1, 30))) for name in NAMES}
    chains = draw(st.lists(st.text(NAMES, max_size=5), min_size=1, max_size=8))
    models = [Candidate(f"m{i}", tuple(blocks[n] for n in c), None, PREPROCESSING) for i, c in enumerate(chains)]
    seconds = st.floats(1e-4, 1.0)
    speed = st.floats(10.0, 1e6)
    hardware = Hardware(
        "drawn",
        "for tests",
        {name: SegmentCost(((1, draw(seconds)),)) for name in NAMES},
        load_fixed_s=draw(seconds),
        load_bytes_per_s=draw(speed),
        store_bytes_per_s=draw(speed),
        prepare_s={"": draw(seconds)},
        tier_bytes_per_s={tier: (draw(speed), draw(speed)) for tier in TIERS[1:]},
        step_s=draw(seconds),
        read_ahead_loss=((10.0, draw(st.floats(0, 0.9))),),
    )
    budgets = draw(st.lists(st.integers(0, 1500), max_size=2))
    cache = (draw(SOMETIMES_NONE), *budgets)
    limits = Limits(
        cache,
        draw(st.none() | st.integers(1, 4)),
        blocks=draw(SOMETIMES_NONE),
        tiers=TIERS[: len(cache)],
    )
    counts = draw(st.lists(st.integers(1, 8), min_size=1, max_size=8))
    names = draw(st.permutations([m.id for m in models]))
    return Case(
        TaskTree.of(models).compress(),
        names,
        batches_of(*counts),
        costs_of(hardware, list(blocks.values())),
        limits,
    )


def plan(case: Case, strategy: Strategy) -> Plan:
    return strategy.plan(case.tree, case.models, case.batches, case.limits)


@settings(max_examples=300)
@given(cases(), st.booleans())
def test_no_plan_breaks_a_rule_or_takes_more_memory_than_both_budgets(case: Case, halving: bool) -> None:
    auto = Auto(costs=case.costs) if halving else Auto(costs=case.costs, schedule=Exhaustive())
    try:
        found = plan(case, auto)
    except BudgetError:
        with pytest.raises(BudgetError):
            plan(case, Strategy())
        return
    limits = case.limits
    fastest, blocks = limits.cache[0], limits.blocks
    if found.memory is not None:
        assert fastest is not None
        assert blocks is not None
        assert found.memory[0] + found.memory[1] <= fastest + blocks
        fastest, blocks = found.memory
    assert [batch for chunk in found.chunks for batch in chunk] == case.batches
    assert all(len(chunk) <= (limits.chunk_batches or len(case.batches)) for chunk in found.chunks)
    engine = FakeEngine(found, (fastest, *limits.cache[1:]))
    engine.run()
    assert tuple(engine.peaks) == found.peaks
    assert found.note
    if blocks is not None:
        order = [step.vertex for step in found.steps if isinstance(step, Infer) and step.chunk == 0]
        for step in inference_steps(Shape.of(case.tree, case.models), order, found.fused, found.recomputed):
            if step.fused:
                used = sum(b.parameter_bytes for v in step.computed for b in case.tree.blocks[v])
                assert used <= blocks, "the blocks of a fused step are in use at once"


def predicted_s(case: Case, found: Plan, limits: Limits) -> float:
    """The seconds of a plan, as they are compared."""
    shape = Shape.of(case.tree, case.models)
    order = [step.vertex for step in found.steps if isinstance(step, Infer) and step.chunk == 0]
    steps = list(inference_steps(shape, order, found.fused, found.recomputed))
    items = max(sum(batch.items for batch in chunk) for chunk in found.chunks)
    placed = place(shape, steps, items, max(batch.items for batch in case.batches), limits.cache, found.spilled)
    assert placed is not None
    tiers = {vertex: limits.tiers[tier] for vertex, tier in placed[1].items() if tier}
    work = Workload.of(case.tree, case.batches, case.costs)
    counts = [sum(batch.items for batch in chunk) for chunk in found.chunks]
    return estimate(work, [step.computed for step in steps], counts, limits.blocks, tiers, shape.size)


@settings(max_examples=300)
@given(cases())
def test_no_plan_is_predicted_slower_than_the_usual_one(case: Case) -> None:
    try:
        usual = plan(case, Strategy())
    except BudgetError:
        return
    auto = plan(case, Auto(costs=case.costs, schedule=Exhaustive()))
    limits = case.limits
    if auto.memory is not None:
        limits = replace(limits, cache=(auto.memory[0], *limits.cache[1:]), blocks=auto.memory[1])
    assert predicted_s(case, auto, limits) <= predicted_s(case, usual, case.limits) * (1 + 1e-9)
    assert plan(case, Auto(costs=case.costs, schedule=Exhaustive())) == auto
