"""Where proxies are saturated or undefined they say so, and nowhere do they crash, warn or give no number."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from alsatian.errors import ConfigError
from alsatian.proxies.base import Evaluation, Proxy
from alsatian.proxies.gbc import Gbc
from alsatian.proxies.hscore import HScore
from alsatian.proxies.leep import Nleep
from alsatian.proxies.linear import Linear
from alsatian.proxies.logistic import Logistic
from alsatian.proxies.logme import LogMe
from alsatian.proxies.named import PROXIES
from alsatian.proxies.neighbours import Knn, NearestCentroid
from alsatian.proxies.parc import Parc
from alsatian.proxies.ridge import Ridge
from alsatian.proxies.transrate import TransRate
from tests.proxies.problems import Problem, blobs, numbers

VARIANTS: list[Proxy] = [
    *(kind() for name, kind in PROXIES.items() if name != "linear"),
    *(Linear(epochs=2), HScore(shrinkage=False), Gbc(covariance="spherical"), Parc(probe=20, exact=True)),
    *(Knn(metric="cosine"), Knn(k=1, leave_one_out=True), NearestCentroid(metric="cosine")),
]
each_proxy = pytest.mark.parametrize("proxy", VARIANTS, ids=str)


def halved(features: torch.Tensor) -> torch.Tensor:
    """A classifier of two classes, by the first feature."""
    answer = (features[:, :1] > 0).double()
    return 0.9 * torch.cat([answer, 1 - answer], dim=1) + 0.05


def score(proxy: Proxy, data: Problem) -> Evaluation:
    """What ``proxy`` says of ``data``; a warning is an error."""
    more = {"head": halved} if getattr(proxy, "needs_head", False) else {}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Evaluation.of(proxy.score(*data, **more))


def changed(data: Problem, change: Callable[[torch.Tensor], torch.Tensor]) -> Problem:
    return data._replace(train_x=change(data.train_x), test_x=change(data.test_x))


USUAL = blobs(40, 11, 6, 4, spread=2.0)
REGIMES = {
    "N < D": blobs(12, 7, 50, 4),
    "N = D": blobs(20, 7, 20, 4),
    "N - 1 = D": blobs(21, 7, 20, 4),
    "one item a class": blobs(4, 8, 6, 4),
    "one item a class, D = 1": blobs(4, 8, 1, 4),
    "two items, two classes": blobs(2, 4, 5, 2),
    "one item": blobs(1, 3, 5, 2),
    "C = 2": blobs(30, 10, 6, 2, spread=2.0),
    "D = 1": blobs(30, 10, 1, 3),
    "D = 2": blobs(30, 10, 2, 3),
    "a class missing in training": USUAL._replace(train_y=USUAL.train_y % 3),
    "the first class missing": USUAL._replace(train_y=USUAL.train_y % 3 + 1),
    "one class in training": USUAL._replace(train_y=torch.full((40,), 2)),
    "one item of a class": USUAL._replace(train_y=(torch.arange(40) == 7).long()),
    "constant features": changed(USUAL, lambda x: torch.cat([x, torch.full((len(x), 3), 0.1)], dim=1)),
    "equal features": changed(USUAL, lambda x: torch.full_like(x, 0.1)),
    "equal items of another test": USUAL._replace(train_x=torch.full_like(USUAL.train_x, 0.3)),
    "zeros": changed(USUAL, torch.zeros_like),
    "items twice": USUAL._replace(train_x=USUAL.train_x[:20].repeat(2, 1), train_y=USUAL.train_y[:20].repeat(2)),
    "features twice": changed(USUAL, lambda x: torch.cat([x, x], dim=1)),
    "huge": changed(USUAL, lambda x: x * 1e30),
    "tiny": changed(USUAL, lambda x: x * 1e-30),
    "denormal": changed(USUAL, lambda x: x * 1e-42),
    "the largest of float32": changed(USUAL, lambda x: x.sign() * torch.finfo(torch.float32).max),
    "huge offset": changed(USUAL, lambda x: x + 1e6),
    "one huge feature": changed(USUAL, lambda x: x * torch.tensor([1e30, 1, 1, 1, 1, 1])),
    "large": changed(USUAL, lambda x: x * 1e3),
    "small": changed(USUAL, lambda x: x * 1e-3),
    "apart": blobs(40, 11, 600, 4, spread=1e-6),
}


@each_proxy
@pytest.mark.parametrize("regime", REGIMES)
def test_there_is_always_a_number(proxy: Proxy, regime: str) -> None:
    found = score(proxy, REGIMES[regime])
    assert math.isfinite(found.score)
    assert found.outcomes is None or np.isfinite(found.outcomes).all()
    assert all(note and "\n" not in note for note in found.notes)


@pytest.mark.parametrize("proxy", [Ridge(), LogMe()], ids=str)
@pytest.mark.parametrize(
    "data",
    [
        numbers(12, 7, 50),
        numbers(1, 3, 4),
        numbers(20, 1, 4),
        changed(numbers(20, 5, 4), torch.zeros_like),
        changed(numbers(20, 5, 4), lambda x: x * 1e30),
        numbers(20, 5, 4)._replace(train_y=torch.full((20,), 3.5, dtype=torch.float64)),
        numbers(20, 5, 4)._replace(test_y=torch.full((5,), 3.5, dtype=torch.float64)),
        numbers(20, 5, 4)._replace(train_y=torch.zeros(20, dtype=torch.float64)),
    ],
    ids=["N < D", "one item", "one test item", "zeros", "huge", "equal labels", "equal test labels", "zero labels"],
)
def test_numbers_always_have_a_score(proxy: Proxy, data: Problem) -> None:
    assert math.isfinite(score(proxy, data).score)


NOTES: list[tuple[Proxy, str, str]] = [
    *(
        (proxy, "a class missing in training", "1 of 4 classes have no training item")
        for proxy in VARIANTS
        if proxy.name != "linear"
    ),
    (Linear(), "the largest of float32", "training diverged"),
    (Logistic(), "one class in training", "one class in training: it is predicted"),
    (Ridge(), "one class in training", "one class in training: it is predicted"),
    (Knn(), "one item a class", "4 neighbours vote, not 5"),
    (Knn(leave_one_out=True), "one item a class", "3 neighbours vote, not 5"),
    (Knn(leave_one_out=True), "one item", "undefined for one training item, taken as 0"),
    (LogMe(), "zeros", "all features are zero"),
    (LogMe(), "large", "the scale of the features counts: "),
    (Gbc(), "small", "most variances are below 0.0001 and taken as that: the scale counts"),
    (Gbc(covariance="spherical"), "small", "most variances are below 0.0001"),
    (HScore(), "equal features", "undefined for features that are all equal, taken as 0"),
    (HScore(), "one item a class", "every class has one training item"),
    (HScore(shrinkage=False), "N < D", "saturated at 3"),
    (HScore(shrinkage=False), "N = D", "saturated at 3"),
    (HScore(shrinkage=False), "N - 1 = D", "saturated at 3"),
    (TransRate(), "equal features", "all features are equal"),
    (Gbc(), "one class in training", "undefined for one class, taken as 0"),
    (Gbc(), "one item a class", "all variances are taken as 0.0001"),
    (Gbc(), "apart", "saturated"),
    (Nleep(), "N < D", "12 components for as many training items"),
    (Nleep(), "equal features", "undefined for features that are all equal"),
    (Parc(), "one item a class", "undefined where pairs of labels are all equal or all different"),
    (Parc(), "one class in training", "undefined where pairs of labels are all equal or all different"),
    (Parc(), "equal features", "undefined where no two items differ in their features, taken as 0"),
    (Parc(), "D = 1", "undefined where no two items differ in their features, taken as 0"),
]


@pytest.mark.parametrize(("proxy", "regime", "note"), NOTES, ids=str)
def test_a_regime_is_said_beside_the_number(proxy: Proxy, regime: str, note: str) -> None:
    assert any(note in said for said in score(proxy, REGIMES[regime]).notes)
    # Of usual data nothing is said.
    assert not score(proxy, blobs(400, 30, 6, 4, spread=2.0)).notes


def test_the_score_of_another_scale_is_what_the_note_says() -> None:
    """LogME as published has a floor, which squares of large features' weights do not reach."""
    unit = changed(USUAL, lambda x: x / USUAL.train_x.square().mean().sqrt())
    large = score(LogMe(), REGIMES["large"])
    expected = score(LogMe(), unit)
    assert large.score < expected.score - 0.01
    assert large.notes == (f"the scale of the features counts: {expected.score:.4f} if their mean square were 1",)


