"""What planning costs grows with the models, not with their square, and depth costs no stack.

Nothing is timed: bytecodes executed in the tree's and the planner's code are counted, and bytes allocated.
"""

import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import alsatian
from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.dataset import Batch
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.planning.distribution.costs import Costs
from alsatian.planning.distribution.distribute import distribute
from alsatian.planning.distribution.distribution import Worker
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Order
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.tree import TaskTree

ROOT = Path(alsatian.__file__).parent
COUNTED = {str(ROOT / "tree.py"), str(ROOT / "groups.py"), *map(str, (ROOT / "planning").rglob("*.py"))}
ORDERS: list[Order] = [Given(), Random(3), Dfs(), DfsPlus()]
DEEP = 10_000


def generated(count: int) -> list[Candidate]:
    return list(GeneratedSet(count=count, models_per_family=50))


def star(count: int) -> list[Candidate]:
    """Models that share their data only."""
    return [Candidate(str(i), (Block(f"{i}", 1, 1),), None, ImagePreprocessing(8)) for i in range(count)]


def comb(count: int) -> list[Candidate]:
    """Model ``i`` leaves the first one's chain after ``i`` blocks, so that every vertex of it has a branch."""
    trunk = tuple(Block(f"trunk {i}", 1, 1) for i in range(count))
    leaves = [(*trunk[:i], Block(f"leaf {i}", 1, 1)) for i in range(1, count)]
    return [Candidate(str(i), chain, None, ImagePreprocessing(8)) for i, chain in enumerate((trunk, *leaves))]


def plan(tree: TaskTree, order: Order, limits: Limits, planned: bool = True) -> Plan:
    """A round for 16 batches: everything a search does with the tree before it."""
    models = tree.all_models()
    batches = [Batch(i, 10 * i, 10 * i + 10, i < 3) for i in range(16)]
    return make_plan(tree.prune(models).compress(), models, batches, order, planned_releases=planned, limits=limits)


@contextmanager
def counting() -> Iterator[Callable[[], int]]:
    """Counts bytecodes executed in the tree's and the planner's code."""
    count = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        if frame.f_code.co_filename not in COUNTED:
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield lambda: count
    finally:
        sys.settrace(before)


def operations(work: Callable[[], object]) -> int:
    with counting() as count:
        work()
    return count()


@pytest.mark.parametrize("models", [generated, star, comb])
def test_building_takes_work_in_proportion_to_the_blocks(models: Callable[[int], list[Candidate]]) -> None:
    work = [
        operations(partial(TaskTree.of, candidates)) / sum(len(candidate.blocks) for candidate in candidates)
        for candidates in (models(100), models(400))
    ]
    assert work[1] < 1.2 * work[0]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
@pytest.mark.parametrize("models", [generated, star, comb])
def test_planning_takes_work_in_proportion_to_the_vertices(
    models: Callable[[int], list[Candidate]], order: Order
) -> None:
    small, large = TaskTree.of(models(100)), TaskTree.of(models(400))
    for limits, planned in ((Limits((10**9,)), True), (Limits((10**8, None)), True), (Limits(), False)):
        work = [operations(partial(plan, tree, order, limits, planned)) / len(tree) for tree in (small, large)]
        assert work[1] < 1.2 * work[0]


@pytest.mark.parametrize("models", [generated, star, comb])
def test_cutting_takes_work_in_proportion_to_the_vertices(models: Callable[[int], list[Candidate]]) -> None:
    """But for the logarithm of a search in what is sorted; with as many models a worker."""
    costs = Costs(lambda block: 1.0, lambda block: 0.1, lambda kind: 1.0, lambda size: 1.0, 1.0)
    batches = [Batch(i, 10 * i, 10 * i + 10, i < 3) for i in range(16)]
    work = []
    for count in (100, 400):
        tree = TaskTree.of(models(count)).compress()
        workers = [Worker(str(i)) for i in range(count // 10)]
        work.append(operations(partial(distribute, tree, tree.all_models(), batches, workers, costs)) / len(tree))
    assert work[1] < 1.5 * work[0]


def test_memory_grows_with_the_vertices_and_not_with_the_chunks() -> None:
    """Per vertex, beside the blocks, which belong to the models; of the plan with the compressed tree."""

    def per_vertex(count: int, budget: int | None, chunks: int) -> tuple[float, float]:
        candidates = generated(count)
        tracemalloc.start()
        try:
            tree = TaskTree.of(candidates)
            for_tree = tracemalloc.get_traced_memory()[0]
            made = plan(tree, DfsPlus(), Limits((budget,)))
            for_plan = tracemalloc.get_traced_memory()[0] - for_tree
        finally:
            tracemalloc.stop()
        assert len(made.chunks) == chunks
        return for_tree / len(tree), for_plan / len(made.tree)

    small, large, chunked = per_vertex(500, None, 1), per_vertex(2000, None, 1), per_vertex(2000, 5 * 10**7, 16)
    assert large[0] < 1.2 * small[0] < 200
    assert large[1] < 1.2 * small[1] < 800
    assert chunked[1] < 1.1 * large[1]


@pytest.fixture(scope="module")
def deep() -> TaskTree:
    """20 chains of 10,000 blocks, of which each takes 500 more than the last from the first."""
    first = [Block(str(i), 1, 1) for i in range(DEEP)]
    own = [[Block(f"{m}/{i}", 1, 1) for i in range(DEEP)] for m in range(20)]
    return TaskTree.of(
        [
            Candidate(str(m), (*first[: DEEP - 500 * m], *own[m][DEEP - 500 * m :]), None, ImagePreprocessing(8))
            for m in range(20)
        ]
    )


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.name)
def test_deep_chains_are_planned_without_recursion(deep: TaskTree, order: Order) -> None:
    tree, models = deep, deep.all_models()
    assert len(list(tree.path(tree.vertex_of("0")))) == DEEP + 1
    assert len(tree.models_below(0)) == len(models)
    half = tree.prune(models[::2])
    assert len(half.blocks.items) == sum(len(blocks) for blocks in half.compress().blocks)
    small = plan(tree, order, Limits((1000,)))
    assert len(small.tree) == 2 * len(models) - 1
    # The planner takes trees that are not compressed as well: here a path has 10,001 vertices.
    batch = [Batch(0, 0, 10, True)]
    whole = make_plan(tree, tree.all_models(), batch, order, planned_releases=True, limits=Limits())
    assert sum(1 for _ in whole.steps) == 2 * len(tree)
