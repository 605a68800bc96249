"""LEEP and NCE, of the classes that a model was trained for, and N-LEEP, of clusters in their place."""

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.errors import ConfigError
from alsatian.proxies.arrays import array, centred, classes_of, one_thread, one_torch_thread
from alsatian.proxies.base import Evaluation, Head

_TINY = np.finfo(np.float64).tiny


def leep(probabilities: np.ndarray, places: np.ndarray) -> float:
    """Mean of log Σ P(y|z) θ_z over the items, with θ (N, Z) and classes (N,)."""
    joint = np.stack([probabilities[places == place].sum(axis=0) for place in range(places.max() + 1)])
    given = joint / np.maximum(joint.sum(axis=0), _TINY)
    expected = (probabilities * given[places]).sum(axis=1)
    # Rounding may add up to more than one, and the smallest number stands for none.
    return float(np.log(np.clip(expected, _TINY, 1.0)).mean())


def _probabilities(proxy: str, features: torch.Tensor, head: Head | None) -> np.ndarray:
    if head is None:
        raise ConfigError(f"proxy {proxy}: needs the model's own classifier, which is not given")
    with torch.no_grad(), one_torch_thread():
        return array(head(features.cpu()))


@dataclass(frozen=True)
class Leep:
    """Expected log likelihood of the labels if each item first draws a class z of the model's own classifier, and
    then a label from P(y|z) (Nguyen et al., ICML 2020); at most 0.

    Of a round, the training items count; test items are not used.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, constant features      defined: only the classifier's probabilities count
    one item a class              defined
    a class without items         is left out; a note
    one class                     0, by definition
    ============================  ===========================================================
    """

    name: ClassVar[str] = "leep"
    needs_head: ClassVar[bool] = True

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
        head: Head | None = None,
    ) -> Evaluation:
        """Nats by item. See :class:`~alsatian.proxies.base.Proxy`.

        Raises:
            ConfigError: there is no head.
        """
        probabilities = _probabilities(self.name, train_x, head)
        _, places, notes = classes_of(train_y, classes)
        return Evaluation(leep(probabilities, places), notes=notes)


@dataclass(frozen=True)
class Nce:
    """Negative conditional entropy −H(y|z), z the most likely class of the model's own classifier (Tran et al.,
    ICCV 2019); in [−ln C, 0].

    Of a round, the training items count; test items are not used.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, constant features      defined: only the classifier's answers count
    one item a class              defined
    a class without items         is left out; a note
    one class                     0, by definition
    ============================  ===========================================================
    """

    name: ClassVar[str] = "nce"
    needs_head: ClassVar[bool] = True

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
        head: Head | None = None,
    ) -> Evaluation:
        """Nats by item. See :class:`~alsatian.proxies.base.Proxy`.

        Raises:
            ConfigError: there is no head.
        """
        probabilities = _probabilities(self.name, train_x, head)
        _, places, notes = classes_of(train_y, classes)
        answers = np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
        # With answers in place of probabilities, the mean of log P(y|z) is the entropy.
        return Evaluation(leep(answers, places), notes=notes)


@dataclass(frozen=True)
class Nleep:
    """LEEP with the posterior of a Gaussian mixture of the features in place of a classifier (Li et al., CVPR
    2021): principal components that hold ``variance`` of the features', then ``components`` by class.

    Mixtures start from k-means with ``seed``. Features are scaled as a whole first, so that scale does not matter
    to the mixture's floor of variances. Of a round, the training items count; test items are not used.

    Attributes:
        components: of the mixture, by class.
        variance: share that the principal components hold, in (0, 1).
        seed: of the mixture's start.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D                         defined
    fewer items than components   as many components as items: near 0 for any features; a note
    one item a class              likewise
    a class without items         is left out, nor has it components; a note
    one class                     0, by definition
    features all equal            undefined, taken as one component: −H(y); a note
    not converged                 of the last iterate; a note
    ============================  ===========================================================
    """

    components: int = 5
    variance: float = 0.8
    seed: int = 0
    name: ClassVar[str] = "nleep"
    libraries: ClassVar[tuple[str, ...]] = ("sklearn.mixture",)

    def __post_init__(self) -> None:
        if self.components < 1 or self.seed < 0:
            raise ConfigError("proxy nleep: components must be at least 1, and seed at least 0")
        if not 0 < self.variance < 1:
            raise ConfigError(f"proxy nleep: variance={self.variance}: must be between 0 and 1")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Nats by item, at most 0. See :class:`~alsatian.proxies.base.Proxy`."""
        from sklearn.decomposition import PCA
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        present, places, notes = classes_of(train_y, classes)
        features = centred(array(train_x))
        features /= np.abs(features).max() or 1.0
        if not features.any():
            notes = (*notes, "undefined for features that are all equal, taken as those of one component")
            return Evaluation(leep(np.ones((len(features), 1)), places), notes=notes)
        count = min(self.components * len(present), len(features))
        if count == len(features):
            notes = (*notes, f"{count} components for as many training items: the score is near 0 for any features")
        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # said as a note
            reduced = PCA(self.variance, svd_solver="full").fit_transform(features)
            mixture = GaussianMixture(count, random_state=self.seed)
            probabilities = mixture.fit(reduced / reduced.std()).predict_proba(reduced / reduced.std())
        if not mixture.converged_:
            notes = (*notes, "the mixture did not converge")
        return Evaluation(leep(probabilities, places), notes=notes)
