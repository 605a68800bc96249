"""The published linear proxy compares scales where models' features differ in scale, and a line says so."""

import pytest
import torch

from alsatian.proxies.base import Proxy
from alsatian.proxies.hscore import HScore
from alsatian.proxies.linear import Linear
from alsatian.proxies.logistic import Logistic
from alsatian.proxies.named import PROXIES
from alsatian.proxies.neighbours import Knn, NearestCentroid
from alsatian.proxies.parc import Parc
from alsatian.proxies.ridge import Ridge
from alsatian.proxies.scales import DEPENDENT, median_norm, scale_warning
from alsatian.proxies.transrate import TransRate
from tests.proxies.problems import blobs

DATA = blobs(200, 200, 32, 8, spread=1.5)
SMALL = DATA._replace(train_x=DATA.train_x * 0.01, test_x=DATA.test_x * 0.01)


def test_the_linear_layer_hardly_learns_small_features() -> None:
    usual, small = (Linear(epochs=30).score(*data).score for data in (DATA, SMALL))
    assert usual > 0.8
    assert small < usual - 0.2


@pytest.mark.parametrize(
    "proxy", [Logistic(), Ridge(), Knn(), NearestCentroid(), HScore(), Parc(exact=True)], ids=str
)
def test_the_scale_does_not_matter_to_others(proxy: Proxy) -> None:
    assert proxy.score(*SMALL).score == pytest.approx(proxy.score(*DATA).score, rel=1e-5)


def test_it_does_to_the_rate_of_a_code() -> None:
    assert TransRate().score(*SMALL).score != pytest.approx(TransRate().score(*DATA).score, rel=0.1)
    assert TransRate.name in DEPENDENT


def test_those_that_are_listed_exist() -> None:
    assert set(DEPENDENT) <= set(PROXIES)


def test_the_norm_is_that_of_the_middle_row() -> None:
    assert median_norm(torch.tensor([[3.0, 4.0], [0.0, 1.0], [1e3, 1e3]])) == 5.0
    assert median_norm(DATA.train_x) == pytest.approx(100 * median_norm(SMALL.train_x), rel=1e-6)
    assert median_norm(torch.full((3, 4), 3e38)) == pytest.approx(6e38)  # in float32 infinite


def test_another_scale_is_said_in_one_line() -> None:
    norms = {"a": 2.0, "b": 20.0, "c": 4.0}
    line = scale_warning([Linear(), Logistic()], norms)
    assert line == (
        "proxy=linear depends on the scale of features, and 'b' has 10 times the scale of 'a': use proxy=logistic, "
        "or compare models of one family"
    )


@pytest.mark.parametrize(
    ("proxies", "norms"),
    [
        ([Linear()], {"a": 2.0, "b": 5.9}),
        ([Linear()], {"a": 2.0}),
        ([Linear()], {}),
        ([Linear()], {"a": 0.0, "b": 1.0}),
        ([Linear()], {"a": float("nan"), "b": float("inf"), "c": 1.0}),
        ([Logistic(), Knn()], {"a": 2.0, "b": 2000.0}),
        ([], {"a": 2.0, "b": 2000.0}),
    ],
)
def test_otherwise_nothing_is_said(proxies: list[Proxy], norms: dict[str, float]) -> None:
    assert scale_warning(proxies, norms) is None


def test_models_of_a_family_are_within_the_factor() -> None:
    assert scale_warning([Linear()], {"a": 1.0, "b": 3.0}) is None
    assert scale_warning([Linear()], {"a": 1.0, "b": 3.1}) is not None
