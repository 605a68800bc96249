"""Nearest neighbours and nearest centroids: are items of a class close to each other?"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from alsatian.errors import ConfigError, nearest
from alsatian.proxies.arrays import array, classes_of, hits, one_thread
from alsatian.proxies.base import Evaluation

METRICS = {"l2": "euclidean", "cosine": "cosine"}


def _check(proxy: str, metric: str) -> None:
    if metric not in METRICS:
        raise ConfigError(f"proxy {proxy}: metric={metric}: there is no such metric; {nearest(metric, METRICS)}")


@dataclass(frozen=True)
class Knn:
    """Accuracy of the k nearest training items' majority vote.

    Equal votes are decided for the class of the nearest item among them, so that names of classes do not matter;
    items at equal distance count in the order of the data.

    Attributes:
        k: neighbours that vote.
        metric: ``l2`` or ``cosine``; l2 depends on the scale of one feature against another, cosine on an offset.
        leave_one_out: classify each training item by all others, without test items.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, constant features      defined
    one item a class              k = 1 is defined; otherwise the nearest item decides
    fewer than k items            all vote; a note
    a class without items         is never predicted; a note
    left out is the only item     undefined, taken as 0; a note
    ============================  ===========================================================
    """

    k: int = 5
    metric: str = "l2"
    leave_one_out: bool = False
    name: ClassVar[str] = "knn"
    libraries: ClassVar[tuple[str, ...]] = ("sklearn.neighbors",)

    def __post_init__(self) -> None:
        _check(self.name, self.metric)
        if self.k < 1:
            raise ConfigError(f"proxy knn: k={self.k}: must be at least 1")

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Accuracy on the test items, or leaving one out, in [0, 1]. See :class:`~alsatian.proxies.base.Proxy`."""
        from sklearn.neighbors import NearestNeighbors

        present, labels, notes = classes_of(train_y, classes)
        others = len(train_y) - self.leave_one_out
        if not others:
            return Evaluation(0.0, np.zeros(1), (*notes, "undefined for one training item, taken as 0"))
        if others < self.k:
            notes = (*notes, f"{others} neighbours vote, not {self.k}: there are no more training items")
        with one_thread():
            search = NearestNeighbors(
                n_neighbors=min(self.k, others), algorithm="brute", metric=METRICS[self.metric]
            ).fit(array(train_x))
            near = search.kneighbors(None if self.leave_one_out else array(test_x), return_distance=False)
        voters = labels[near]
        votes = np.stack([(voters == voter[:, None]).sum(axis=1) for voter in voters.T], axis=1)
        elected = np.take_along_axis(voters, votes.argmax(axis=1)[:, None], axis=1)[:, 0]
        return hits(present[elected], train_y if self.leave_one_out else test_y, notes)


@dataclass(frozen=True)
class NearestCentroid:
    """Test accuracy of the class whose mean over the training items is nearest.

    Attributes:
        metric: ``l2`` or ``cosine``.

    ============================  ===========================================================
    regime                        score
    ============================  ===========================================================
    N < D, one item a class       defined
    a class without items         is never predicted; a note
    features all equal            all centroids are equal: the first class is predicted
    ============================  ===========================================================
    """

    metric: str = "l2"
    name: ClassVar[str] = "nearest_centroid"
    libraries: ClassVar[tuple[str, ...]] = ("sklearn.metrics",)

    def __post_init__(self) -> None:
        _check(self.name, self.metric)

    def score(
        self,
        train_x: torch.Tensor,
        train_y: torch.Tensor,
        test_x: torch.Tensor,
        test_y: torch.Tensor,
        classes: int,
    ) -> Evaluation:
        """Accuracy on the test items, in [0, 1]. See :class:`~alsatian.proxies.base.Proxy`."""
        from sklearn.metrics import pairwise_distances

        present, labels, notes = classes_of(train_y, classes)
        train = array(train_x)
        with one_thread():
            centroids = np.stack([train[labels == place].mean(axis=0) for place in range(len(present))])
            distances = pairwise_distances(array(test_x), centroids, metric=METRICS[self.metric])
        return hits(present[distances.argmin(axis=1)], test_y, notes)
