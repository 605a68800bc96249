"""The order of items on data that grew, shrank or moved: batches that were full before come first, as they were."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from alsatian.data.dataset import Dataset, make_dataset
from alsatian.data.digests import item_digests
from alsatian.data.gate.pixels import ImagePath
from alsatian.runtime.reuse.layout import Layout, arranged

SIZE = 4


def numbered(numbers: Sequence[int], order: int = 0, testing: Sequence[bool] | None = None) -> Dataset:
    """Items that are numbers, of the class that is the remainder by 3; in another ``order`` as if files had other
    names."""
    places = np.random.default_rng(order).permutation(len(numbers))
    items = np.array(numbers)[places]
    mask = None if testing is None else np.array(testing)[places]
    return make_dataset("own", items, items % 3, testing=mask)


def grown(before: Dataset, after: Dataset) -> Dataset:
    found = arranged(after, Layout.of(after, SIZE), Layout.of(before, SIZE))
    assert found is not None
    dataset, layout = found
    assert layout == Layout.of(dataset, SIZE)
    return dataset


def full(items: np.ndarray) -> np.ndarray:
    return items[: len(items) // SIZE * SIZE]


def same_items(a: Dataset, b: Dataset) -> bool:
    return Counter([*a.train_items, *a.test_items]) == Counter([*b.train_items, *b.test_items])


counts = st.integers(7, 40)


@given(counts, st.integers(0, 3), st.booleans())
def test_the_same_data_keep_their_order(count: int, order: int, drawn: bool) -> None:
    testing = None if drawn else [i % 4 == 0 for i in range(count)]
    data = numbered(range(count), order, testing)
    assert grown(data, data).digest == data.digest
    # Whatever order it has now: files may have other names.
    other = numbered(range(count), order + 1, testing)
    assert grown(data, other).digest == data.digest


@given(counts, st.integers(0, 30), st.integers(0, 3))
def test_full_batches_of_data_that_grew_come_first(count: int, more: int, order: int) -> None:
    before, after = numbered(range(count)), numbered(range(count + more), order)
    data = grown(before, after)
    assert same_items(data, after)
    assert np.array_equal(full(before.train_items), data.train_items[: len(full(before.train_items))])
    assert np.array_equal(full(before.test_items), data.test_items[: len(full(before.test_items))])
    assert np.array_equal(data.train_labels, data.train_items % 3)
    assert np.array_equal(data.test_labels, data.test_items % 3)


@given(counts, st.integers(0, 30), st.integers(0, 3))
def test_what_was_tested_with_is_never_trained_with(count: int, more: int, order: int) -> None:
    before, after = numbered(range(count)), numbered(range(count + more), order)
    data = grown(before, after)
    assert set(before.test_items) <= set(data.test_items)
    assert set(before.train_items) <= set(data.train_items)
    assert len(data.test_items) == len(after.test_items)  # the share is what it would be


@given(counts, st.sets(st.integers(0, 39), max_size=12))
def test_batches_that_lost_an_item_are_made_anew(count: int, lost: set[int]) -> None:
    before = numbered(range(count))
    left = [i for i in range(count) if i not in lost]
    if len(left) < 6:
        return
    data = arranged(after := numbered(left), Layout.of(after, SIZE), Layout.of(before, SIZE))
    if data is None:  # a part lost all its items
        assert not set(before.test_items) & set(left) or not set(before.train_items) & set(left)
        return
    assert same_items(data[0], after)
    whole = [b for b in full(before.train_items).reshape(-1, SIZE) if not set(b) & lost]
    assert np.array_equal(data[0].train_items[: SIZE * len(whole)], np.array(whole, int).reshape(-1))
    assert not set(data[0].train_items) & set(before.test_items)


@pytest.mark.parametrize(
    ("testing", "change"),
    [(None, {"seed": 1}), (None, {"test_share": 0.5}), (np.arange(24) % 4 == 0, {"seed": 1})],
    ids=["seed", "share", "seed where the source says what the test part is"],
)
def test_another_seed_or_share_asks_for_another_order(testing: Any, change: Mapping[str, Any]) -> None:
    items = np.arange(24)
    before, after = (make_dataset("own", items, items % 3, testing=testing, **more) for more in ({}, change))
    own, kept = Layout.of(after, SIZE), Layout.of(before, SIZE)
    assert own.train != kept.train
    assert arranged(after, own, kept) is None
    assert arranged(after, own, own) is not None


def test_an_item_that_stands_several_times_is_taken_as_often_as_it_is_there() -> None:
    before = numbered([1, 1, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9])
    for numbers in ([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [1, 1, 1, 1, 2, 3, 3, 3, 4, 5, 6, 7, 8, 9, 9]):
        after = numbered(numbers)
        assert same_items(grown(before, after), after)


def test_the_source_says_what_is_for_testing() -> None:
    """An item that has moved to the other part makes its batch a new one."""
    testing = [i < 8 for i in range(24)]
    before, same = (
        numbered(range(24), 0, testing),
        numbered(range(40), 1, [*testing, *[i % 2 == 0 for i in range(16)]]),
    )
    data = grown(before, same)
    assert np.array_equal(data.test_items[:8], before.test_items)
    assert np.array_equal(data.train_items[:16], before.train_items)
    moved = int(before.test_items[5])
    after = numbered(range(24), 1, [i < 8 and i != moved for i in range(24)])
    data = grown(before, after)
    assert np.array_equal(data.test_items[:4], before.test_items[:4])
    assert moved in data.train_items
    assert np.array_equal(data.train_items[:16], before.train_items)


def test_new_items_are_mixed_evenly_over_the_classes() -> None:
    before, after = numbered(range(60)), numbered(range(360))
    data = grown(before, after)
    new = data.train_labels[len(full(before.train_items)) :]
    for prefix in (30, 60, 120, 200):
        assert np.all(np.abs(np.bincount(new[:prefix], minlength=3) - prefix / 3) <= 3)
    assert np.all(np.abs(np.bincount(data.test_labels) - 24) <= 3)


def test_new_numbers_are_mixed_over_their_range() -> None:
    values = np.random.default_rng(0).permutation(400)
    before = make_dataset("own", values[:80], values[:80] / 7, label_kind="numbers")
    after = make_dataset("own", values, values / 7, label_kind="numbers")
    data = grown(before, after)
    new = data.train_labels[len(full(before.train_items)) :]
    for prefix in (50, 100, 200):
        assert abs(np.median(new[:prefix]) - np.median(new)) < 0.2 * (new.max() - new.min())


def test_the_summary_is_of_the_parts_as_they_are() -> None:
    before = numbered([0, 1, 3, 4, 6, 7, 9, 10])  # nothing of the third class, and a test part of two items
    after = numbered([*before.train_items, *before.test_items, 5, 8, 11], 1)
    data = grown(before, after)
    assert data.summary is not None
    lacking = [i for i in range(3) if i not in data.test_labels]
    assert data.summary.warnings == ((f"1 class without an item to test with: {lacking[0]}",) if lacking else ())
    assert data.summary.split.endswith("; items of an earlier search are in the parts that they were in")
    assert [one.train_items for one in data.summary.classes] == np.bincount(data.train_labels, minlength=3).tolist()
    assert [one.test_items for one in data.summary.classes] == np.bincount(data.test_labels, minlength=3).tolist()


def test_a_layout_is_the_same_after_a_trip_to_disk() -> None:
    layout = Layout.of(numbered(range(20)), SIZE)
    assert Layout.from_dict(layout.as_dict()) == layout
    assert [count for _, count in layout.batches] == [4, 4, 4, 4, 4]
    assert len({key for key, _ in layout.batches}) == 5
    assert replace(layout, batch_size=5).name != layout.name


def test_the_digest_of_an_item_is_of_what_it_holds(tmp_path: Path) -> None:
    for name, colour in (("a.png", 0), ("b.png", 0), ("c.png", 9)):
        Image.fromarray(np.full((4, 4, 3), colour, np.uint8)).save(tmp_path / name)
    paths = np.empty(4, object)
    paths[:] = [
        *(tmp_path / name for name in ("a.png", "b.png", "c.png")),
        ImagePath.on((1, 2, 3), tmp_path / "a.png"),
    ]
    first, copy, other, composed = item_digests(paths)
    assert first == copy
    assert len({first, other, composed}) == 3
    arrays = np.empty(3, object)
    arrays[:] = [np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.int8)]
    assert len(set(item_digests(arrays))) == 3
    assert item_digests(np.zeros((2, 2, 3), np.uint8)) == item_digests(arrays[:1]) * 2
    texts = np.array(["a", "b", "a"], object)
    assert [digest == item_digests(texts)[0] for digest in item_digests(texts)] == [True, False, True]
