"""``dfs_min`` is the least of all depth-first orders and ``optimal`` of all orders, against brute force."""

import random
import tracemalloc

import pytest
from hypothesis import given, settings

from alsatian.errors import ConfigError
from alsatian.planning.orders.base import Arrangement, Shape, arrange, min_cache_size
from alsatian.planning.orders.dfs_min import DfsMin
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.optimal import Optimal
from tests.planning.order_cases import (
    FIG_9,
    FIG_18,
    FIG_20,
    all_orders,
    cache_content,
    depth_first_orders,
    least_of_all,
    paper,
    random_forest,
    shapes,
    spider,
)

# Least 19; found by looking at more than one state only.
TWO_STATES = Shape([-1, 0, 1, 0, 3, 4], [14, 4, 6, 4, 1, 5], [2, 5])


@pytest.mark.parametrize(
    ("sizes", "depth_first", "least"), [(FIG_9, 15, 15), (FIG_18, 12, 11), (FIG_20, 16, 16)], ids=["9", "18", "20"]
)
def test_the_papers_examples(sizes: list[int], depth_first: int, least: int) -> None:
    shape = paper(sizes)
    assert cache_content(shape, DfsMin()(shape)) == depth_first
    assert cache_content(shape, Optimal()(shape)) == least
    assert min(cache_content(shape, order) for order in all_orders(shape)) == least


def test_golden_orders() -> None:
    assert DfsMin()(paper(FIG_9)) == [0, 1, 3, 6, 7, 2, 4, 5]
    assert Optimal()(paper(FIG_9)) == [0, 1, 3, 6, 7, 2, 4, 5]
    assert Optimal()(paper(FIG_18)) == [0, 1, 2, 3, 6, 7, 4, 5]


def test_what_stays_comes_after_what_passes() -> None:
    """Two leaves: a large one that leaves 1, a small one that leaves 5. DFS+ starts with the small one."""
    shape = Shape([-1, 0, 0], [0, 8, 1], [1, 2], kept=[0, 1, 5])
    assert DfsPlus()(shape) == [0, 2, 1]
    assert min_cache_size(shape, [0, 2, 1]) == 5 + 9
    assert DfsMin()(shape) == Optimal()(shape) == [0, 1, 2]
    assert min_cache_size(shape, [0, 1, 2]) == 9


def test_the_last_child_may_be_one_that_leaves_much() -> None:
    """The subtree of 1 needs 9 and leaves 8, that of 3 needs 9 and leaves 0: by p - r 3 comes first."""
    shape = Shape([-1, 0, 1, 0, 3], [5, 1, 1, 4, 5], [2, 4], kept=[0, 0, 8, 0, 0])
    assert DfsMin()(shape) == [0, 3, 4, 1, 2]
    assert min_cache_size(shape, [0, 3, 4, 1, 2]) == 14
    assert min_cache_size(shape, [0, 1, 2, 3, 4]) == 17


@settings(max_examples=400)
@given(shapes(largest=7, keep=True))
def test_dfs_min_is_the_least_of_all_depth_first_orders(shape: Shape) -> None:
    order = DfsMin()(shape)
    orders = list(depth_first_orders(shape))
    assert order in orders
    assert cache_content(shape, order) == min(cache_content(shape, other) for other in orders)


@given(shapes())
def test_where_nothing_stays_dfs_min_needs_what_dfs_plus_needs(shape: Shape) -> None:
    assert min_cache_size(shape, DfsMin()(shape)) == min_cache_size(shape, DfsPlus()(shape))


@given(shapes(largest=6, keep=True))
def test_optimal_is_the_least_of_all_orders_one_by_one(shape: Shape) -> None:
    least = min(cache_content(shape, order) for order in all_orders(shape))
    assert cache_content(shape, Optimal()(shape)) == least == least_of_all(shape)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("keep", [False, True], ids=["all passes", "some stays"])
def test_optimal_is_the_least_of_all_orders(seed: int, keep: bool) -> None:
    rng = random.Random(f"forests {seed} {keep}")
    depth_first_is_not = 0
    for _ in range(700):
        shape = random_forest(rng, 11, keep)
        found = Optimal().arrange(shape)
        depth_first = min_cache_size(shape, DfsMin()(shape))
        least = least_of_all(shape)
        assert found.note is None, shape
        assert cache_content(shape, found.order) == least, shape
        assert shape.least_possible() <= least <= depth_first, shape
        depth_first_is_not += least < depth_first
    assert depth_first_is_not > 5  # otherwise this would test DfsMin


