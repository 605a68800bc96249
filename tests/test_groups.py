"""Groups are the lists they stand for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.groups import Groups

lists = st.lists(st.lists(st.integers(), max_size=3), max_size=6)


def of(groups: list[list[int]]) -> Groups[int]:
    return Groups((item for group in groups for item in group), [len(group) for group in groups])


@given(lists)
def test_groups_read_like_a_list_of_tuples(groups: list[list[int]]) -> None:
    expected = [tuple(group) for group in groups]
    found = of(groups)
    assert list(found) == [found[i] for i in range(len(found))] == expected
    assert [found[i - len(found)] for i in range(len(found))] == expected
    assert found[1:-1] == expected[1:-1]
    assert found[::-1] == expected[::-1]
    assert found.sizes.tolist() == [len(group) for group in groups]
    assert repr(found) == f"Groups({expected})"
    for beyond in (len(groups), -len(groups) - 1):
        with pytest.raises(IndexError):
            found[beyond]


@given(lists, lists)
def test_groups_equal_sequences_of_the_same_items(one: list[list[int]], other: list[list[int]]) -> None:
    assert (of(one) == of(other)) == (of(one) == other) == (one == other)
    assert of(one) != "groups"
    assert of(one) != 1


@given(st.lists(st.tuples(st.integers(0, 4), st.text(max_size=2))))
def test_items_are_grouped_in_their_order(keyed: list[tuple[int, str]]) -> None:
    groups = Groups.by(np.array([key for key, _ in keyed], np.int64), [item for _, item in keyed], 5)
    assert list(groups) == [tuple(item for key, item in keyed if key == group) for group in range(5)]
