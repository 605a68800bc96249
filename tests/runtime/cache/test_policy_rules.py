"""What each policy goes by, on examples small enough to follow by hand."""

from collections.abc import Iterable

from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.belady import Belady
from alsatian.runtime.cache.policies.fifo import Fifo
from alsatian.runtime.cache.policies.gdsf import Gdsf
from alsatian.runtime.cache.policies.lfu import Lfu

FREE: frozenset[int] = frozenset()


def with_entries(policy: CachePolicy, entries: Iterable[tuple[int, int, float]]) -> CachePolicy:
    for vertex, nbytes, cost in entries:
        policy.inserted(vertex, nbytes, cost)
    return policy


def evicted(policy: CachePolicy, count: int) -> list[int | None]:
    """The next ``count`` victims."""
    found = []
    for _ in range(count):
        found.append(policy.victim(FREE))
        policy.removed(found[-1] if found[-1] is not None else -1)
    return found


def use(policy: CachePolicy, *vertices: int) -> None:
    for vertex in vertices:
        policy.used(vertex)


def test_fifo_goes_by_entry_alone() -> None:
    fifo = with_entries(Fifo(), [(1, 1, 1), (2, 1, 1), (3, 1, 1)])
    use(fifo, 1, 1, 2)
    assert evicted(fifo, 3) == [1, 2, 3]
    with_entries(fifo, [(2, 1, 1), (1, 1, 1)])
    assert evicted(fifo, 2) == [2, 1]


def test_lfu_goes_by_frequency_then_by_age_and_forgets() -> None:
    lfu = with_entries(Lfu(), [(1, 1, 1), (2, 1, 1), (3, 1, 1), (4, 1, 1)])
    use(lfu, 1, 1, 1, 3, 2)
    assert evicted(lfu, 3) == [4, 3, 2]  # one use, then two uses of which 3's was earlier
    with_entries(lfu, [(2, 1, 1), (3, 1, 1)])
    use(lfu, 2)
    assert evicted(lfu, 3) == [3, 2, 1]


def test_gdsf_goes_by_cost_size_and_frequency() -> None:
    assert evicted(with_entries(Gdsf(), [(1, 10, 4), (2, 10, 2), (3, 10, 3)]), 3) == [2, 3, 1]
    assert evicted(with_entries(Gdsf(), [(1, 10, 4), (2, 40, 4), (3, 20, 4)]), 3) == [2, 3, 1]
    gdsf = with_entries(Gdsf(), [(1, 10, 4), (2, 10, 3), (3, 10, 3)])
    use(gdsf, 2)  # 0.6 against 0.4 and 0.3
    assert evicted(gdsf, 3) == [3, 1, 2]
    assert evicted(with_entries(Gdsf(), [(2, 10, 1), (1, 10, 1)]), 2) == [2, 1]  # a tie: the least recent


def test_gdsfs_clock_lets_old_value_fade() -> None:
    gdsf = with_entries(Gdsf(), [(1, 1, 4), (2, 1, 1)])
    order = []
    for newcomer in (3, 4, 5, 6, 7):  # each worth 1, on top of a clock at 1, 2, 3, 4, 5
        order += evicted(gdsf, 1)
        gdsf.inserted(newcomer, 1, 1)
    # The clock stood at 0 when 1 entered with a priority of 4, which 5 ties with and outlives.
    assert order == [2, 3, 4, 1, 5]
    gdsf = with_entries(Gdsf(), [(1, 1, 4), (2, 1, 1)])
    assert evicted(gdsf, 1) == [2]
    use(gdsf, 1)  # its two uses count from the clock of now: 1 + 2 × 4
    with_entries(gdsf, [(3, 1, 7.5), (4, 1, 8.5)])
    assert evicted(gdsf, 3) == [3, 1, 4]


def test_a_clock_that_a_pinned_vertex_held_back_does_not_run_backwards() -> None:
    gdsf = with_entries(Gdsf(), [(1, 1, 2), (2, 1, 5)])
    assert gdsf.victim(frozenset({1})) == 2
    gdsf.removed(2)
    assert evicted(gdsf, 1) == [1]
    with_entries(gdsf, [(3, 1, 1), (4, 1, 5.5)])  # at a clock of 5, not of 2
    use(gdsf, 3)  # 5 + 2
    assert gdsf.victim(frozenset({4})) == 3
    gdsf.inserted(5, 1, 1)  # 8 against the 10.5 of 4
    assert gdsf.victim(frozenset({3})) == 5


def oracle(needs: list[tuple[int, ...]], kept: Iterable[int]) -> Belady:
    """At the first of ``needs``, with ``kept`` of ten bytes each."""
    belady = Belady()
    belady.expect(needs)
    belady.advance()
    with_entries(belady, [(vertex, 10, 1) for vertex in kept])
    return belady


def test_belady_goes_by_the_next_use_and_starts_with_what_has_none() -> None:
    belady = oracle([(9,), (1,), (3,), (1,), (2,)], [1, 2, 3, 4])
    assert evicted(belady, 4) == [4, 2, 3, 1]
    belady = oracle([(9,), (1,), (3,), (1,), (2,)], [1, 2, 3])
    belady.advance()
    belady.advance()
    assert evicted(belady, 3) == [3, 2, 1]  # the present step counts no more


def test_belady_turns_away_what_it_would_evict_first() -> None:
    belady = oracle([(9,), (1,), (9,), (2,)], [1, 2])
    assert belady.admits(9, 10, FREE)  # for 2
    assert not belady.admits(9, 20, FREE)  # 1 is needed sooner
    assert not belady.admits(9, 10, frozenset({2}))
    assert not belady.admits(7, 10, FREE)
    assert not belady.admits(9, 30, FREE)


def test_to_belady_a_parent_waits_behind_its_child() -> None:
    """Vertex 0 has the children 1 and 2; 1 serves the next step, so 0 is not needed before 2's."""
    needs = [(9,), (11, 1, 0), (5,), (21, 2, 0)]
    assert evicted(oracle(needs, [0, 1, 5]), 3) == [0, 5, 1]
    assert evicted(oracle(needs, [0, 5]), 2) == [5, 0]
    assert evicted(oracle(needs, [0, 1, 2, 5]), 4) == [0, 2, 5, 1]
    # Once the child is gone the parent is what serves.
    belady = oracle(needs, [0, 1, 5])
    belady.removed(1)
    assert evicted(belady, 2) == [5, 0]


def test_steps_that_compute_nothing_need_nothing() -> None:
    assert evicted(oracle([(9,), (), (2,), (), (1,)], [1, 2]), 2) == [1, 2]
