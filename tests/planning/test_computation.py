"""Fused and recomputed vertices: what the steps compute, hold and cost."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.errors import BudgetError
from alsatian.planning.chunks import cache_needs, place
from alsatian.planning.computation import InferenceStep, inference_steps, vertices_to_compute
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Order, Shape
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.plan import Infer, Release, Score
from alsatian.planning.planner import make_plan
from alsatian.tree import NO_VERTEX, TaskTree
from tests.planning.fake_engine import FakeEngine
from tests.planning.order_cases import FIG_20, paper
from tests.planning.test_planner import ORDERS, SMALL, batches_of, trees

MODELS = ["one", "two", "three"]
ITEMS = st.lists(st.integers(1, 8), min_size=1, max_size=6)


def test_fused_expansion_of_the_papers_tree() -> None:
    """Scenario 2: neither 2 nor 3 is cached. 9 for vertex 1 and 1 + 1 for two leaves, and a batch of 2: 11 + b."""
    steps = list(inference_steps(paper(FIG_20), [0, 1, 2, 4, 5, 3, 6, 7], {2, 3}))
    assert steps[2:] == [
        InferenceStep(2, [2, 4, 5], [4, 5], [2], [4, 5]),
        InferenceStep(3, [3, 6, 7], [6, 7], [3], [6, 7, 1]),
    ]
    assert cache_needs(paper(FIG_20), steps) == [(11, 7)]
    placed = place(paper(FIG_20), steps, 10, 2, [None])
    assert placed is not None
    assert placed[0] == (11 * 10 + 7 * 2,)
    assert place(paper(FIG_20), steps, 10, 2, [11 * 10 + 7 * 2 - 1]) is None
    assert cache_needs(paper(FIG_20), inference_steps(paper(FIG_20), DfsPlus()(paper(FIG_20)))) == [(16, 0)]


def test_a_recomputed_vertex_is_on_the_way_to_each_child() -> None:
    """Scenario 3: vertex 1 holds nothing, and what is above it stays until both children are there."""
    steps = list(inference_steps(paper(FIG_20), range(8), recomputed={1}))
    assert [step.target for step in steps] == [0, 2, 3, 4, 5, 6, 7]
    assert [step.computed for step in steps[:3]] == [[0], [1, 2], [1, 3]]
    assert steps[2].done == [0]
    assert cache_needs(paper(FIG_20), steps) == [(7 + 6 + 1, 0)]


def test_golden_plan_with_a_fused_vertex() -> None:
    plan = make_plan(
        SMALL, MODELS, batches_of(4, 4), Given(), planned_releases=True, limits=Limits(), fused=frozenset({0})
    )
    assert plan.steps == (Infer(0, 0), Score(4), Infer(2, 0), Score(2), Infer(3, 0), Score(3), Release(1, 0))
    assert plan.peaks == (10 * 4 + 6 * 8,)
    assert vertices_to_compute(SMALL, 0, (), plan.fused) == [0, 1, 4]
    assert vertices_to_compute(SMALL, 2, {1}, plan.fused) == [2]


def test_golden_plan_with_a_recomputed_vertex() -> None:
    plan = make_plan(
        SMALL, MODELS, batches_of(4, 4), Given(), planned_releases=True, limits=Limits(), recomputed=frozenset({0})
    )
    assert plan.steps == (
        Infer(1, 0),
        Infer(2, 0),
        Score(2),
        Infer(3, 0),
        Score(3),
        Release(1, 0),
        Infer(4, 0),
        Score(4),
    )
    assert plan.peaks == (6 * 8,)
    assert vertices_to_compute(SMALL, 4, (), (), plan.recomputed) == [0, 4]


@pytest.mark.parametrize(
    ("fused", "recomputed", "planned", "message"),
    [({2}, set(), True, "vertex 2 has no children"), ({0}, {0}, True, "fused or"), ({0}, set(), False, "planned")],
)
def test_what_cannot_be_fused(fused: set[int], recomputed: set[int], planned: bool, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_plan(
            SMALL,
            MODELS,
            batches_of(4),
            Given(),
            planned_releases=planned,
            limits=Limits(),
            fused=frozenset(fused),
            recomputed=frozenset(recomputed),
        )


@given(trees(), ITEMS, st.sampled_from(ORDERS), st.data())
def test_no_plan_breaks_a_rule(
    drawn: tuple[TaskTree, list[str]], counts: list[int], order: Order, data: st.DataObject
) -> None:
    """Random trees, budgets of several tiers, chunk sizes, fused and recomputed vertices."""
    tree, models = drawn
    batches = batches_of(*counts)
    inner = [v for v in range(len(tree)) if tree.children[v]]
    way = {v: data.draw(st.sampled_from(["keep", "keep", "fuse", "again"])) for v in inner}
    fused = frozenset(v for v in inner if way[v] == "fuse")
    recomputed = frozenset(v for v in inner if way[v] == "again")
    spilled = frozenset(v for v in inner if data.draw(st.booleans()))
    budgets: tuple[int | None, ...] = tuple(
        data.draw(st.lists(st.none() | st.integers(0, 2000), min_size=1, max_size=3))
    )
    most = data.draw(st.none() | st.integers(1, 4))

    def plan_within(cache: tuple[int | None, ...]) -> None:
        plan = make_plan(
            tree,
            models,
            batches,
            order,
            planned_releases=True,
            limits=Limits(cache, most),
            fused=fused,
            recomputed=recomputed,
            spilled=spilled,
        )
        assert [batch for chunk in plan.chunks for batch in chunk] == batches
        assert all(1 <= len(chunk) <= (most or len(batches)) for chunk in plan.chunks)
        engine = FakeEngine(plan, cache)
        engine.run()
        assert tuple(engine.peaks) == plan.peaks

    try:
        plan_within(budgets)
    except BudgetError as error:
        (smallest,) = re.findall(r"cache\.budget=(\d+)", str(error))
        with pytest.raises(BudgetError):
            plan_within((int(smallest) - 1,))
        plan_within((int(smallest), *budgets[1:]))


@given(trees(), ITEMS)
def test_fusing_all_holds_one_batch_of_each_vertex_at_most(
    drawn: tuple[TaskTree, list[str]], counts: list[int]
) -> None:
    tree, models = drawn
    inner = frozenset(v for v in range(len(tree)) if tree.children[v])
    plan = make_plan(
        tree, models, batches_of(*counts), DfsPlus(), planned_releases=True, limits=Limits(), fused=inner
    )
    assert len(plan.chunks) == 1
    assert plan.peaks is not None
    assert plan.peaks[0] <= sum(tree.cache_bytes(v) for v in inner) * max(counts)
    assert [step.vertex for step in plan.steps if isinstance(step, Infer)] == [
        v for v in DfsPlus()(Shape.of(tree, models)) if tree.parent[v] == NO_VERTEX
    ]