def test_equal_test_numbers_are_said() -> None:
    data = numbers(20, 5, 4)._replace(test_y=torch.full((5,), 3.5, dtype=torch.float64))
    assert score(Ridge(), data).notes == ("R² is undefined for test items with equal labels, taken as 0",)


def test_saturated_is_what_the_note_says() -> None:
    for regime in ("N < D", "N = D", "N - 1 = D"):
        plain, shrunk = (score(HScore(shrinkage=on), REGIMES[regime]).score for on in (False, True))
        assert plain == pytest.approx(3)
        assert shrunk < 2.9


def test_equal_features_are_one_component() -> None:
    counts = np.bincount(USUAL.train_y) / 40
    expected = float((counts * np.log(counts)).sum())
    assert score(Nleep(), REGIMES["equal features"]).score == pytest.approx(expected)


@each_proxy
def test_the_same_input_gives_the_same_score_on_any_number_of_threads(proxy: Proxy) -> None:
    data = blobs(150, 40, 70, 5, spread=3.0)
    copies = [part.clone() for part in data[:4]]
    states = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    once = score(proxy, data)
    np.random.seed(1)
    torch.manual_seed(1)
    with threadpool_limits(1):
        torch.set_num_threads(1)
        again = score(proxy, data)
        torch.set_num_threads(2)
    assert once.score == again.score
    assert np.array_equal(once.outcomes, again.outcomes) if once.outcomes is not None else again.outcomes is None
    assert all(torch.equal(part, copy) for part, copy in zip(data[:4], copies, strict=True))
    torch.random.set_rng_state(states[0])


