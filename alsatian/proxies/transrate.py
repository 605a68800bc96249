"""TransRate: how much shorter is the code of the features if the classes are known?"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.errors import ConfigError
from alsatian.proxies.arrays import array, centred, classes_of, one_thread
from alsatian.proxies.base import Evaluation


@dataclass(frozen=True)
class TransRate:
    """R(f) − Σ R(f of c)/C, R(f) = ½ logdet(I + fᵀf/(nε)), of centred features (Huang et al., ICML 2022).

    Every class counts the same, whatever its items. The score depends on the scale of the features and rises with
    D: compare models of one family by it. Of a round, the training items count; test items are not used.

    Attributes:
        epsilon: distortion that the code allows.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, one item a class       defined
    a class without items         is left out; a note
    one class                     0, by definition
    constant features             count for nothing
    features all equal            0, by definition; a note
    ============================  ===========================================================
    """

    epsilon: float = 1e-4
    name: ClassVar[str] = "transrate"

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < math.inf:
            raise ConfigError("proxy transrate: epsilon must be positive")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Difference of rates in nats. See :class:`~alsatian.proxies.base.Proxy`."""
        present, places, notes = classes_of(train_y, classes)
        features = centred(array(train_x))
        with one_thread():
            by_class = [self._rate(features[places == place]) for place in range(len(present))]
            score = self._rate(features) - float(np.mean(by_class))
        if not features.any():
            notes = (*notes, "all features are equal: there is nothing to code")
        return Evaluation(score, notes=notes)

    def _rate(self, features: np.ndarray) -> float:
        values = np.linalg.svd(features, compute_uv=False)
        return float(np.log1p(values**2 / (len(features) * self.epsilon)).sum()) / 2
