"""Ridge regression, of classes and of numbers."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.errors import ConfigError
from alsatian.proxies.arrays import array, classes_of, hits, one_thread, standardised
from alsatian.proxies.base import Evaluation


@dataclass(frozen=True)
class Ridge:
    """Least squares with an L2 penalty on features that are standardised on the training items.

    For classes: the test accuracy of one regression a class on labels of ±1, the largest value is predicted, as
    scikit-learn's RidgeClassifier. For numbers: R² on the test items, 1 − Σ(y − ŷ)² / Σ(y − ȳ)², at most 1 and
    without a lower bound; it is the mean of 1 − (y − ŷ)² / var(y), which are the outcomes.

    Attributes:
        alpha: strength of the penalty, as in scikit-learn.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, one item a class       defined, by the penalty
    a class without items         is never predicted; a note
    one class                     that class is predicted; a note
    constant features             count for nothing
    test numbers all equal        R² is undefined, taken as 0; a note
    ============================  ===========================================================
    """

    alpha: float = 1.0
    name: ClassVar[str] = "ridge"
    libraries: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)
    regression: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.alpha < math.inf:
            raise ConfigError("proxy ridge: alpha must be positive")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Accuracy, or R² if ``classes`` is 0. See :class:`~alsatian.proxies.base.Proxy`."""
        if not classes:
            return self._explained(array(train_x), array(train_y), array(test_x), array(test_y))
        present, labels, notes = classes_of(train_y, classes)
        if len(present) == 1:
            return hits(present.repeat(len(test_y)), test_y, (*notes, "one class in training: it is predicted"))
        values = self._predicted(array(train_x), 2 * np.eye(len(present))[labels] - 1, array(test_x))
        return hits(present[values.argmax(axis=1)], test_y, notes)

    def _predicted(self, train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
        from sklearn.linear_model import Ridge as Regression

        with one_thread():
            train, test = standardised(train, test)
            predicted: np.ndarray = Regression(alpha=self.alpha).fit(train, labels).predict(test)
        return predicted

    def _explained(self, train: np.ndarray, labels: np.ndarray, test: np.ndarray, actual: np.ndarray) -> Evaluation:
        if np.ptp(actual) == 0:
            note = "R² is undefined for test items with equal labels, taken as 0"
            return Evaluation(0.0, np.zeros(len(actual)), (note,))
        # In units of their spread: squares of large numbers would overflow.
        offset, unit = actual.mean(), actual.std()
        residual = (actual - offset) / unit - self._predicted(train, (labels - offset) / unit, test)
        outcomes = 1 - residual**2
        return Evaluation(float(outcomes.mean()), outcomes)
