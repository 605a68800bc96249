"""GBC: do the classes overlap?"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.errors import ConfigError, nearest
from alsatian.proxies.arrays import array, classes_of, one_thread
from alsatian.proxies.base import Evaluation

# Of the variances, above which the floor is what is measured.
_MOST = 0.5
COVARIANCES = ("diagonal", "spherical")


@dataclass(frozen=True)
class Gbc:
    """−Σ exp(−B) over ordered pairs of classes, B the Bhattacharyya distance of Gaussians that are fitted to each
    (Pándy et al., CVPR 2022); in (−C(C − 1), 0].

    Of a round, the training items count; test items are not used.

    Attributes:
        covariance: ``diagonal``, a variance for every feature, or ``spherical``, their mean for all.
        floor: variances are at least.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D                         defined
    one item a class              all variances are the floor; a note
    a class without items         is left out; a note
    one class                     no pair: undefined, taken as 0; a note
    constant features             count for nothing
    small features                their variances are the floor, and their scale counts; a note
    classes far apart (large D)   saturated at 0 where exp(−B) underflows; a note
    ============================  ===========================================================
    """

    covariance: str = "diagonal"
    floor: float = 1e-4
    name: ClassVar[str] = "gbc"

    def __post_init__(self) -> None:
        if self.covariance not in COVARIANCES:
            raise ConfigError(
                f"proxy gbc: covariance={self.covariance}: there is no such covariance; "
                f"{nearest(self.covariance, COVARIANCES)}"
            )
        if not 0 < self.floor < math.inf:
            raise ConfigError("proxy gbc: floor must be positive")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """The coefficient, in (−C(C − 1), 0]. See :class:`~alsatian.proxies.base.Proxy`."""
        present, places, notes = classes_of(train_y, classes)
        features, count = array(train_x), len(present)
        groups = [features[places == place] for place in range(count)]
        means = np.stack([group.mean(axis=0) for group in groups])
        measured = np.stack([group.var(axis=0) for group in groups])
        variances = np.maximum(measured, self.floor)
        if self.covariance == "spherical":
            variances = np.broadcast_to(variances.mean(axis=1, keepdims=True), variances.shape)
        score = 0.0
        with one_thread():
            for c in range(count - 1):
                pooled = (variances[c] + variances[c + 1 :]) / 2
                apart = ((means[c] - means[c + 1 :]) ** 2 / pooled).sum(axis=1) / 8
                wider = np.log(pooled).sum(axis=1) - np.log(variances[c]).sum() / 2
                wider -= np.log(variances[c + 1 :]).sum(axis=1) / 2
                score -= 2 * float(np.exp(-apart - wider / 2).sum())
        if count == 1:
            notes = (*notes, "undefined for one class, taken as 0")
        elif score == 0:
            notes = (*notes, "saturated: the classes are too far apart to tell by how much")
        small = measured[:, np.ptp(features, axis=0) > 0] < self.floor
        if count == len(features):
            notes = (*notes, f"every class has one training item: all variances are taken as {self.floor:g}")
        elif small.size and small.mean() > _MOST:
            notes = (*notes, f"most variances are below {self.floor:g} and taken as that: the scale counts")
        return Evaluation(score, notes=notes)
