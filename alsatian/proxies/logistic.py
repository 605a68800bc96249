"""Logistic regression: how well do the classes separate linearly, whatever the scale of the features?"""

import math
import warnings
from dataclasses import dataclass
from typing import ClassVar

import torch

from alsatian.errors import ConfigError
from alsatian.proxies.arrays import array, classes_of, hits, one_thread, standardised
from alsatian.proxies.base import Evaluation


@dataclass(frozen=True)
class Logistic:
    """Test accuracy of L2-regularised logistic regression on features that are standardised on the training items.

    As scikit-learn's LogisticRegression (lbfgs, from zero, in float64). Shifts and scales of features do not
    matter, nor do the names of classes.

    Attributes:
        C: inverse strength of the regularisation, as in scikit-learn.
        iterations: lbfgs makes at most.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, one item a class       defined: the regularisation chooses among separating planes
    a class without items         is never predicted; a note
    one class                     that class is predicted; a note
    constant features             count for nothing
    lbfgs does not converge       of the last iterate; a note
    ============================  ===========================================================
    """

    C: float = 1.0
    iterations: int = 1000
    name: ClassVar[str] = "logistic"
    libraries: ClassVar[tuple[str, ...]] = ("sklearn.linear_model",)

    def __post_init__(self) -> None:
        if not 0 < self.C < math.inf or self.iterations < 1:
            raise ConfigError("proxy logistic: C and iterations must be positive")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Accuracy on the test items, in [0, 1]. See :class:`~alsatian.proxies.base.Proxy`."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        present, labels, notes = classes_of(train_y, classes)
        if len(present) == 1:
            return hits(present.repeat(len(test_y)), test_y, (*notes, "one class in training: it is predicted"))
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said as a note
            train, test = standardised(array(train_x), array(test_x))
            model = LogisticRegression(C=self.C, max_iter=self.iterations).fit(train, labels)
            predicted = present[model.predict(test)]
        if model.n_iter_[0] >= self.iterations:
            notes = (*notes, f"lbfgs did not converge in {self.iterations} iterations")
        return hits(predicted, test_y, notes)
