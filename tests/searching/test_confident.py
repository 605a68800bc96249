"""Halving that keeps what cannot be told from the cut: never fewer than halving, and always an end."""

import itertools
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alsatian.errors import ConfigError
from alsatian.searching.confident import Confident, p_value
from alsatian.searching.schedules import Halving, RoundScores

ITEMS = 40


def names(count: int) -> list[str]:
    return [f"m{i:02d}" for i in range(count)]


def scored(outcomes: dict[str, np.ndarray]) -> RoundScores:
    """Scores as a proxy gives them whose score is the mean of its outcomes."""
    scores = RoundScores({model: float(hits.mean()) for model, hits in outcomes.items()})
    scores.outcomes = outcomes
    return scores


def drawn(models: list[str], seed: int, hits: bool = True) -> dict[str, np.ndarray]:
    """Outcomes of models that are between hardly and certainly apart."""
    rng = np.random.default_rng(seed)
    hard = rng.random(ITEMS)
    skill = {model: rng.random() for model in models}
    if hits:
        return {m: (skill[m] > hard * rng.uniform(0.7, 1.3, ITEMS)).astype(float) for m in models}
    return {m: skill[m] - hard + 0.2 * rng.normal(size=ITEMS) for m in models}


def rounds(schedule: Halving, outcomes: dict[str, np.ndarray], batches: int) -> list[tuple[tuple[str, ...], int]]:
    """All rounds, in which every model has the same outcomes, as (models, training items)."""
    running = schedule.rounds(list(outcomes), batches)
    found, upcoming = [], next(running)
    while True:
        found.append((upcoming.models, upcoming.train_items))
        try:
            upcoming = running.send(scored({model: outcomes[model] for model in upcoming.models}))
        except StopIteration:
            return found


def hits(*right: int, items: int = ITEMS) -> np.ndarray:
    """1 at the items ``right``, 0 elsewhere."""
    found = np.zeros(items)
    found[list(right)] = 1
    return found


@pytest.mark.parametrize(("ours", "theirs"), [(0, 0), (1, 0), (3, 3), (5, 1), (0, 6), (9, 2), (20, 5)])
def test_hits_are_compared_by_mcnemar_s_exact_test(ours: int, theirs: int) -> None:
    """By its definition; items where both are right or both wrong do not count."""
    both = [30, 31, 32]
    a = hits(*both, *range(ours))
    b = hits(*both, *range(ours, ours + theirs))
    n = ours + theirs
    tail = sum(comb(n, i) for i in range(min(ours, theirs) + 1)) / 2**n
    assert p_value(a, b) == pytest.approx(min(1, 2 * tail), rel=1e-12)
    assert p_value(a, b) == p_value(b, a)


def test_other_outcomes_are_compared_by_the_paired_t_test() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, ITEMS))
    assert p_value(a, b + 0.3) == pytest.approx(stats.ttest_rel(a, b + 0.3).pvalue, rel=1e-9)
    assert p_value(a, a) == 1
    assert p_value(np.array([0.3]), np.array([0.1])) == 1
    assert p_value(np.array([0.75, 0.5, 1.25]), np.array([0.25, 0.0, 0.75])) == 0


@given(st.integers(2, 24), st.integers(0, 500), st.floats(0, 1), st.integers(1, 3), st.booleans())
def test_what_halving_keeps_stays(models: int, seed: int, level: float, count: int, of_hits: bool) -> None:
    count = min(count, models)
    scores = scored(drawn(names(models), seed, of_hits))
    best = Halving().survivors(names(models), scores, count)
    kept = Confident(level=level).survivors(names(models), scores, count)
    assert kept[:count] == best
    assert len(set(kept)) == len(kept)
    cut = scores.outcomes[best[-1]]
    for model in set(names(models)) - set(best):
        assert (model in kept) == (p_value(cut, scores.outcomes[model]) > level)