@pytest.mark.parametrize("seed", range(4))
def test_optimal_interleaves_chains(seed: int) -> None:
    """Here it matters most in which sequence the children of one vertex advance, and how far."""
    rng = random.Random(f"spiders {seed}")
    depth_first_is_not = 0
    for _ in range(400):
        shape = spider(rng, legs=rng.randint(2, 4), length=4, forks=rng.choice([0, 0, 0.1]))
        order = Optimal()(shape)
        least = least_of_all(shape)
        assert cache_content(shape, order) == least, shape
        depth_first_is_not += least < min_cache_size(shape, DfsMin()(shape))
    assert depth_first_is_not > 20


@pytest.mark.parametrize("count", [60, 300])
def test_large_trees_are_searched_to_the_end(count: int) -> None:
    rng = random.Random(count)
    depth_first_is_not = 0
    for _ in range(30):
        parent = [-1, *(rng.randrange(max(0, v - rng.choice([5, count])), v) for v in range(1, count))]
        shape = Shape(parent, [rng.randint(1, 1000) for _ in parent], [])
        found = Optimal(states=5000).arrange(shape)
        assert found.note is None
        assert sorted(found.order) == list(range(count))
        depth_first_is_not += min_cache_size(shape, found.order) < min_cache_size(shape, DfsMin()(shape))
    assert depth_first_is_not > 10


def test_optimal_says_when_it_gives_up_on_states() -> None:
    assert Optimal().arrange(TWO_STATES).note is None
    assert cache_content(TWO_STATES, Optimal()(TWO_STATES)) == least_of_all(TWO_STATES) == 19
    found = arrange(Optimal(states=1), TWO_STATES)
    assert found.note == "optimal gave up at 1 states: its C_min is 20, the least is 18 or more"
    assert cache_content(TWO_STATES, found.order) == cache_content(TWO_STATES, DfsMin()(TWO_STATES)) == 20


def test_optimal_says_when_it_gives_up_on_time() -> None:
    shape = spider(random.Random(8), legs=12, length=6)
    found = Optimal(time_limit=0).arrange(shape)
    assert "gave up at 0 s" in str(found.note)
    assert min_cache_size(shape, Optimal()(shape)) < min_cache_size(shape, found.order)


@pytest.mark.parametrize(
    ("keep", "limits"),
    [(False, {"states": 1}), (False, {"time_limit": 0}), (True, {"states": 3}), (True, {"time_limit": 0})],
    ids=str,
)
def test_giving_up_is_never_worse_than_dfs_min_nor_silent(limits: dict[str, int], keep: bool) -> None:
    rng = random.Random(f"limits {keep}")
    gave_up = 0
    for _ in range(500):
        shape = random_forest(rng, 11, keep) if keep else spider(rng, 4, 3)
        found = Optimal(**limits).arrange(shape)
        peak = cache_content(shape, found.order)
        assert sorted(found.order) == list(range(len(shape.parent)))
        assert peak <= min_cache_size(shape, DfsMin()(shape))
        assert found.note is not None or peak == least_of_all(shape), shape
        gave_up += found.note is not None
    assert gave_up


def test_large_trees_in_which_much_stays_keep_to_their_memory() -> None:
    rng = random.Random(0)
    parent = [-1, *(rng.randrange(v) for v in range(1, 300))]
    shape = Shape(parent, [rng.randint(1, 1000) for _ in parent], [], [rng.randint(0, 100) for _ in parent])
    tracemalloc.start()
    found = Optimal(states=2000).arrange(shape)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "gave up at 2000 states" in str(found.note)
    assert peak < 4_000_000  # bytes


def test_other_orders_have_nothing_to_say() -> None:
    assert arrange(DfsPlus(), paper(FIG_9)) == Arrangement([0, 1, 3, 6, 7, 2, 5, 4], None)


@pytest.mark.parametrize("limits", [{"states": 0}, {"time_limit": -1}], ids=str)
def test_limits_have_to_make_sense(limits: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(limits))}={next(iter(limits.values()))}"):
        Optimal(**limits)


def test_deep_trees_with_something_to_search_do_not_recurse() -> None:
    """Two combs of 3,000 levels, whose spines shrink and whose leaves grow: a record for every level."""
    parent, sizes = [-1], [10**7]
    for _ in range(2):
        spine = 0
        for level in range(3000):
            parent += [spine, len(parent)]
            sizes += [10**6 - level, 10 + 5 * level]
            spine = len(parent) - 2
    shape = Shape(parent, sizes, [])
    found = Optimal().arrange(shape)
    assert found.note is None
    assert sorted(found.order) == list(range(len(parent)))
    assert shape.least_possible() < min_cache_size(shape, found.order) <= min_cache_size(shape, DfsMin()(shape))
