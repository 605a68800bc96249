"""Orders are topological, deterministic, and DFS+ is the paper's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.planning.orders.base import Order, Shape, min_cache_size
from alsatian.planning.orders.bfs import Bfs
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.dfs_min import DfsMin
from alsatian.planning.orders.dfs_plus import DfsPlus, requirements
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.optimal import Optimal
from alsatian.planning.orders.random import Random
from tests.planning.order_cases import (
    FIG_9,
    FIG_18,
    FIG_20,
    PARENT,
    cache_content,
    depth_first_orders,
    paper,
    shapes,
)

ORDERS: list[Order] = [Given(), Random(), Random(7), Bfs(), Dfs(), DfsPlus(), DfsMin(), Optimal()]


@pytest.mark.parametrize(
    ("sizes", "orders", "c_min"),
    [
        (FIG_9, ([0, 1, 3, 7, 6, 2, 5, 4], [0, 1, 3, 6, 7, 2, 5, 4]), 15),
        (FIG_18, ([0, 1, 3, 7, 6, 2, 5, 4], [0, 1, 3, 6, 7, 2, 5, 4]), 12),
        (FIG_20, ([0, 1, 3, 6, 7, 2, 4, 5],), 16),
    ],
    ids=["Fig 9", "Fig 18/19", "Fig 20"],
)
def test_the_papers_examples(sizes: list[int], orders: tuple[list[int], ...], c_min: int) -> None:
    order = DfsPlus()(paper(sizes))
    assert order in orders
    assert min_cache_size(paper(sizes), order) == cache_content(paper(sizes), order) == c_min
    assert requirements(paper(sizes))[0] == c_min


def test_both_children_before_either_subtree_may_need_less() -> None:
    assert min_cache_size(paper(FIG_18), [0, 1, 2, 3, 7, 6, 5, 4]) == 11


def test_goldens_of_all_orders() -> None:
    shape = Shape(PARENT, FIG_9, [7, 4, 6, 5])
    assert Given()(shape) == [0, 1, 3, 7, 2, 4, 6, 5]
    assert Bfs()(shape) == [0, 1, 2, 3, 4, 5, 6, 7]
    assert Dfs()(shape) == [0, 1, 2, 4, 5, 3, 6, 7]
    assert DfsPlus()(shape) == [0, 1, 3, 6, 7, 2, 5, 4]
    assert min_cache_size(shape, Given()(shape)) == 19
    assert min_cache_size(shape, Dfs()(shape)) == 19


def test_a_prefix_model_comes_before_what_continues_it() -> None:
    shape = Shape([-1, 0, 1], [1, 1, 0], [2, 0])
    for order in ORDERS:
        assert order(shape) == [0, 1, 2]


def test_ties_stay_as_added() -> None:
    star = Shape([-1, 0, 0, 0, 0], [1, 2, 1, 2, 1], [1, 2, 3, 4])
    assert DfsPlus()(star) == [0, 2, 4, 1, 3]


def test_random_is_seeded() -> None:
    star = Shape([-1] * 20, [1] * 20, list(range(20)))
    assert Random(1)(star) == Random(1)(star)
    assert len({tuple(Random(seed)(star)) for seed in range(10)}) == 10
    assert Random()(star) == Random(0)(star)


def test_orders_have_the_names_of_their_settings() -> None:
    names = ["given", "random", "random", "bfs", "dfs", "dfs_plus", "dfs_min", "optimal"]
    assert [order.name for order in ORDERS] == names


@given(shapes(), st.sampled_from(ORDERS))
def test_every_order_takes_every_vertex_once_and_parents_first(shape: Shape, order: Order) -> None:
    result = order(shape)
    assert sorted(result) == list(range(len(shape.parent)))
    position = {vertex: i for i, vertex in enumerate(result)}
    assert all(p == -1 or position[p] < position[v] for v, p in enumerate(shape.parent))
    assert order(shape) == result


@given(shapes(keep=True), st.sampled_from(ORDERS))
def test_c_min_is_the_largest_content_of_a_simulated_cache(shape: Shape, order: Order) -> None:
    result = order(shape)
    assert min_cache_size(shape, result) == cache_content(shape, result)


@given(shapes())
def test_given_meets_the_outputs_as_listed(shape: Shape) -> None:
    position = {vertex: i for i, vertex in enumerate(Given()(shape))}
    inner = [v for v in shape.outputs if any(p == v for p in shape.parent)]
    leaves = [v for v in shape.outputs if v not in inner]
    assert [position[v] for v in leaves] == sorted(position[v] for v in leaves)


@given(shapes(largest=8))
def test_dfs_plus_needs_least_of_all_depth_first_orders(shape: Shape) -> None:
    order = DfsPlus()(shape)
    best = min(cache_content(shape, other) for other in depth_first_orders(shape))
    assert cache_content(shape, order) == best
    assert max(requirements(shape)[root] for root in shape.roots()) == best


def test_deep_and_wide_shapes_do_not_recurse() -> None:
    """A chain of 10,000 vertices with a leaf on each, and 10,000 leaves on one vertex."""
    count = 10_000
    odd = range(1, 2 * count, 2)
    comb = Shape([-1, *((v - 1) // 2 * 2 for v in range(1, 2 * count))], [1] * 2 * count, odd)
    star = Shape([-1] + [0] * count, [1] * (count + 1), list(range(1, count + 1)))
    for order in ORDERS:
        for shape in (comb, star):
            assert sorted(order(shape)) == list(range(len(shape.parent)))
    assert min_cache_size(star, DfsPlus()(star)) == 2
    assert min_cache_size(comb, DfsPlus()(comb)) == requirements(comb)[0] == 2