@given(st.integers(2, 24), st.integers(1, 40), st.integers(0, 500), st.floats(0, 1), st.floats(0, 1))
def test_a_lower_level_keeps_more(models: int, batches: int, seed: int, one: float, other: float) -> None:
    outcomes = drawn(names(models), seed)
    bold, careful = (
        rounds(Confident(level=level), outcomes, batches) for level in (max(one, other), min(one, other))
    )
    assert [amount for _, amount in bold] == [amount for _, amount in careful]
    for (few, _), (many, _) in zip(bold, careful, strict=True):
        assert set(few) <= set(many)


@given(st.integers(1, 24), st.integers(1, 40), st.integers(0, 500))
def test_the_limits_of_level_are_halving_and_dropping_nothing(models: int, batches: int, seed: int) -> None:
    outcomes = drawn(names(models), seed)
    halving = rounds(Halving(), outcomes, batches)
    assert rounds(Confident(level=1), outcomes, batches) == halving
    everything = rounds(Confident(level=0), outcomes, batches)
    assert [(set(left), amount) for left, amount in everything] == [(set(outcomes), a) for _, a in halving]


@given(st.integers(1, 24), st.integers(1, 40), st.integers(2, 4), st.integers(1, 3), st.floats(0, 1))
def test_identical_models_come_to_an_end(models: int, batches: int, eta: int, k: int, level: float) -> None:
    """Forever tied: the data grow until the last round, which sees all."""
    outcomes = dict.fromkeys(names(models), hits(1, 2, 3))
    found = rounds(Confident(eta, k, level), outcomes, batches)
    assert found[-1][1] == batches
    assert all(a < b for (_, a), (_, b) in itertools.pairwise(found))
    assert level == 1 or {len(left) for left, _ in found} == {models}


@given(st.integers(1, 24), st.integers(1, 40), st.integers(0, 500))
def test_models_never_come_back(models: int, batches: int, seed: int) -> None:
    found = rounds(Confident(level=0.3), drawn(names(models), seed), batches)
    for (left, amount), (fewer, more) in itertools.pairwise(found):
        assert set(fewer) <= set(left)
        assert amount < more


@pytest.mark.parametrize("with_outcomes", [(), ("m00",), ("m02", "m03"), ("m01",)])
def test_without_outcomes_it_is_halving(with_outcomes: tuple[str, ...]) -> None:
    """Of all models, of the cut (m01), and of the others; a failed model scores -inf and has none either."""
    scores = RoundScores({"m00": 0.4, "m01": 0.3, "m02": 0.3, "m03": -np.inf})
    scores.outcomes = {model: hits(1, 2) for model in with_outcomes}
    assert Confident().survivors(names(4), scores, 2) == ["m00", "m01"]
    assert Confident().survivors(names(4), dict(scores), 2) == ["m00", "m01"]


def test_what_certainly_differs_is_dropped_and_the_rest_is_kept() -> None:
    scores = scored({"good": hits(*range(30)), "cut": hits(*range(20)), "near": hits(*range(18)), "bad": hits(0)})
    assert Confident().survivors(list(scores), scores, 2) == ["good", "cut", "near"]


@pytest.mark.parametrize("level", [-0.1, 1.1, float("nan")])
def test_levels_that_are_no_probabilities(level: float) -> None:
    with pytest.raises(ConfigError, match=f"level={level} must lie between 0 and 1"):
        Confident(level=level)


def test_settings_of_halving_are_checked_as_well() -> None:
    with pytest.raises(ConfigError, match="eta=1 must be at least 2"):
        Confident(eta=1)


def test_it_is_on_the_menu() -> None:
    from experiments.configuration.composition import cells
    from experiments.configuration.setup import Parts

    (cell,) = cells(["schedule=confident", "schedule.level=0.1", "scale=ci"])
    assert Parts().setup(cell.config).strategy.schedule == Confident(level=0.1)
