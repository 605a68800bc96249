"""What turns an engine's features into scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

import torch

from alsatian.data.dataset import Batch, Dataset
from alsatian.errors import BadModelError
from alsatian.fingerprint import features_fingerprint
from alsatian.proxies.base import Evaluation, Head, Proxy, name_of, needs_head, score_each, scores_together
from alsatian.proxies.scales import median_norm
from alsatian.runtime.features import FeatureStore, Keep, unkept
from alsatian.runtime.meter.meter import Meter

TOGETHER_BYTES = 16 << 20
"""Of the features of models that wait to be scored together, at most, but for the last one. It keeps all cores
busy, and scores come while a search goes on."""


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

    @property
    def together(self) -> int:
        """Bytes of features that are worth waiting for, to score their models together; 0 if none are."""
        ...

    def score(
        self,
        features: FeatureStore,
        groups: Sequence[Sequence[str]],
        test: Sequence[Batch],
        train: Sequence[Batch],
    ) -> Mapping[str, Scored]:
        """What each model is scored, trained on ``train``, tested on ``test``; those of one of the ``groups`` share
        their features. It does not depend on which groups are scored together.

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

    @property
    def together(self) -> int:
        return TOGETHER_BYTES if any(map(scores_together, self.proxies)) else 0

    def score(
        self,
        features: FeatureStore,
        groups: Sequence[Sequence[str]],
        test: Sequence[Batch],
        train: Sequence[Batch],
    ) -> Mapping[str, Scored]:
        with self.meter.part("proxy_scoring"):
            train_x, test_x = ([features.get(models[0], part) for models in groups] for part in (train, test))
            for models, *parts in zip(groups, train_x, test_x, strict=True):
                if not all(map(_finite, parts)):
                    raise BadModelError(
                        f"model '{models[0]}': its features are not finite (NaN or infinite)", models
                    )
            train_y, test_y = (
                torch.from_numpy(self.dataset.labels(part)).to(x[0].device)
                for part, x in ((train, train_x), (test, test_x))
            )
            given = (train_x, train_y, test_x, test_y, self.dataset.classes)
            found: dict[str, dict[str, Evaluation]] = {model: {} for models in groups for model in models}
            for proxy in self.proxies:
                name = name_of(proxy)
                each = None if needs_head(proxy) else score_each(proxy, *given)
                for number, models in enumerate(groups):
                    own = (train_x[number], train_y, test_x[number], test_y, self.dataset.classes)
                    for model in models:
                        if each is not None:
                            found[model][name] = each[number]
                        else:
                            value = proxy.score(*own, head=self.heads[model])  # type: ignore[call-arg]
                            found[model][name] = Evaluation.of(value)
            for models in groups:
                for model in models:
                    self._check(model, found[model], models)
        scored: dict[str, Scored] = {}
        with self.meter.part("other"):
            for models, *parts in zip(groups, train_x, test_x, strict=True):
                self.keep(models, features.held[models[0]])
                digest = features_fingerprint(parts) if self.verify else None
                norm = median_norm(parts[0])
                scored |= {model: Scored(found[model], digest, norm) for model in models}
        return scored

    def _check(self, model: str, evaluations: Mapping[str, Evaluation], models: Sequence[str]) -> None:
        if odd := [name for name, evaluation in evaluations.items() if not isfinite(evaluation.score)]:
            what = "its score is" if len(self.proxies) == 1 else f"its score by {odd[0]} is"
            raise BadModelError(f"model '{model}': {what} not finite (NaN or infinite)", models)


def _finite(features: torch.Tensor) -> bool:
    """Whether all are finite. Their sum is not where one is not, and takes a fifth of looking at each; it may also
    be too large for its type."""
    return bool(features.sum().isfinite()) or bool(features.isfinite().all())
