"""PARC: are items of different classes further apart than items of one?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.errors import ConfigError
from alsatian.proxies.arrays import array, centred, classes_of, one_thread
from alsatian.proxies.base import Evaluation


@dataclass(frozen=True)
class Parc:
    """100 × Spearman correlation of distances between items in their features and in their labels (Bolya et al.,
    NeurIPS 2021); in [−100, 100].

    Distances are 1 − Pearson's correlation of two items, of standardised features and of one-hot labels. The time
    rises with the square of the items, so that ``probe`` of them stand for all, the same for every model. Of a
    round, the training items count; test items are not used.

    Attributes:
        probe: items at most, drawn with ``seed``.
        seed: of the draw.
        exact: take distances of labels as the two values that they are. The published code computes them, and
            rounding makes distances within some classes differ by 2e-16; ranks tell them apart, so that scores
            depend on the numbers of the classes (iris: 61.217 as published, 55.322 with its classes in another
            order, 58.680 exactly). Those of one search are alike in this, since they have the same labels.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D                         defined
    a class without items         does not matter; a note
    constant features             count for nothing
    an item equal to the mean     correlates with no other: its distances are taken as 1
    one item a class, one class   all distances of labels are equal: undefined, taken as 0; a note
    D = 1, features all equal     likewise
    fewer than 3 items            likewise
    ============================  ===========================================================
    """

    probe: int = 500
    seed: int = 0
    exact: bool = False
    name: ClassVar[str] = "parc"
    libraries: ClassVar[tuple[str, ...]] = ("scipy.stats",)

    def __post_init__(self) -> None:
        if self.probe < 3 or self.seed < 0:
            raise ConfigError("proxy parc: probe must be at least 3, and seed at least 0")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """The correlation in percent. See :class:`~alsatian.proxies.base.Proxy`."""
        from scipy.stats import spearmanr

        _, _, notes = classes_of(train_y, classes)
        features, labels = array(train_x), train_y.cpu().numpy()
        if len(features) > self.probe:
            # In the order of the data, so that a draw of all would be the data.
            drawn = np.sort(np.random.default_rng(self.seed).permutation(len(features))[: self.probe])
            features, labels = features[drawn], labels[drawn]
        present, places = np.unique(labels, return_inverse=True)
        pairs = np.triu_indices(len(features), 1)
        if min(len(features), len(present)) < 2 or len(present) == len(features) or len(pairs[0]) < 2:
            note = "undefined where pairs of labels are all equal or all different, taken as 0"
            return Evaluation(0.0, notes=(*notes, note))
        features = centred(features)
        for spread in (np.ptp, np.std):  # by the range first, so that no square underflows
            by = spread(features, axis=0)
            features /= np.where(by > 0, by, 1)
        with one_thread():
            apart = _distances(features)[pairs]
            if np.ptp(apart) == 0:
                note = "undefined where no two items differ in their features, taken as 0"
                return Evaluation(0.0, notes=(*notes, note))
            one_hot = np.eye(len(present))[places]
            different = (places[:, None] != places)[pairs] if self.exact else _distances(one_hot)[pairs]
            return Evaluation(100 * float(spearmanr(apart, different).statistic), notes=notes)


def _distances(rows: np.ndarray) -> np.ndarray:
    """1 − Pearson's correlation of each two rows (N, N), 1 where a row is constant."""
    if rows.shape[1] < 2:
        return np.ones((len(rows), len(rows)))
    with np.errstate(invalid="ignore", divide="ignore"):
        distances: np.ndarray = 1 - np.corrcoef(rows)
    return np.nan_to_num(distances, nan=1.0)
