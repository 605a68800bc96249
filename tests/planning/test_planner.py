"""Plans hold what they promise, checked by executing them without any model."""

import itertools
import re
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.dataset import Batch
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import BudgetError
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Arrangement, Order, Shape, min_cache_size
from alsatian.planning.orders.bfs import Bfs
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.dfs_min import DfsMin
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.optimal import Optimal
from alsatian.planning.orders.random import Random
from alsatian.planning.plan import Infer, Plan, Release, Score
from alsatian.planning.planner import make_plan
from alsatian.tree import NO_VERTEX, TaskTree

PREPROCESSING = ImagePreprocessing(1)  # 12 bytes an item
ORDERS: list[Order] = [Given(), Random(3), Bfs(), Dfs(), DfsPlus(), DfsMin(), Optimal()]


def model(model_id: str, *blocks: tuple[str, int]) -> Candidate:
    """A model of blocks given by name and output bytes."""
    return Candidate(model_id, tuple(Block(name, 1, size) for name, size in blocks), None, PREPROCESSING)


def batches_of(*items: int) -> list[Batch]:
    """Batches of so many items, the first of them for testing."""
    borders = [0, *itertools.accumulate(items)]
    return [Batch(i, start, stop, i == 0) for i, (start, stop) in enumerate(itertools.pairwise(borders))]


@st.composite
def trees(draw: st.DrawFn) -> tuple[TaskTree, list[str]]:
    """A compressed tree of random chains; the size of a block's output is decided by its name."""
    sizes = draw(st.lists(st.integers(1, 30), min_size=3, max_size=3))
    chains = draw(st.lists(st.lists(st.sampled_from("abc"), max_size=5), min_size=1, max_size=7))
    models = [
        model(f"m{i}", *((name, sizes["abc".index(name)]) for name in chain)) for i, chain in enumerate(chains)
    ]
    return TaskTree.of(models).compress(), draw(st.permutations([m.id for m in models]))


items = st.lists(st.integers(1, 8), min_size=1, max_size=8)


def execute(plan: Plan, budget: int | None) -> int:
    """Run a plan with planned releases as an engine would, checking every step; returns the peak in bytes."""
    tree, peak = plan.tree, 0
    cache: dict[int, int] = {}
    computed: set[int] = set()
    scored: list[int] = []
    chunk = -1
    for step in plan.steps:
        if isinstance(step, Infer):
            if step.chunk != chunk:
                assert step.chunk == chunk + 1
                assert not cache
                assert chunk == -1 or len(computed) == len(tree)
                chunk, computed = step.chunk, set()
            assert step.vertex not in computed
            parent = tree.parent[step.vertex]
            assert parent == NO_VERTEX or parent in cache
            if tree.children[step.vertex]:
                count = sum(batch.items for batch in plan.chunks[chunk])
                cache[step.vertex] = tree.output_bytes[step.vertex] * count
            computed.add(step.vertex)
            peak = max(peak, sum(cache.values()))
            assert budget is None or sum(cache.values()) <= budget
        elif isinstance(step, Release):
            assert step.chunk == chunk
            assert all(child in computed for child in tree.children[step.vertex])
            del cache[step.vertex]
        else:
            assert chunk == len(plan.chunks) - 1
            assert step.vertex in computed
            scored.append(step.vertex)
    assert not cache
    assert chunk == len(plan.chunks) - 1
    assert computed == set(range(len(tree)))
    assert sorted(scored) == [v for v in range(len(tree)) if tree.models[v]]
    return peak


def planned(
    tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], order: Order, budget: int | None
) -> Plan:
    return make_plan(tree, models, batches, order, planned_releases=True, limits=Limits((budget,)))


SMALL = TaskTree.of(
    [
        model("one", ("stem", 10), ("mid", 6), ("a", 4)),
        model("two", ("stem", 10), ("mid", 6), ("b", 4)),
        model("three", ("stem", 10), ("c", 2)),
    ]
).compress()
"""Vertices: 0 stem (10), 1 mid (6), 2 one, 3 two, 4 three."""


def test_golden_plan() -> None:
    """DFS+ takes ``three`` first, the smaller; everything is released right after its last reader."""
    plan = planned(SMALL, ["one", "two", "three"], batches_of(4, 4), DfsPlus(), None)
    assert plan.chunks == (tuple(batches_of(4, 4)),)
    assert plan.steps == (
        Infer(0, 0),
        Infer(4, 0),
        Score(4),
        Infer(1, 0),
        Release(0, 0),
        Infer(2, 0),
        Score(2),
        Infer(3, 0),
        Score(3),
        Release(1, 0),
    )
    assert plan.peaks == (16 * 8,)


