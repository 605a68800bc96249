"""Statistics of features against their definitions, written down with dense matrices and plain loops."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, spearmanr
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture

from alsatian.errors import ConfigError
from alsatian.proxies.base import Proxy
from alsatian.proxies.gbc import Gbc
from alsatian.proxies.hscore import HScore
from alsatian.proxies.leep import Leep, Nce, Nleep, leep
from alsatian.proxies.logme import LogMe
from alsatian.proxies.parc import Parc
from alsatian.proxies.transrate import TransRate
from tests.proxies.problems import Problem, blobs, numbers

Definition = Callable[[np.ndarray, np.ndarray, int], float]


def evidence(f: np.ndarray, y: np.ndarray) -> float:
    """The log density of labels under their Gaussian, y ~ N(0, I/β + ffᵀ/α), at its largest in α and β as the fixed
    point finds it with matrices of D×D."""
    items, dimension = f.shape
    alpha = beta = 1.0
    for _ in range(11):
        t = alpha / beta
        inverse = np.linalg.inv(t * np.eye(dimension) + f.T @ f)
        mean = inverse @ f.T @ y
        gamma = np.trace(inverse @ f.T @ f)
        alpha = gamma / (mean @ mean + 1e-5)
        beta = (items - gamma) / (((f @ mean - y) ** 2).sum() + 1e-5)
        if abs(alpha / beta - t) <= 1e-3 * t:
            break
    log_determinant = np.linalg.slogdet(alpha * np.eye(dimension) + beta * f.T @ f)[1]
    squares = beta * ((f @ mean - y) ** 2).sum() + alpha * mean @ mean
    logs = dimension * math.log(alpha) + items * math.log(beta / (2 * math.pi))
    return (logs - log_determinant - squares) / 2 / items


def logme(f: np.ndarray, y: np.ndarray, classes: int) -> float:
    return float(np.mean([evidence(f, (y == c).astype(float)) for c in range(classes)]))


def h_score(f: np.ndarray, y: np.ndarray, classes: int) -> float:
    means = np.stack([f[y == c].mean(axis=0) for c in range(classes)])[y]
    return float(np.trace(np.linalg.pinv(np.cov(f.T)) @ np.cov(means.T)))


def shrunk_h_score(f: np.ndarray, y: np.ndarray, classes: int) -> float:
    means = np.stack([f[y == c].mean(axis=0) for c in range(classes)])[y]
    covariance, shrinkage = ledoit_wolf(f - f.mean(axis=0), assume_centered=True)
    return float((1 - shrinkage) * np.trace(np.linalg.solve(covariance, np.cov(means.T))))


def transrate(f: np.ndarray, y: np.ndarray, classes: int) -> float:
    def rate(x: np.ndarray) -> float:
        return float(np.linalg.slogdet(np.eye(x.shape[1]) + x.T @ x / (len(x) * 1e-4))[1]) / 2

    f = f - f.mean(axis=0)
    return rate(f) - sum(rate(f[y == c]) for c in range(classes)) / classes


def gbc(spherical: bool) -> Definition:
    def coefficient(f: np.ndarray, y: np.ndarray, classes: int) -> float:
        total = 0.0
        for i in range(classes):
            for j in range(classes):
                a, b = (np.maximum(f[y == c].var(axis=0), 1e-4) for c in (i, j))
                a, b = ((np.full_like(v, v.mean()) if spherical else v) for v in (a, b))
                pooled, apart = (a + b) / 2, f[y == i].mean(axis=0) - f[y == j].mean(axis=0)
                distance = (apart**2 / pooled).sum() / 8 + np.log(pooled / np.sqrt(a * b)).sum() / 2
                total -= math.exp(-distance) if i != j else 0
        return total

    return coefficient


def parc(f: np.ndarray, y: np.ndarray, classes: int) -> float:
    f = (f - f.mean(axis=0)) / f.std(axis=0)
    pairs = [(i, j) for i in range(len(y)) for j in range(i)]
    apart = [1 - np.corrcoef(f[i], f[j])[0, 1] for i, j in pairs]
    return 100 * float(spearmanr(apart, [y[i] != y[j] for i, j in pairs]).statistic)


def nleep(f: np.ndarray, y: np.ndarray, classes: int) -> float:
    f = f - f.mean(axis=0)
    reduced = PCA(0.8, svd_solver="full").fit_transform(f / np.abs(f).max())
    reduced /= reduced.std()
    return looped_leep(GaussianMixture(5 * classes, random_state=0).fit(reduced).predict_proba(reduced), y)


def looped_leep(theta: np.ndarray, y: np.ndarray) -> float:
    total = 0.0
    for i, label in enumerate(y):
        likelihood = 0.0
        for z in range(theta.shape[1]):
            likelihood += theta[y == label, z].sum() / theta[:, z].sum() * theta[i, z]
        total += math.log(likelihood)
    return total / len(y)


@pytest.mark.parametrize("shape", [(60, 8, 4), (40, 60, 3), (30, 30, 2)], ids=["N>D", "N<D", "N=D"])
@pytest.mark.parametrize(
    ("proxy", "definition"),
    [
        (LogMe(), logme),
        (HScore(), shrunk_h_score),
        (HScore(shrinkage=False), h_score),
        (TransRate(), transrate),
        (Gbc(), gbc(False)),
        (Gbc(covariance="spherical"), gbc(True)),
        (Parc(exact=True), parc),
        (Nleep(), nleep),
    ],
    ids=lambda value: "" if callable(value) and not hasattr(value, "score") else str(value),
)
def test_scores_are_what_definitions_say(proxy: Proxy, definition: Definition, shape: tuple[int, int, int]) -> None:
    items, dimension, classes = shape
    data = blobs(items, 10, dimension, classes, spread=4.0)
    expected = definition(data.train_x.double().numpy(), data.train_y.numpy(), classes)
    assert proxy.score(*data).score == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("shape", [(60, 8), (40, 90)], ids=["N>D", "N<D"])
def test_logme_of_numbers_is_one_evidence(shape: tuple[int, int]) -> None:
    data = numbers(shape[0], 10, shape[1])
    expected = evidence(data.train_x.double().numpy(), data.train_y.numpy())
    assert LogMe().score(*data).score == pytest.approx(expected, rel=1e-6)


def test_the_evidence_is_a_density_of_the_labels() -> None:
    """With N < D the published code is wrong by about D ln α; the density says which is right. α and β at the
    fixed point's end are near their optimum, so that no other pair near them is much better."""
    data = blobs(50, 10, 200, 3, spread=4.0)
    f, y = data.train_x.double().numpy(), (data.train_y == 0).double().numpy()
    gram = f @ f.T
    best = max(
        multivariate_normal(cov=np.eye(50) / beta + gram / alpha).logpdf(y) / 50
        for beta in np.geomspace(1, 1e5, 30)
        for alpha in np.geomspace(1e2, 1e7, 30)
    )
    assert evidence(f, y) == pytest.approx(best, abs=0.02)


