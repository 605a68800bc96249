"""Rounds, exactly."""

import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.errors import ConfigError
from alsatian.searching.schedules import Exhaustive, Halving, PaperHalving, Schedule, ranked


def names(count: int) -> list[str]:
    return [f"m{i:02d}" for i in range(count)]


def rounds(
    schedule: Schedule, models: list[str], train_items: int, scores: Mapping[str, float] | None = None
) -> list[tuple[tuple[str, ...], int]]:
    """All rounds as (models, training batches); scores fall in the models' order unless they are given."""
    scores = scores or {model: -i for i, model in enumerate(models)}
    running = schedule.rounds(models, train_items)
    found = []
    upcoming = next(running)
    while True:
        found.append((upcoming.models, upcoming.train_items))
        try:
            upcoming = running.send({model: scores[model] for model in upcoming.models})
        except StopIteration:
            return found


def counts(schedule: Schedule, models: int, train_items: int = 1024) -> list[tuple[int, int]]:
    """All rounds as (number of models, training batches)."""
    return [(len(left), amount) for left, amount in rounds(schedule, names(models), train_items)]


HALVING = [
    # eta, k, models, models of each round
    (2, 1, 1, [1]),
    (2, 1, 2, [2]),
    (2, 1, 3, [3, 2]),
    (2, 1, 5, [5, 3, 2]),
    (2, 1, 16, [16, 8, 4, 2]),
    (2, 1, 35, [35, 18, 9, 5, 3, 2]),
    (2, 2, 1, [1]),
    (2, 2, 2, [2]),
    (2, 2, 3, [3]),
    (2, 2, 5, [5, 3]),
    (2, 2, 16, [16, 8, 4]),
    (2, 2, 35, [35, 18, 9, 5, 3]),
    (2, 3, 1, [1]),
    (2, 3, 2, [2]),
    (2, 3, 3, [3]),
    (2, 3, 5, [5]),
    (2, 3, 16, [16, 8, 4]),
    (2, 3, 35, [35, 18, 9, 5]),
    (3, 1, 1, [1]),
    (3, 1, 2, [2]),
    (3, 1, 3, [3]),
    (3, 1, 5, [5, 2]),
    (3, 1, 16, [16, 6, 2]),
    (3, 1, 35, [35, 12, 4, 2]),
    (3, 2, 1, [1]),
    (3, 2, 2, [2]),
    (3, 2, 3, [3]),
    (3, 2, 5, [5]),
    (3, 2, 16, [16, 6]),
    (3, 2, 35, [35, 12, 4]),
    (3, 3, 1, [1]),
    (3, 3, 2, [2]),
    (3, 3, 3, [3]),
    (3, 3, 5, [5]),
    (3, 3, 16, [16, 6]),
    (3, 3, 35, [35, 12, 4]),
]


@pytest.mark.parametrize(("eta", "k", "models", "expected"), HALVING)
def test_halving_keeps_the_best_and_gives_them_more_data(
    eta: int, k: int, models: int, expected: list[int]
) -> None:
    total = eta**8
    amounts = [total // eta**i for i in reversed(range(len(expected)))]
    assert counts(Halving(eta=eta, k=k), models, total) == list(zip(expected, amounts, strict=True))


@pytest.mark.parametrize(
    ("models", "expected"),
    [
        (1, [1]),
        (2, [2]),
        (3, [3, 1]),
        (4, [4, 2]),
        (5, [5, 2, 1]),
        (16, [16, 8, 4, 2]),
        (32, [32, 16, 8, 4, 2]),
        (35, [35, 17, 8, 4, 2, 1]),
    ],
)
def test_paper_halving_has_the_published_rounds(models: int, expected: list[int]) -> None:
    amounts = [1024 >> i for i in reversed(range(len(expected)))]
    assert counts(PaperHalving(), models) == list(zip(expected, amounts, strict=True))


def test_exhaustive_is_one_round() -> None:
    assert rounds(Exhaustive(), names(5), 7) == [(tuple(names(5)), 7)]


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        (1, [(35, 1)]),
        (2, [(35, 1), (2, 2)]),
        (3, [(35, 1), (3, 2), (2, 3)]),
        (8, [(35, 1), (5, 2), (3, 4), (2, 8)]),
        (33, [(35, 2), (18, 3), (9, 5), (5, 9), (3, 17), (2, 33)]),
    ],
)
def test_rounds_that_would_see_the_same_batches_are_one(batches: int, expected: list[tuple[int, int]]) -> None:
    assert counts(Halving(), 35, batches) == expected


def test_few_batches_and_models_collapse_paper_halving_too() -> None:
    assert counts(PaperHalving(), 35, 1) == [(35, 1)]
    assert counts(PaperHalving(), 3, 1) == [(3, 1)]


def test_the_best_models_stay_in_their_given_order_of_score() -> None:
    scores = {"m00": 0.1, "m01": 0.9, "m02": 0.5, "m03": 0.7, "m04": 0.3}
    found = rounds(Halving(), names(5), 4, scores)
    assert [models for models, _ in found] == [tuple(names(5)), ("m01", "m03", "m02"), ("m01", "m03")]


def test_ties_keep_their_order() -> None:
    scores = dict.fromkeys(names(5), 0.5)
    assert [models for models, _ in rounds(Halving(), names(5), 4, scores)] == [
        ("m00", "m01", "m02", "m03", "m04"),
        ("m00", "m01", "m02"),
        ("m00", "m01"),
    ]
    assert ranked(["b", "a", "c"], {"a": 1, "b": 1, "c": 2}) == ["c", "b", "a"]


@given(st.integers(1, 60), st.integers(1, 40), st.integers(2, 5), st.integers(1, 6))
def test_halving_always_decides_something(models: int, batches: int, eta: int, k: int) -> None:
    found = rounds(Halving(eta=eta, k=k), names(models), batches)
    assert found[0][0] == tuple(names(models))
    assert found[-1][1] == batches
    for (left, amount), (fewer, more) in itertools.pairwise(found):
        assert amount < more <= eta * amount
        assert len(left) > len(fewer) > k or len(left) > len(fewer) >= 2
        assert set(fewer) < set(left)
    # The last round decides as well, unless there was nothing to decide at all.
    assert len(found[-1][0]) > k or len(found) == 1


@given(st.integers(1, 60), st.integers(1, 40))
def test_paper_halving_ends_on_all_data(models: int, batches: int) -> None:
    found = counts(PaperHalving(), models, batches)
    assert found[0][0] == models
    assert found[-1][1] == batches
    assert all(a < b for (_, a), (_, b) in itertools.pairwise(found))


@pytest.mark.parametrize(("eta", "k"), [(1, 1), (0, 1), (-2, 1), (2, 0), (2, -1)])
def test_settings_that_would_never_end_are_refused(eta: int, k: int) -> None:
    with pytest.raises(ConfigError, match=f"eta={eta} must be at least 2 and k={k} at least 1"):
        Halving(eta=eta, k=k)
