"""LogME: the evidence that labels are a linear function of the features."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.proxies.arrays import array, classes_of, one_thread, spectrum
from alsatian.proxies.base import Evaluation

_ITERATIONS, _TOLERANCE, _FLOOR = 11, 1e-3, 1e-5
# Nats by item: less than this between features of one scale and of another is no difference.
_SAME = 1e-3


@dataclass(frozen=True)
class LogMe:
    """Logarithm of the maximum evidence of Bayesian linear regression, by item (You et al., ICML 2021, JMLR 2022).

    One regression a class on one-hot labels, whose evidences are averaged; for numbers, one on the labels as they
    are. There is no intercept. Of a round, the training items count; test items are not used.

    ln|A|, A = αI + βfᵀf of size D, is (D − k) ln α + Σ ln(α + βσ) for features f of rank k. The published code
    leaves (D − k) ln α out where N < D, and its scores in early rounds are too high by about that; these are right.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, one item a class       defined
    C = 2                         the mean of both classes' evidences
    a class without items         has no evidence and is left out; a note
    constant features             count as an intercept
    features all zero             the evidence of noise alone; a note
    very large or small features  as published: a floor of 1e-5 makes their scale count; a note
    ============================  ===========================================================
    """

    name: ClassVar[str] = "logme"
    regression: ClassVar[bool] = True

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Evidence by item in nats, without bounds. See :class:`~alsatian.proxies.base.Proxy`."""
        notes: tuple[str, ...] = ()
        if classes:
            present, places, notes = classes_of(train_y, classes)
            columns = np.eye(len(present))[places].T
        else:
            columns = array(train_y)[None]
        with one_thread():
            left, values = spectrum(array(train_x))
            sigma = values**2
            evidences = [_evidence(left.T @ column, sigma, column) for column in columns]
            unit = sigma * (train_x.numel() / sigma.sum()) if len(values) else sigma
            scaled = float(np.mean([_evidence(left.T @ column, unit, column) for column in columns])) / len(train_y)
        score = float(np.mean(evidences)) / len(train_y)
        if not len(values):
            notes = (*notes, "all features are zero: the evidence is that of noise alone")
        elif abs(score - scaled) > _SAME:
            notes = (*notes, f"the scale of the features counts: {scaled:.4f} if their mean square were 1")
        return Evaluation(score, notes=notes)


def _evidence(x: np.ndarray, sigma: np.ndarray, labels: np.ndarray) -> float:
    """Maximum log evidence of ``labels`` (N,), whose coordinates along the left singular vectors are ``x`` (k,);
    ``sigma`` (k,) are the squared singular values of the features."""
    items, rank = len(labels), len(sigma)
    rest = max(float(labels @ labels - x @ x), 0.0)
    t, alpha, beta = 1.0, 1.0, 1.0
    norm, residual = 0.0, rest
    for _ in range(_ITERATIONS):
        share, free = sigma / (sigma + t), t / (sigma + t)
        norm = float((share * x**2 / (sigma + t)).sum())
        residual = float((free**2 * x**2).sum()) + rest
        alpha = float(share.sum()) / (norm + _FLOOR)
        # N − γ as a sum without cancellation: at k = N it is tiny, and its logarithm counts.
        beta = (items - rank + float(free.sum())) / (residual + _FLOOR)
        before, t = t, alpha / beta
        if abs(t - before) <= _TOLERANCE * before:
            break
    log_determinant = float(np.log(alpha + beta * sigma).sum())
    # D/2 ln α of the prior less (D − k)/2 ln α of ln|A|; without features α is 0 and does not count.
    prior = rank / 2 * np.log(alpha) if rank else 0.0
    noise = items / 2 * (np.log(beta) - np.log(2 * np.pi))
    return float(prior + noise - (log_determinant + beta * residual + alpha * norm) / 2)
