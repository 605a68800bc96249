"""The features found so far: what a round adds to, what proxies read."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch

from alsatian.blocks.segment import State
from alsatian.data.dataset import Batch
from alsatian.runtime.meter.meter import Meter

Features = dict[str, dict[int, torch.Tensor]]
"""Features (items, D) by model and index of the batch."""

Keep = Callable[[Sequence[str], Mapping[int, torch.Tensor]], None]
"""Is told of features (items, D) by index of the batch, and of the models that share them, once they are scored."""


def unkept(models: Sequence[str], features: Mapping[int, torch.Tensor]) -> None:
    """Keeps nothing."""


class FeatureStore:
    """Features of every model by batch, kept over the rounds until the model is dropped.

    Attributes:
        held: all features; models with the same ones hold the same tensors.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.held: Features = {}

    def add(self, models: Iterable[str], batch: Batch, state: State) -> None:
        """Keep the features of one batch: the first tensor of ``state``, flattened to (items, D).

        Proxies compute in float32, so features are kept in no less.
        """
        features = state[0].reshape(batch.items, -1)
        features = features.float() if features.dtype == torch.bfloat16 else features
        for model in models:
            self.held.setdefault(model, {})[batch.index] = features

    def missing(self, model: str, batches: Sequence[Batch]) -> tuple[Batch, ...]:
        """Those of ``batches`` for which ``model`` has no features yet."""
        known = self.held.get(model, {})
        return tuple(batch for batch in batches if batch.index not in known)

    def get(self, model: str, batches: Sequence[Batch]) -> torch.Tensor:
        """Features (items, D) of ``batches``, in order."""
        return torch.cat([self.held[model][batch.index] for batch in batches])

    def nbytes(self, model: str) -> int:
        """Bytes of the features that ``model`` has."""
        return sum(features.nbytes for features in self.held.get(model, {}).values())

    def view(self, features: Features) -> "FeatureStore":
        """Another store, of ``features`` alone."""
        other = FeatureStore(self._meter)
        other.held = features
        return other

    def restore(self, features: Features, device: torch.device) -> None:
        """Hold ``features`` of an earlier attempt or search, too."""
        moved = {id(t): t if t.is_meta else t.to(device) for batches in features.values() for t in batches.values()}
        for model, batches in features.items():
            self.held.setdefault(model, {}).update({b: moved[id(t)] for b, t in batches.items()})

    def keep_only(self, models: Iterable[str]) -> None:
        """Note the peak, then drop the features of all other models."""
        distinct = {id(t): t.nbytes for batches in self.held.values() for t in batches.values()}
        self._meter.peak("feature_bytes", sum(distinct.values()))
        kept = set(models)
        self.held = {model: batches for model, batches in self.held.items() if model in kept}
