"""Items in an order of which every prefix is a small copy of the whole, in batches that never change."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.data.dataset import Dataset, batches_of, make_dataset, stratified_order
from alsatian.errors import ConfigError
from alsatian.searching.schedules import Halving, Round

class_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=6)
# There is something to tell apart, and a class of more than one item.
usable_sizes = class_sizes.filter(lambda sizes: len(sizes) > 1 and max(sizes) > 1)


def labels_of(sizes: list[int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))


def numbered(count: int, labels: np.ndarray | None = None, **settings: float) -> Dataset:
    """Items that are their own number."""
    labels = np.arange(count) % 3 if labels is None else labels
    return make_dataset("numbers", np.arange(count), labels, **settings)  # type: ignore[arg-type]


@given(class_sizes, st.integers(0, 5))
def test_every_prefix_has_the_classes_in_proportion(sizes: list[int], seed: int) -> None:
    labels = labels_of(sizes)
    order = stratified_order(labels, seed)
    assert sorted(order) == list(range(len(labels)))
    total = len(labels)
    for label, size in enumerate(sizes):
        seen = np.cumsum(labels[order] == label)
        fair = np.arange(1, total + 1) * size / total
        # A class is off by less than one item in position, and positions by less than one item per class.
        assert np.all(np.abs(seen - fair) < 1 + len(sizes) * size / total)


@given(class_sizes, st.integers(0, 5))
def test_the_order_is_the_same_for_the_same_seed(sizes: list[int], seed: int) -> None:
    labels = labels_of(sizes)
    assert np.array_equal(stratified_order(labels, seed), stratified_order(labels, seed))


def test_the_order_is_shuffled_and_seeded() -> None:
    labels = np.repeat(np.arange(4), 25)
    orders = [stratified_order(labels, seed) for seed in range(5)]
    assert len({tuple(order) for order in orders}) == 5
    members = orders[0][labels[orders[0]] == 0]
    assert sorted(members) != list(members)


@given(usable_sizes, st.floats(0.01, 0.99), st.integers(0, 3))
def test_every_item_is_used_once_with_its_label(sizes: list[int], share: float, seed: int) -> None:
    labels = labels_of(sizes)
    data = numbered(len(labels), labels, test_share=share, seed=seed)
    everything = np.concatenate([data.train_items, data.test_items])
    assert sorted(everything) == list(range(len(labels)))
    assert np.array_equal(data.train_labels, labels[data.train_items])
    assert np.array_equal(data.test_labels, labels[data.test_items])
    assert len(data.test_items) == min(max(1, round(share * len(labels))), len(labels) - 1)
    assert data.classes == len(sizes)
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64


@pytest.mark.parametrize(
    ("items", "test"), [(2000, 400), (8000, 1600), (10, 2), (4, 1), (3, 1), (11, 2), (12, 2), (13, 3)]
)
def test_a_fifth_is_for_testing(items: int, test: int) -> None:
    data = numbered(items, np.arange(items) % 2)
    assert (len(data.train_items), len(data.test_items)) == (items - test, test)


def test_training_prefixes_and_test_items_have_all_classes_in_proportion() -> None:
    labels = labels_of([400, 200, 100, 100])
    data = numbered(800, labels)
    assert np.all(np.abs(np.bincount(data.test_labels) - [80, 40, 20, 20]) <= 4)
    for prefix in (40, 80, 160, 320, 640):
        counts = np.bincount(data.train_labels[:prefix], minlength=4)
        assert np.all(np.abs(counts - prefix / 8 * np.array([4, 2, 1, 1])) <= 4)


def test_labels_of_any_kind_become_numbers_from_zero() -> None:
    data = make_dataset("names", np.arange(6), np.array(["cat", "dog", "cat", "ant", "dog", "cat"]))
    both = dict(zip([*data.train_items, *data.test_items], [*data.train_labels, *data.test_labels], strict=True))
    assert [both[i] for i in range(6)] == [1, 2, 1, 0, 2, 1]
    assert data.classes == 3


@given(st.integers(3, 60), st.integers(1, 70))
def test_batches_cover_every_item_once_in_order(count: int, batch_size: int) -> None:
    data = numbered(count, np.arange(count) % 2)
    test, train = data.batches(batch_size)
    assert [b.index for b in (*test, *train)] == list(range(len(test) + len(train)))
    for part, items, is_test in ((test, data.test_items, True), (train, data.train_items, False)):
        assert all(b.test == is_test for b in part)
        assert all(1 <= b.items <= batch_size for b in part)
        assert np.array_equal(np.concatenate([data.items(b) for b in part]), items)
    assert np.array_equal(data.labels([*test, *train]), np.concatenate([data.test_labels, data.train_labels]))
    assert len(data.labels([])) == 0


@pytest.mark.parametrize(
    ("items", "batch_size", "models", "sizes"),
    [
        (80, 16, 1, [16, 16, 16, 16, 16]),
        (80, 30, 2, [30, 30, 20]),
        (80, 30, 3, [30, 10, 30, 10]),
        (200, 64, 8, [50, 50, 64, 36]),
        (200, 64, 9, [25, 25, 50, 64, 36]),
        (1600, 1000, 35, [50, 50, 100, 200, 400, 800]),  # the published rounds
        (3, 2, 100, [1, 1, 1]),
        (1, 4, 35, [1]),
    ],
)
def test_training_batches_end_where_rounds_of_halving_do(
    items: int, batch_size: int, models: int, sizes: list[int]
) -> None:
    _, train = batches_of(5, items, batch_size, models)
    assert [b.items for b in train] == sizes


@given(st.integers(1, 5000), st.integers(1, 300), st.integers(1, 600))
def test_no_round_of_halving_cuts_a_batch(items: int, batch_size: int, models: int) -> None:
    test, train = batches_of(items, items, batch_size, models)
    amounts = [one.train_items for one in every_round(Halving(), models, items)]
    assert amounts[-1] == items
    assert set(amounts) <= {batch.stop for batch in train}
    assert len(train) <= len(test) + len(amounts) - 1


def every_round(schedule: Halving, models: int, items: int) -> list[Round]:
    running = schedule.rounds([str(i) for i in range(models)], items)
    found = [next(running)]
    with contextlib.suppress(StopIteration):
        while True:
            found.append(running.send(dict.fromkeys(found[-1].models, 0.0)))
    return found


@pytest.mark.parametrize(
    ("items", "labels", "share", "message"),
    [
        (5, [0, 0, 1, 1], 0.2, "5 items but 4 labels"),
        (0, [], 0.2, "0 items; it takes one to train"),
        (1, [0], 0.2, "1 items; it takes one to train"),
        (4, [0, 0, 1, 1], 0.0, "test_share=0.0 must lie between 0 and 1"),
        (4, [0, 0, 1, 1], 1.0, "test_share=1.0 must lie between 0 and 1"),
        (4, [0, 0, 1, 1], -0.5, "test_share=-0.5 must lie between 0 and 1"),
        (4, [0, 0, 1, 1], float("nan"), "test_share=nan must lie between 0 and 1"),
    ],
)
def test_data_that_cannot_be_split_is_refused(items: int, labels: list[int], share: float, message: str) -> None:
    with pytest.raises(ConfigError, match=f"dataset 'mine': {message}") as error:
        make_dataset("mine", np.arange(items), np.array(labels, int), test_share=share)
    assert "\n" not in str(error.value)


def test_the_digest_covers_items_labels_and_order() -> None:
    labels = np.arange(12) % 2
    base = make_dataset("a", np.arange(12), labels)
    assert make_dataset("b", np.arange(12), labels).digest == base.digest
    other = [
        make_dataset("a", np.arange(1, 13), labels),
        make_dataset("a", np.arange(12), 1 - labels),
        make_dataset("a", np.arange(12, dtype=np.int32), labels),
        make_dataset("a", np.arange(12).reshape(12, 1), labels),
        make_dataset("a", np.arange(12), labels, seed=1),
        make_dataset("a", np.arange(12), labels, test_share=0.5),
    ]
    assert len({base.digest, *(data.digest for data in other)}) == 7
