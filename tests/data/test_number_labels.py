"""Labels that are numbers: told from classes, split and shuffled over their range, and said in the summary."""

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alsatian.data.dataset import Dataset, make_dataset, stratified_order
from alsatian.data.gate.targets import MOST_CLASSES, targets_of
from alsatian.errors import ConfigError

N = 12
HALVES = [i / 2 for i in range(N)]
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def numbered(labels: Any, kind: str = "numbers", **settings: Any) -> Dataset:
    """Items that are their own number."""
    return make_dataset("own", np.arange(len(labels)), labels, label_kind=kind, **settings)


KINDS: dict[str, tuple[Any, str]] = {
    "floats": (HALVES, "numbers"),
    "floats and integers": ([0, 0.5] * 6, "numbers"),
    "array": (np.array(HALVES, np.float32), "numbers"),
    "tensor": (torch.tensor(HALVES), "numbers"),
    "Series": (pd.Series(HALVES), "numbers"),
    "decimals": ([Decimal(i) / 2 for i in range(N)], "numbers"),
    "whole floats": ([0.0, 1.0] * 6, "classes"),
    "few integers": ([0, 7] * 6, "classes"),
    "booleans": ([True, False] * 6, "classes"),
    "texts": (["1.5", "2.5"] * 6, "classes"),
    "as many integers as may be classes": ([3 * i for i in range(MOST_CLASSES)] * 2, "classes"),
    "more of them": ([3 * i for i in range(MOST_CLASSES + 1)] * 2, "numbers"),
    "as whole floats": ([3.0 * i for i in range(MOST_CLASSES + 1)] * 2, "numbers"),
    "codes of many classes": (list(range(MOST_CLASSES + 1)) * 2, "classes"),
}


@pytest.mark.parametrize(("labels", "kind"), KINDS.values(), ids=KINDS)
def test_numbers_are_told_from_classes(labels: Any, kind: str) -> None:
    assert targets_of("here", labels, "auto").kind == kind


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (HALVES, "labels are numbers to predict, since some are not whole"),
        (
            [2 * i for i in range(150)],
            "labels are 150 distinct numbers, which are to be predicted; labels=classes",
        ),
        (list(range(30)) * 2, "each of the 30 distinct whole numbers is a class; labels=numbers"),
    ],
)
def test_what_was_assumed_is_said_with_how_to_change_it(labels: Any, note: str) -> None:
    summary = numbered(labels, "auto").summary
    assert summary is not None
    (line,) = summary.notes
    assert line.startswith(note)
    stated = numbered(labels, "numbers").summary
    assert stated is not None
    assert not stated.notes


def test_numbers_stay_as_they_are_with_their_items() -> None:
    labels = [-1.25, *range(10), 1e300]
    data = numbered(labels)
    assert data.classes == 0
    assert data.train_labels.dtype == data.test_labels.dtype == np.float64
    for items, found in ((data.train_items, data.train_labels), (data.test_items, data.test_labels)):
        assert found.tolist() == [labels[i] for i in items]
    assert sorted([*data.train_items, *data.test_items]) == list(range(N))
    assert data.labels(data.batches(4)[0]).dtype == np.float64


@pytest.mark.parametrize("labels", [["1.5", "-2", "1e3"], [True, False, True], np.array([3, 4, 5], np.uint8)])
def test_stated_numbers_may_be_written_in_any_way(labels: Any) -> None:
    assert targets_of("here", labels, "numbers").values.tolist() == [float(label) for label in labels]


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ([0.5, float("inf"), 1, 2], "auto", "1 of 4 labels are not finite, the first is item 1: inf"),
        (["1", "-inf", "2"], "numbers", "1 of 3 labels are not finite, the first is item 1: -inf"),
        ([0.5, 1.5, float("nan")], "numbers", "1 of 3 labels are missing, the first is item 2: nan"),
        ([0.5, None, 1.5], "auto", "1 of 3 labels are missing, the first is item 1: None"),
        ([0.5, 1.5, "nan"], "numbers", "1 of 3 labels are not finite, the first is item 2: nan"),
        (["1.5", "two"], "numbers", "the label of item 1, 'two', is no number"),
        ([10**400, 1], "numbers", "the label of item 0, '1000"),
        (np.ones((3, 2)) / 3, "numbers", "labels are of shape"),
        ([[0.5], [1.5, 2.5]], "numbers", "item 0 has several labels"),
        ([2.5, 2.5, 2.5], "auto", "the label of all 3 items is 2.5; nothing is to predict"),
        ([0.5, 1.5], "classes", "labels are continuous: item 0 has 0.5"),
        ([0.5, 1.5], "number", "labels=number: did you mean 'numbers'?"),
    ],
)
def test_what_is_no_number_is_refused(labels: Any, kind: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"^(here: |labels=)") as error:
        targets_of("here", labels, kind)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@given(st.lists(finite, min_size=2, max_size=80), st.integers(0, 3))
def test_the_order_is_a_seeded_shuffle(labels: list[float], seed: int) -> None:
    values = np.array(labels, np.float64)
    order = stratified_order(values, seed)
    assert sorted(order) == list(range(len(labels)))
    assert np.array_equal(order, stratified_order(values, seed))


@pytest.mark.parametrize("skew", [lambda x: x, lambda x: x**9, np.round], ids=["even", "skewed", "with ties"])
def test_every_prefix_mixes_the_range(skew: Any) -> None:
    labels = skew(np.random.default_rng(0).uniform(0, 5, 1000))
    data = numbered(labels)
    tenths = np.quantile(labels, np.arange(1, 10) / 10)
    for found in (data.test_labels, data.train_labels[:50], data.train_labels[:100], data.train_labels[:400]):
        # Stratified: the share below each decile is off by less than an item of each tenth, ties aside.
        below = np.array([(found < cut).mean() - (labels < cut).mean() for cut in tenths])
        assert np.all(np.abs(below) <= 10 / len(found))


def test_the_summary_shows_the_range() -> None:
    summary = numbered([4, 1, 9, 2.5, 7] * 2).summary
    assert summary is not None
    assert (summary.train_items, summary.test_items, summary.classes) == (8, 2, ())
    rows = dict(summary.rows())
    assert "classes" not in rows
    assert rows["labels"] == "numbers from 1 to 9, median 4"
    assert "20% drawn over the range of the labels, seed 0" in rows["items"]
    assert "numbers from 1 to 9" in summary.text("own")


def test_the_digest_tells_numbers_from_classes() -> None:
    labels = [1, 2, 3] * 4
    assert numbered(labels, "numbers").digest != numbered(labels, "classes").digest
