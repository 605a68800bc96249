"""Inner layers of models: which candidates are layers of one model, and what that model is scored."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from alsatian.data.dataset import Batch
from alsatian.records.ranking import LAST, MEAN, LayerChoice
from alsatian.runtime.features import Features, FeatureStore, Keep, unkept
from alsatian.runtime.scorer import Scored, Scorer


@dataclass(frozen=True)
class Layers:
    """Which candidates are layers of which model.

    Attributes:
        choice: what a model is scored by: ``"last"``, its own features; ``"mean"``, the mean over its layers'
            features; ``"best"``, that of its layers whose score is highest.
        of: ids of candidates by model, in the order of the layers; the last one is the model itself. A model that
            is missing is its only layer.
    """

    choice: LayerChoice = LAST
    of: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def model_of(self, candidate: str) -> str:
        """The model whose layer ``candidate`` is."""
        return self._models.get(candidate, candidate)

    def models(self, candidates: Collection[str]) -> list[str]:
        """The models of ``candidates``, each once, in their order."""
        return list(dict.fromkeys(map(self.model_of, candidates)))

    def candidates(self, models: Collection[str]) -> list[str]:
        """All layers of ``models``."""
        return [candidate for model in models for candidate in self.of.get(model, (model,))]

    def best(self, model: str, scored: Mapping[str, Scored]) -> int:
        """Number of the layer of ``model``, from 1, that decides; of equal ones the last."""
        own = self.of.get(model, (model,))
        return max(range(1, len(own) + 1), key=lambda number: (scored[own[number - 1]].score, number))

    @cached_property
    def _models(self) -> dict[str, str]:
        return {candidate: model for model, own in self.of.items() for candidate in own}


WHOLE = Layers()
"""Every candidate is a model."""


def scoring(layers: Layers, scorer: Callable[[Keep], Scorer], keep: Keep = unkept) -> Scorer:
    """What scores models by their ``layers``, made of a ``scorer`` that tells of the features that it scores."""
    return MeanScorer(scorer(unkept), layers, keep) if layers.choice == MEAN else scorer(keep)


@dataclass(eq=False)
class MeanScorer:
    """Scores every model once, as soon as the features of all of its layers are there, by their mean.

    Attributes:
        scorer: scores the means.
        layers: of the models.
        keep: is told of the layers' own features.
    """

    scorer: Scorer
    layers: Layers
    keep: Keep = unkept
    # By model, with the batches that it was scored on: layers that are reached later need no score of their own.
    _scored: dict[str, tuple[list[Batch], Scored]] = field(default_factory=dict, init=False)

    @property
    def together(self) -> int:
        return self.scorer.together

    def score(
        self,
        features: FeatureStore,
        groups: Sequence[Sequence[str]],
        test: Sequence[Batch],
        train: Sequence[Batch],
    ) -> Mapping[str, Scored]:
        """As :meth:`Scorer.score` says, for all layers of a model together, or for none of them."""
        batches = [*test, *train]
        for models in groups:
            self.keep(models, features.held[models[0]])
        found: dict[str, Scored] = {}
        same: dict[tuple[int, ...], list[str]] = {}
        for model in self.layers.models([candidate for models in groups for candidate in models]):
            own = self.layers.candidates([model])
            before, scored = self._scored.get(model, ([], None))
            if scored is not None and before == batches:
                found |= dict.fromkeys(own, scored)
            elif not any(features.missing(layer, batches) for layer in own):
                key = tuple(id(features.held[layer][batch.index]) for layer in own for batch in batches)
                same.setdefault(key, []).append(model)
        if same:
            means: Features = {}
            for alike in same.values():
                own = self.layers.candidates(alike[:1])
                mean = {
                    batch.index: _mean([features.held[layer][batch.index] for layer in own]) for batch in batches
                }
                means |= dict.fromkeys(alike, mean)
            whole = self.scorer.score(features.view(means), list(same.values()), test, train)
            for model, scored in whole.items():
                self._scored[model] = batches, scored
                found |= dict.fromkeys(self.layers.candidates([model]), scored)
        return found


def _mean(layers: Sequence[torch.Tensor]) -> torch.Tensor:
    """Of features (N, D) of all ``layers``."""
    if layers[0].is_meta:  # on a virtual clock, where only the size counts
        return layers[-1]
    return torch.stack(list(layers)).mean(0)