@each_proxy
def test_the_global_random_state_is_left_alone(proxy: Proxy) -> None:
    before = torch.random.get_rng_state(), np.random.get_state()
    score(proxy, USUAL)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1][1])
    assert np.random.get_state()[2] == before[1][2]


@each_proxy
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.int64])
def test_features_of_any_type_are_read(proxy: Proxy, dtype: torch.dtype) -> None:
    rounded = changed(blobs(40, 11, 6, 4), lambda x: (10 * x).to(dtype))
    assert score(proxy, rounded).score == score(proxy, changed(rounded, torch.Tensor.float)).score


STATISTICS = [
    LogMe(),
    HScore(),
    TransRate(),
    Gbc(),
    Nleep(),
    Parc(),
    *(PROXIES[name]() for name in ("leep", "nce")),
]


@pytest.mark.parametrize("proxy", STATISTICS, ids=str)
def test_statistics_are_of_the_training_items(proxy: Proxy) -> None:
    other = USUAL._replace(test_x=USUAL.test_x + 1, test_y=USUAL.test_y * 0)
    assert score(proxy, other) == score(proxy, USUAL)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        *((Logistic, {"C": value}) for value in (0, -1.0, math.nan, math.inf)),
        (Logistic, {"iterations": 0}),
        *((Ridge, {"alpha": value}) for value in (0, -1.0, math.nan, math.inf)),
        (Knn, {"k": 0}),
        (Knn, {"metric": "l1"}),
        (NearestCentroid, {"metric": "L2"}),
        *((TransRate, {"epsilon": value}) for value in (0, math.nan)),
        (Gbc, {"covariance": "full"}),
        (Gbc, {"floor": 0}),
        (Nleep, {"components": 0}),
        (Nleep, {"variance": 1.0}),
        (Nleep, {"seed": -1}),
        (Parc, {"probe": 2}),
        (Parc, {"seed": -1}),
    ],
)
def test_settings_that_mean_nothing_are_refused_by_name(kind: Any, settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"proxy {kind.name}: .*{next(iter(settings))}"):
        kind(**settings)