def test_a_shrunk_h_score_is_of_the_shrunk_covariance() -> None:
    from sklearn.covariance import ledoit_wolf

    data = blobs(40, 10, 60, 3, spread=4.0)
    f, y = data.train_x.double().numpy(), data.train_y.numpy()
    f = f - f.mean(axis=0)
    covariance, shrinkage = ledoit_wolf(f)
    means = np.stack([f[y == c].mean(axis=0) for c in range(3)])[y]
    expected = (1 - shrinkage) * np.trace(np.linalg.inv(covariance) @ np.cov(means.T))
    assert HScore().score(*data).score == pytest.approx(expected, rel=1e-9)


def head(width: int, outputs: int) -> Callable[[torch.Tensor], torch.Tensor]:
    weight = torch.randn(outputs, width, generator=torch.Generator().manual_seed(1))
    return lambda features: torch.softmax(features @ weight.T, dim=1)


@pytest.mark.parametrize("outputs", [2, 7, 40])
def test_leep_and_nce_are_what_definitions_say(outputs: int) -> None:
    data, source = blobs(60, 10, 8, 4, spread=2.0), head(8, outputs)
    theta, y = source(data.train_x).double().numpy(), data.train_y.numpy()
    assert Leep().score(*data, head=source).score == pytest.approx(looped_leep(theta, y), rel=1e-9)
    answers = theta.argmax(axis=1)
    entropy = 0.0
    for label, answer in zip(y, answers, strict=True):
        entropy -= math.log(np.mean(y[answers == answer] == label)) / len(y)
    assert Nce().score(*data, head=source).score == pytest.approx(-entropy, rel=1e-9)


def test_a_perfect_source_scores_0_and_a_random_one_like_the_labels_alone() -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(5, size=4000)
    assert leep(np.eye(5)[y], y) == 0
    assert leep(np.eye(5)[(y + 2) % 5], y) == 0  # whatever its classes are called
    assert leep(generator.dirichlet(np.ones(7), size=4000), y) == pytest.approx(math.log(1 / 5), abs=0.01)
    assert leep(np.full((4000, 3), 1 / 3), np.arange(4000) % 4) == pytest.approx(math.log(1 / 4))


@pytest.mark.parametrize("proxy", [Leep(), Nce()], ids=str)
def test_a_missing_head_is_refused(proxy: Proxy) -> None:
    with pytest.raises(ConfigError, match=f"proxy {proxy.name}: needs the model's own classifier"):
        proxy.score(*blobs(20, 5, 4, 3))


@pytest.mark.parametrize("proxy", [HScore(), HScore(shrinkage=False), Gbc(), LogMe(), Parc(), Nleep()], ids=str)
def test_classes_that_are_easier_to_tell_apart_score_higher(proxy: Proxy) -> None:
    scores = [proxy.score(*blobs(120, 10, 6, 3, spread=spread)).score for spread in (0.5, 1.5, 6.0)]
    assert scores[0] > scores[1] > scores[2]


@pytest.mark.parametrize("spread", [0.01, 1.0, 100.0])
@pytest.mark.parametrize("shape", [(12, 3), (40, 3), (30, 50)], ids=str)
def test_scores_stay_within_their_bounds(shape: tuple[int, int], spread: float) -> None:
    data = blobs(shape[0], 5, shape[1], 4, spread=spread)
    assert 0 <= HScore(shrinkage=False).score(*data).score <= 3 + 1e-9
    assert 0 <= HScore().score(*data).score <= 3 * shape[0] / (shape[0] - 1)
    assert -12 < Gbc().score(*data).score <= 0
    assert -100 <= Parc().score(*data).score <= 100
    assert -math.log(4) - 1e-9 <= Nleep().score(*data).score <= 0
    assert -math.log(4) - 1e-9 <= Nce().score(*data, head=head(shape[1], 6)).score <= 0


def test_parc_probes_items_whatever_the_features() -> None:
    data = blobs(300, 5, 6, 3)
    few = Parc(probe=100, exact=True)
    drawn = np.sort(np.random.default_rng(0).permutation(300)[:100])
    chosen = Problem(data.train_x[drawn], data.train_y[drawn], data.test_x, data.test_y, 3)
    assert few.score(*data) == few.score(*chosen) != Parc(exact=True).score(*data)
    assert Parc(probe=100, seed=1).score(*data) != Parc(probe=100).score(*data)