def test_golden_plan_in_chunks() -> None:
    """Nothing is scored before the last chunk, when all features are there."""
    test, first, last = batches_of(4, 4, 1)
    plan = planned(SMALL, ["one", "two", "three"], [test, first, last], DfsPlus(), 16 * 5)
    assert plan.chunks == ((test,), (first, last))
    assert plan.steps == (
        Infer(0, 0),
        Infer(4, 0),
        Infer(1, 0),
        Release(0, 0),
        Infer(2, 0),
        Infer(3, 0),
        Release(1, 0),
        Infer(0, 1),
        Infer(4, 1),
        Score(4),
        Infer(1, 1),
        Release(0, 1),
        Infer(2, 1),
        Score(2),
        Infer(3, 1),
        Score(3),
        Release(1, 1),
    )
    assert plan.peaks == (16 * 5,)


def test_golden_reactive_plan() -> None:
    """Features only, in the models' order: the policy decides what is kept on the way."""
    models = ["three", "two", "one"]
    plan = make_plan(SMALL, models, batches_of(4, 4), Given(), planned_releases=False, limits=Limits((1,)))
    assert plan.chunks == (tuple(batches_of(4, 4)),)
    assert plan.steps == (Infer(4, 0), Score(4), Infer(3, 0), Score(3), Infer(2, 0), Score(2))
    assert plan.peaks is None


def test_a_prefix_model_is_scored_and_still_kept_for_its_reader() -> None:
    tree = TaskTree.of([model("long", ("a", 5), ("b", 3)), model("short", ("a", 5))]).compress()
    plan = planned(tree, ["long", "short"], batches_of(2), DfsPlus(), None)
    assert plan.steps == (Infer(0, 0), Score(0), Infer(1, 0), Score(1), Release(0, 0))
    assert plan.peaks == (10,)


def test_a_single_model_needs_no_cache() -> None:
    tree = TaskTree.of([model("one", ("a", 5), ("b", 3))]).compress()
    plan = planned(tree, ["one"], batches_of(2, 2), DfsPlus(), 1)
    assert plan.steps == (Infer(0, 0), Score(0))
    assert len(plan.chunks) == 1
    assert plan.peaks == (0,)


@pytest.mark.parametrize(
    ("budget", "chunks"),
    [
        (16 * 4, [[4], [4], [4], [1]]),
        (16 * 7, [[4], [4], [4, 1]]),
        (16 * 8, [[4, 4], [4, 1]]),
        (16 * 9 - 1, [[4, 4], [4, 1]]),
        (16 * 12, [[4, 4, 4], [1]]),
        (16 * 13, [[4, 4, 4, 1]]),
        (None, [[4, 4, 4, 1]]),
    ],
)
def test_chunks_are_as_many_whole_batches_as_fit(budget: int | None, chunks: list[list[int]]) -> None:
    plan = planned(SMALL, ["one", "two", "three"], batches_of(4, 4, 4, 1), DfsPlus(), budget)
    assert [[batch.items for batch in chunk] for chunk in plan.chunks] == chunks


def test_a_budget_below_one_batch_names_the_smallest_that_works() -> None:
    arguments = (SMALL, ["one", "two", "three"], batches_of(3, 4, 1), DfsPlus())
    with pytest.raises(BudgetError, match=r"cache\.budget=64 or more.*batch_size") as error:
        planned(*arguments, 63)
    assert "\n" not in str(error.value)
    assert execute(planned(*arguments, 64), 64) == 64


@given(trees(), items, st.sampled_from(ORDERS), st.integers(1, 2000))
def test_plans_keep_their_promises(
    drawn: tuple[TaskTree, list[str]], counts: list[int], order: Order, budget: int
) -> None:
    """Inputs are there, nothing is released early, every vertex is computed once a chunk, budgets hold."""
    tree, models = drawn
    batches = batches_of(*counts)
    try:
        plan = planned(tree, models, batches, order, budget)
    except BudgetError as error:
        (smallest,) = re.findall(r"cache\.budget=(\d+)", str(error))
        assert int(smallest) > budget
        with pytest.raises(BudgetError):
            planned(tree, models, batches, order, int(smallest) - 1)
        budget = int(smallest)
        plan = planned(tree, models, batches, order, budget)
    assert [batch for chunk in plan.chunks for batch in chunk] == batches
    assert all(plan.chunks)
    assert (execute(plan, budget),) == plan.peaks
    shape = Shape.of(tree, models)
    largest = max(sum(batch.items for batch in chunk) for chunk in plan.chunks)
    assert plan.peaks == (min_cache_size(shape, order(shape)) * largest,)
    assert plan.peaks[0] <= budget


