"""What one round of a search gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from alsatian.proxies.base import Evaluation
from alsatian.runtime.scorer import Scored


@dataclass(frozen=True)
class RoundResult:
    """One round of a search.

    Attributes:
        train_items: training items that the scores are based on.
        scores: of every model of the round, in the round's order.
        fingerprints: digest of every model's features, if asked for with ``verify``.
        chunks: into how many chunks the budgets divided the round's new data.
        failed: models that could not be scored in this round, with the reason.
        outcomes: what each test item adds to a model's score (N,), where that is a mean over them.
        further: scores by further proxies, by proxy and model.
        notes: what proxies say beside a model's scores.
        norms: the median length of each model's features.
        layers: number of the layer, from 1, that a model's score is that of, where one was chosen.
    """

    train_items: int
    scores: dict[str, float]
    fingerprints: dict[str, str]
    chunks: int
    failed: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, tuple[float, ...]] = field(default_factory=dict)
    further: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    norms: dict[str, float] = field(default_factory=dict)
    layers: dict[str, int] = field(default_factory=dict)

    @property
    def standard_errors(self) -> dict[str, float]:
        """Of the scores, where they are means over test items, by model."""
        found = {m: Evaluation(self.scores[m], np.asarray(o)).standard_error for m, o in self.outcomes.items()}
        return {model: error for model, error in found.items() if error is not None}

    @classmethod
    def of(
        cls,
        train_items: int,
        scored: Mapping[str, Scored],
        chunks: int,
        failed: dict[str, str],
        layers: dict[str, int] | None = None,
    ) -> "RoundResult":
        """From what every model was ``scored``, by its best one of ``layers`` if that is given."""
        first = {model: next(iter(found.evaluations.values())) for model, found in scored.items()}
        further: dict[str, dict[str, float]] = {}
        for model, found in scored.items():
            for name, evaluation in list(found.evaluations.items())[1:]:
                further.setdefault(name, {})[model] = evaluation.score
        notes = {
            model: tuple(f"{name}: {note}" for name, e in found.evaluations.items() for note in e.notes)
            for model, found in scored.items()
        }
        return cls(
            train_items,
            {model: evaluation.score for model, evaluation in first.items()},
            {model: found.fingerprint for model, found in scored.items() if found.fingerprint is not None},
            chunks,
            failed,
            {m: tuple(map(float, e.outcomes)) for m, e in first.items() if e.outcomes is not None},
            further,
            {model: said for model, said in notes.items() if said},
            {model: found.norm for model, found in scored.items() if found.norm is not None},
            layers or {},
        )
