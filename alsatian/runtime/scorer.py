"""What turns an engine's features into scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

import torch

from alsatian.data.dataset import Batch, Dataset
from alsatian.errors import BadModelError
from alsatian.fingerprint import features_fingerprint
from alsatian.proxies.base import Evaluation, Head, Proxy, name_of, needs_head
from alsatian.proxies.scales import median_norm
from alsatian.runtime.features import FeatureStore, Keep, unkept
from alsatian.runtime.meter.meter import Meter


@dataclass(frozen=True)
class Scored:
    """What a model is scored.

    Attributes:
        evaluations: by proxy; the score that decides is that of the first.
        fingerprint: digest of the features, if it was asked for.
        norm: the median length of the training items' features.
    """

    evaluations: Mapping[str, Evaluation]
    fingerprint: str | None = None
    norm: float | None = None

    @property
    def score(self) -> float:
        """The score that decides."""
        return next(iter(self.evaluations.values())).score


class Scorer(Protocol):
    """Scores models by their features."""

    def score(
        self, features: FeatureStore, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]
    ) -> Mapping[str, Scored]:
        """What each of ``models``, which share their features, is scored: trained on ``train``, tested on ``test``.

        Raises:
            BadModelError: a score is not finite.
        """
        ...


@dataclass(frozen=True)
class ProxyScorer:
    """Scores by ``proxies``, the first of which decides, with the labels of ``dataset``.

    Attributes:
        verify: whether features are digested as well.
        heads: the models' own classifiers, for proxies that need them.
        keep: is told of all features that a model has, when it is scored.
    """

    proxies: Sequence[Proxy]
    dataset: Dataset
    meter: Meter
    verify: bool
    heads: Mapping[str, Head] = field(default_factory=dict)
    keep: Keep = unkept

    def score(
        self, features: FeatureStore, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]
    ) -> Mapping[str, Scored]:
        with self.meter.part("proxy_scoring"):
            train_x, test_x = features.get(models[0], train), features.get(models[0], test)
            labels = [torch.from_numpy(self.dataset.labels(part)).to(train_x.device) for part in (train, test)]
            if not all(bool(torch.isfinite(x).all()) for x in (train_x, test_x)):
                raise BadModelError(f"model '{models[0]}': its features are not finite (NaN or infinite)", models)
            given = (train_x, labels[0], test_x, labels[1], self.dataset.classes)
            found: dict[str, dict[str, Evaluation]] = {model: {} for model in models}
            for proxy in self.proxies:
                name, once = name_of(proxy), None
                for model in models:
                    if needs_head(proxy):
                        value = proxy.score(*given, head=self.heads[model])  # type: ignore[call-arg]
                        found[model][name] = Evaluation.of(value)
                    else:
                        once = Evaluation.of(proxy.score(*given)) if once is None else once
                        found[model][name] = once
            for model, evaluations in found.items():
                if odd := [name for name, evaluation in evaluations.items() if not isfinite(evaluation.score)]:
                    what = "its score is" if len(self.proxies) == 1 else f"its score by {odd[0]} is"
                    raise BadModelError(f"model '{model}': {what} not finite (NaN or infinite)", models)
        with self.meter.part("other"):
            self.keep(models, features.held[models[0]])
            digest = features_fingerprint([train_x, test_x]) if self.verify else None
            norm = median_norm(train_x)
        return {model: Scored(evaluations, digest, norm) for model, evaluations in found.items()}