@given(trees(), st.data())
def test_fewer_models_on_the_same_branches_never_need_more(
    drawn: tuple[TaskTree, list[str]], data: st.DataObject
) -> None:
    tree, models = drawn
    kept = data.draw(st.lists(st.sampled_from(models), min_size=1, unique=True))
    needs = []
    for part, names in ((tree, models), (tree.prune(kept), kept)):
        shape = Shape.of(part, names)
        needs.append(min_cache_size(shape, DfsPlus()(shape)))
    assert needs[1] <= needs[0]


@given(trees(), items, st.sampled_from(ORDERS))
def test_without_a_budget_there_is_one_chunk(
    drawn: tuple[TaskTree, list[str]], counts: list[int], order: Order
) -> None:
    tree, models = drawn
    plan = planned(tree, models, batches_of(*counts), order, None)
    assert plan.chunks == (tuple(batches_of(*counts)),)
    assert (execute(plan, None),) == plan.peaks


@given(trees(), items, st.sampled_from(ORDERS))
def test_a_model_is_scored_as_soon_as_its_features_are_there(
    drawn: tuple[TaskTree, list[str]], counts: list[int], order: Order
) -> None:
    tree, models = drawn
    steps = planned(tree, models, batches_of(*counts), order, None).steps
    for before, step in itertools.pairwise(steps):
        if isinstance(step, Score):
            assert before == Infer(step.vertex, 0)
        if isinstance(step, Release):
            assert before.vertex == step.vertex or tree.parent[before.vertex] == step.vertex


@given(trees(), items, st.sampled_from(ORDERS), st.integers(1, 50))
def test_reactive_plans_list_every_feature_once(
    drawn: tuple[TaskTree, list[str]], counts: list[int], order: Order, budget: int
) -> None:
    tree, models = drawn
    plan = make_plan(tree, models, batches_of(*counts), order, planned_releases=False, limits=Limits((budget,)))
    sequence = [v for v in order(Shape.of(tree, models)) if tree.models[v]]
    assert plan.steps == tuple(step for v in sequence for step in (Infer(v, 0), Score(v)))
    assert plan.peaks is None


@given(trees(), items)
def test_dfs_plus_never_makes_more_chunks_than_dfs(drawn: tuple[TaskTree, list[str]], counts: list[int]) -> None:
    tree, models = drawn
    whole = [planned(tree, models, batches_of(*counts), order, None).peaks or (0,) for order in (Dfs(), DfsPlus())]
    assume(whole[0][0])
    plans = []
    for order in (Dfs(), DfsPlus()):
        try:
            plans.append(len(planned(tree, models, batches_of(*counts), order, whole[0][0] // 2).chunks))
        except BudgetError:
            plans.append(len(counts) + 1)
    assert plans[1] <= plans[0]


@pytest.mark.parametrize("budget", [None, 1000])
def test_no_new_data_is_a_plan_that_only_scores(budget: int | None) -> None:
    """A schedule may ask for another score on the same data; there is nothing to hold and to release."""
    plan = planned(SMALL, ["one", "two", "three"], [], DfsPlus(), budget)
    assert sorted(s.vertex for s in plan.steps if isinstance(s, Score)) == [2, 3, 4]
    assert plan.peaks == (0,)


class Modest(Dfs):
    """An order with something to say about itself."""

    def arrange(self, shape: Shape) -> Arrangement:
        return Arrangement(self(shape), "could be better")


@pytest.mark.parametrize("planned_releases", [True, False])
@pytest.mark.parametrize("counts", [(), (4, 4)], ids=["no new data", "two batches"])
def test_a_plan_says_what_its_order_says(planned_releases: bool, counts: tuple[int, ...]) -> None:
    batches, models = batches_of(*counts), ["one", "two", "three"]
    notes = [
        make_plan(SMALL, models, batches, order, planned_releases=planned_releases, limits=Limits()).note
        for order in (Modest(), Dfs(), Optimal())
    ]
    assert notes == ["could be better", None, None]
