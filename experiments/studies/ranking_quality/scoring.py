"""What proxies say of candidates, and what schedules make of it, on features that are extracted once."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from alsatian.data.dataset import Batch, batches_of, stratified_order
from alsatian.models.candidate_modules import candidate_of, module_of
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Evaluation, Head, Proxy, needs_head
from alsatian.searching.contract import rounds_of
from alsatian.searching.loop import ranked_models
from alsatian.searching.round_result import RoundResult
from alsatian.searching.schedules import RoundScores, Schedule
from alsatian.searching.strategy import Strategy

TEST_SHARE = 0.25
"""Of the training items: what proxies are tested on. The dataset's own test items they never see."""
Evaluate = Callable[[str, int], Evaluation]
"""What a proxy says of a model on its first so many training items."""


@torch.no_grad()
def features(models: ModelSet, model_id: str, items: np.ndarray, batch_size: int) -> torch.Tensor:
    """Features (N, D) of raw ``items`` (N, …), as a search extracts them in batches of ``batch_size``."""
    module, prepare = module_of(models, model_id), candidate_of(models, model_id).preprocessing
    batches = (items[i : i + batch_size] for i in range(0, len(items), batch_size))
    return torch.cat([module(*prepare(batch)).flatten(1) for batch in batches])


@dataclass(frozen=True)
class Split:
    """Positions of the training items and of the test items that a proxy is given."""

    train: np.ndarray
    test: np.ndarray

    @classmethod
    def of(cls, labels: np.ndarray, seed: int) -> "Split":
        """Drawn in the classes' proportions, as a dataset is."""
        shuffled = stratified_order(labels, seed)
        count = max(1, round(TEST_SHARE * len(labels)))
        return cls(shuffled[:-count], shuffled[-count:])


@dataclass(eq=False)
class Bench:
    """Evaluates candidates by one proxy on one split; nothing is evaluated twice.

    Attributes:
        features: (N, D) of every candidate for the items that are divided.
        labels: (N,) of these.
        classes: number of classes.
        heads: the candidates' own classifiers, for a proxy that needs them.
        failed: why a candidate has no score, by candidate; it ranks last.
    """

    proxy: Proxy
    split: Split
    features: Mapping[str, torch.Tensor]
    labels: np.ndarray
    classes: int
    heads: Mapping[str, Head] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    _known: dict[tuple[str, int], Evaluation] = field(default_factory=dict)

    def __call__(self, model: str, train_items: int) -> Evaluation:
        """See :data:`Evaluate`."""
        key = model, train_items
        if key not in self._known:
            self._known[key] = self._evaluate(model, self.split.train[:train_items])
        return self._known[key]

    def _evaluate(self, model: str, train: np.ndarray) -> Evaluation:
        x, y, test = self.features[model], torch.from_numpy(self.labels), self.split.test
        more = {"head": self.heads[model]} if needs_head(self.proxy) else {}
        found = Evaluation.of(self.proxy.score(x[train], y[train], x[test], y[test], self.classes, **more))
        if math.isfinite(found.score):
            return found
        self.failed[model] = "its score is not finite"
        return Evaluation(-math.inf)


@dataclass(frozen=True)
class Played:
    """What a schedule did.

    Attributes:
        ranking: as a search ranks: by the last round a model was in, then by its score there.
        extracted: model × training items whose features are computed, each once.
        scored: model × training items that the proxy was trained on, summed over the rounds.
    """

    ranking: tuple[str, ...]
    extracted: int
    scored: int


def play(schedule: Schedule, models: Sequence[str], train: Sequence[Batch], evaluate: Evaluate) -> Played:
    """Carry the rounds of ``schedule`` out with known features."""
    rounds = rounds_of(Strategy(schedule=schedule), models, train)
    results: list[RoundResult] = []
    seen: dict[str, int] = {}
    upcoming = next(rounds, None)
    while upcoming is not None:
        items = upcoming.train_items
        evaluations = {model: evaluate(model, items) for model in upcoming.models}
        scores = RoundScores({model: found.score for model, found in evaluations.items()})
        scores.outcomes = {m: found.outcomes for m, found in evaluations.items() if found.outcomes is not None}
        results.append(RoundResult(train_items=items, scores=dict(scores), fingerprints={}, chunks=1))
        seen |= dict.fromkeys(upcoming.models, items)
        try:
            upcoming = rounds.send(scores)
        except StopIteration:
            upcoming = None
    scored = sum(len(result.scores) * result.train_items for result in results)
    return Played(ranked_models(models, results, ()), sum(seen.values()), scored)


def train_batches(split: Split, batch_size: int, models: int) -> list[Batch]:
    """The training batches of a search of ``models`` over ``split``."""
    return batches_of(len(split.test), len(split.train), batch_size, models)[1]
