"""Proxies that train are what scikit-learn's classifiers are, and count their hits."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.linear_model import Ridge as Regression
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neighbors import NearestCentroid as Centroids
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from alsatian.proxies.base import Proxy
from alsatian.proxies.linear import Linear
from alsatian.proxies.logistic import Logistic
from alsatian.proxies.neighbours import Knn, NearestCentroid
from alsatian.proxies.ridge import Ridge
from tests.proxies.problems import Problem, blobs, halves, numbers

CASES = [
    (Logistic(), lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))),
    (Logistic(C=0.001), lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.001, max_iter=1000))),
    (Ridge(), lambda: make_pipeline(StandardScaler(), RidgeClassifier())),
    (Ridge(alpha=1000.0), lambda: make_pipeline(StandardScaler(), RidgeClassifier(alpha=1000))),
    (Knn(k=1), lambda: KNeighborsClassifier(1)),
    (Knn(k=1, metric="cosine"), lambda: KNeighborsClassifier(1, metric="cosine")),
    (NearestCentroid(), Centroids),
]
TRAINED = [Linear(epochs=3), Logistic(), Ridge(), Knn(), Knn(leave_one_out=True), NearestCentroid()]


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # of the reference
@pytest.mark.parametrize("data", [halves("digits"), halves("iris")], ids=["digits", "iris"])
@pytest.mark.parametrize(("proxy", "reference"), CASES, ids=[str(proxy) for proxy, _ in CASES])
def test_answers_are_those_of_scikit_learn(proxy: Proxy, reference: Any, data: Problem) -> None:
    train_x, train_y, test_x, test_y = (part.numpy() for part in data[:4])
    expected = reference().fit(train_x, train_y).predict(test_x) == test_y
    found = proxy.score(*data)
    assert found.outcomes.tolist() == expected.tolist()
    assert found.score == expected.mean() < 1


def test_the_settings_matter() -> None:
    """Or the comparison above would not tell anything about them."""
    data = blobs(80, 200, 6, 4, spread=3.0)
    variants = [Logistic(), Logistic(C=0.001), Ridge(alpha=1e4), *(Knn(k=k) for k in (1, 7))]
    variants += [Knn(k=7, metric="cosine"), NearestCentroid(), NearestCentroid(metric="cosine")]
    assert len({proxy.score(*data).score for proxy in variants}) >= len(variants) - 1


def test_equal_votes_go_to_the_class_of_the_nearest_item() -> None:
    train_x = torch.tensor([[1.0], [2.0], [3.0], [4.0]])
    for labels in ([2, 0, 0, 2], [0, 2, 2, 0]):  # whatever the classes are called
        train_y = torch.tensor(labels)
        found = Knn(k=4).score(train_x, train_y, torch.zeros(1, 1), train_y[:1], 3)
        assert found.score == 1


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_who_is_left_out_does_not_vote(metric: str) -> None:
    data = blobs(31, 5, 6, 3, spread=2.0)
    hits = []
    for left in range(31):
        others = [i for i in range(31) if i != left]
        one = Problem(data.train_x[others], data.train_y[others], data.train_x[[left]], data.train_y[[left]], 3)
        hits.append(Knn(k=3, metric=metric).score(*one).score)
    found = Knn(k=3, metric=metric, leave_one_out=True).score(*data)
    assert found.outcomes.tolist() == hits
    assert 0 < found.score < 1


@pytest.mark.parametrize("shape", [(80, 10), (30, 60)], ids=["N>D", "N<D"])
def test_numbers_are_scored_by_the_share_of_variance_explained(shape: tuple[int, int]) -> None:
    data = numbers(shape[0], 40, shape[1])
    model = make_pipeline(StandardScaler(), Regression()).fit(data.train_x.double(), data.train_y)
    expected = r2_score(data.test_y, model.predict(data.test_x.double()))
    found = Ridge().score(*data)
    assert found.score == pytest.approx(expected, rel=1e-9)
    assert found.outcomes.shape == (40,)
    assert found.score == found.outcomes.mean()


def test_the_unit_and_the_origin_of_numbers_do_not_matter() -> None:
    data = numbers(50, 30, 8)
    once = Ridge().score(*data).score
    for factor, offset in ((1e-150, 0.0), (1e150, 0.0), (3.0, 1e6)):
        other = data._replace(train_y=data.train_y * factor + offset, test_y=data.test_y * factor + offset)
        assert Ridge().score(*other).score == pytest.approx(once, rel=1e-6)


@pytest.mark.parametrize("proxy", TRAINED, ids=str)
def test_the_score_is_the_mean_of_what_items_add(proxy: Proxy) -> None:
    data = blobs(60, 33, 6, 4, spread=2.0)
    found = proxy.score(*data)
    items = 60 if getattr(proxy, "leave_one_out", False) else 33
    assert found.outcomes.shape == (items,)
    assert found.outcomes.dtype == np.float64
    assert set(found.outcomes) == {0.0, 1.0}
    assert found.score == found.outcomes.mean() == found.outcomes.sum() / items
    assert found.standard_error == pytest.approx((found.score * (1 - found.score) / items) ** 0.5)


@pytest.mark.parametrize("proxy", [Logistic(), Ridge(), Knn(), NearestCentroid()], ids=str)
def test_the_names_of_classes_do_not_matter(proxy: Proxy) -> None:
    data = halves("digits")
    renamed = data._replace(train_y=(data.train_y * 7 + 3) % 10, test_y=(data.test_y * 7 + 3) % 10)
    assert proxy.score(*renamed).score == proxy.score(*data).score


def test_iterations_that_do_not_suffice_are_said() -> None:
    assert Logistic(iterations=2).score(*halves("digits")).notes == ("lbfgs did not converge in 2 iterations",)
    assert Logistic().score(*halves("digits")).notes == ()
