"""What turns an engine's features into scores."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Protocol

import torch

from alsatian.data.dataset import Batch, Dataset
from alsatian.errors import BadModelError
from alsatian.fingerprint import features_fingerprint
from alsatian.proxies.base import Evaluation, Proxy
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.meter.meter import Meter

Scored = tuple[float, str | None]
"""A score, and the digest of the features behind it if it was asked for."""


class Scorer(Protocol):
    """Scores models by their features."""

    def score(
        self, features: FeatureStore, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]
    ) -> Scored:
        """The one score of ``models``, which share their features, trained on ``train``, tested on ``test``.

        Raises:
            BadModelError: it is not finite.
        """
        ...


@dataclass(frozen=True)
class ProxyScorer:
    """Scores by ``proxy`` with the labels of ``dataset``; with ``verify`` features are digested as well."""

    proxy: Proxy
    dataset: Dataset
    meter: Meter
    verify: bool

    def score(
        self, features: FeatureStore, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]
    ) -> Scored:
        with self.meter.part("proxy_scoring"):
            train_x, test_x = features.get(models[0], train), features.get(models[0], test)
            labels = [torch.from_numpy(self.dataset.labels(part)).to(train_x.device) for part in (train, test)]
            finite = all(bool(torch.isfinite(x).all()) for x in (train_x, test_x))
            parts = (train_x, labels[0], test_x, labels[1], self.dataset.classes)
            score = Evaluation.of(self.proxy.score(*parts)).score if finite else nan
            if not isfinite(score):
                what = "its score is" if finite else "its features are"
                raise BadModelError(f"model '{models[0]}': {what} not finite (NaN or infinite)", models)
        if not self.verify:
            return score, None
        with self.meter.part("other"):
            return score, features_fingerprint([train_x, test_x])
