"""H-score: how much of the features' variance is between classes?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.proxies.arrays import array, centred, classes_of, one_thread, spectrum
from alsatian.proxies.base import Evaluation


@dataclass(frozen=True)
class HScore:
    """tr(cov(f)⁺ cov(E[f|y])) (Bao et al., ICIP 2019), at most C − 1.

    With ``shrinkage``, cov(f) is that of Ledoit and Wolf and the result is times one less the shrinkage (Ibrahim et
    al., "Newer is not always better", 2021): of use where N is not far above D. Of a round, the training items
    count; test items are not used.

    Attributes:
        shrinkage: regularise the covariance; without it the score is C − 1, whatever the features, where they have
            N − 1 dimensions.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N ≤ D                         saturated at C − 1 without shrinkage; a note
    one item a class              nothing is within classes; a note
    a class without items         is left out; a note
    one class                     0, by definition
    constant features             count for nothing
    features all equal            undefined, taken as 0; a note
    ============================  ===========================================================
    """

    shrinkage: bool = True
    name: ClassVar[str] = "hscore"
    libraries: ClassVar[tuple[str, ...]] = ("sklearn.covariance",)

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """The trace, in [0, C − 1]. See :class:`~alsatian.proxies.base.Proxy`."""
        present, places, notes = classes_of(train_y, classes)
        features, items = centred(array(train_x)), len(train_y)
        # The covariance does not depend on the scale, but the squares of very small features would underflow.
        features /= np.abs(features).max() or 1.0
        with one_thread():
            left, values = spectrum(features)
            if not len(values):
                return Evaluation(0.0, notes=(*notes, "undefined for features that are all equal, taken as 0"))
            shrunk = _shrinkage(left * values, features.shape[1]) if self.shrinkage else 0.0
        # Along the singular vectors all covariances with f are diagonal, and a class mean is the mean of its rows.
        sums = np.stack([left[places == place].sum(axis=0) for place in range(len(present))])
        between = (sums**2 / np.bincount(places)[:, None]).sum(axis=0) * values**2 / max(items - 1, 1)
        if self.shrinkage:
            within = (1 - shrunk) * values**2 / items + shrunk * (values**2).sum() / features.size
        else:
            within = values**2 / max(items - 1, 1)
        if len(present) == items:
            notes = (*notes, "every class has one training item: nothing is within classes")
        elif not self.shrinkage and len(values) == items - 1:
            notes = (*notes, f"saturated at {len(present) - 1}: N = {items} items, rank N - 1 of the features")
        return Evaluation(float((1 - shrunk) * (between / within).sum()), notes=notes)


def _shrinkage(reduced: np.ndarray, dimension: int) -> float:
    """Ledoit and Wolf's shrinkage of the covariance of centred features of ``dimension`` D, from their coordinates
    (N, k) along the right singular vectors: scikit-learn's, whose products are (D, D), as fast as the spectrum."""
    if dimension == 1:
        return 0.0  # a variance is all that there is
    items, squares = len(reduced), (reduced**2).sum(axis=1)
    mean = squares.sum() / items / dimension
    norm = float(((reduced**2).sum(axis=0) ** 2).sum()) / items**2
    apart = norm / dimension - mean**2
    noise = (float((squares**2).sum()) / items - norm) / items / dimension
    return float(min(noise, apart) / apart) if min(noise, apart) > 0 else 0.0
