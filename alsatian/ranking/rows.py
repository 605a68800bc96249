"""The rows of a ranking, from what a search found."""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from alsatian.models.flops import Costs, costs_of_models
from alsatian.records.ranking import Agreement, RankedModel, RankedRound, Ranking, Work
from alsatian.searching.confident import p_value

if TYPE_CHECKING:
    from alsatian.ranking.result import Ranking as Result

LEVEL = 0.05
"""Two scores count as tied if a paired test over the same test items gives a larger p value."""
_LIBRARIES = ("alsatian", "torch", "torchvision", "transformers", "timm", "scikit-learn", "numpy")


def record_of(result: "Result") -> Ranking:
    """The ranking as typed data."""
    last = {model: place for place, found in enumerate(result.rounds) for model in found.scores}
    measured = next((event for event in result.measurement.events if event["kind"] == "profile"), {})
    return Ranking(
        proxies=result.proxy_names,
        strategy=result.strategy.name,
        schedule=result.strategy.schedule.name,
        layers=result.layers.choice,
        kernels=result.kernels,
        numerics=result.numerics,
        data=result.data,
        train_items=len(result.dataset.train_items),
        test_items=len(result.dataset.test_items),
        wall_s=result.measurement.wall_s,
        parts_s=dict(result.measurement.parts_s),
        limit=result.measurement.limit,
        predicted_s=result.expected.wall_s if result.expected else None,
        profile_s=measured.get("wall_s"),
        profile=measured.get("source", measured.get("error")),
        ranked=_ranked(result, last),
        rounds=tuple(_round(found.scores, found.train_items) for found in result.rounds if found.scores),
        work=_work(result),
        agreement=_agreement(result),
        warnings=result.warnings,
        notes=result.models.notes,
        versions=_versions(),
    )


def _ranked(result: "Result", last: dict[str, int]) -> tuple[RankedModel, ...]:
    candidates = {candidate.id: candidate for candidate in result.models.candidates}
    costs = costs_of_models(result.models)
    best = costs.get(result.winner)
    tied = _tied(result, last)
    rows: list[RankedModel] = []
    for place, model in enumerate(result.ranked, 1):
        found = result.rounds[last[model]] if model in last else None
        candidate, cost = candidates.get(model), costs.get(model)
        score = found.scores[model] if found else None
        before = rows[-1] if rows else None
        read = candidate.metadata.get("notes", ()) if candidate else ()
        rows.append(
            RankedModel(
                place=place,
                model=model,
                source=_text(candidate.metadata.get("source")) if candidate else None,
                modality=_text(candidate.metadata.get("modality")) if candidate else None,
                score=score,
                standard_error=found.standard_errors.get(model) if found else None,
                tied=model in tied,
                equal=found is not None and before is not None and _same(before, last[model] + 1, score),
                round=last[model] + 1 if found else 0,
                train_items=found.train_items if found else 0,
                bytes=candidate.parameter_bytes if candidate else 0,
                parameters=cost.total_parameters if cost else None,
                flops=_flops(cost),
                relative_cost=_ratio(_flops(cost), _flops(best)),
                further={name: scores[model] for name, scores in found.further.items()} if found else {},
                layer=found.layers.get(model) if found else None,
                layers=len(result.layers.of[model]) if model in result.layers.of else None,
                notes=(*(str(note) for note in read if isinstance(read, list | tuple)),
                       *(found.notes.get(model, ()) if found else ())),
                failed=result.excluded.get(model),
            )
        )  # fmt: skip
    return tuple(rows)


def _same(before: RankedModel, number: int, score: float | None) -> bool:
    return (before.round, before.score) == (number, score)


def _flops(cost: Costs | None) -> int | None:
    """Of one item; None where they are not known or not all are counted."""
    return None if cost is None or cost.uncounted else cost.total_flops


def _ratio(one: int | None, other: int | None) -> float | None:
    return one / other if one and other else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _tied(result: "Result", last: dict[str, int]) -> set[str]:
    """Models of the winner's last round whose scores cannot be told from its own."""
    if result.winner not in last:
        return set()
    found = result.rounds[last[result.winner]]
    best = found.outcomes.get(result.winner)
    others = [model for model in found.scores if model != result.winner]
    if best is None:
        return {model for model in others if found.scores[model] == found.scores[result.winner]}
    ours = np.asarray(best)
    return {m for m in others if m in found.outcomes and p_value(ours, np.asarray(found.outcomes[m])) > LEVEL}


def _round(scores: dict[str, float], train_items: int) -> RankedRound:
    leader = max(scores, key=lambda model: scores[model])
    return RankedRound(models=len(scores), train_items=train_items, leader=leader, score=scores[leader])


def _work(result: "Result") -> Work:
    """Counted runs of blocks, beside those that models on their own would have needed in the same rounds."""
    blocks = {candidate.id: len(candidate.blocks) for candidate in result.models.candidates}
    test, train = result.dataset.batches(result.batch_size)
    items, reused = dict.fromkeys(blocks, 0), 0
    for model, train_items in {m: found.train_items for found in result.rounds for m in found.scores}.items():
        batches = [*test, *(batch for batch in train if batch.stop <= train_items)]
        known = sum(batch.items for batch in batches if batch.index in result.known.get(model, ()))
        items[model] = sum(batch.items for batch in batches) - known
        reused += known
    counters = result.measurement.counters
    return Work(
        block_items=counters.get("block_items", 0),
        alone=sum(blocks[model] * count for model, count in items.items()),
        bytes_read=counters.get("bytes_read", 0),
        distinct_bytes=result.models.distinct_bytes,
        total_bytes=result.models.total_bytes,
        reused_items=reused,
    )


def _agreement(result: "Result") -> tuple[Agreement, ...]:
    """Between proxies: each one's ranking is by the last round of a model, then by its own score there."""
    if len(result.proxies) < 2:
        return ()
    from scipy.stats import weightedtau  # slow to import

    ids = [model for model in result.ranked if any(model in found.scores for found in result.rounds)]
    if len(ids) < 2:
        return ()
    rankings = {name: _values(result, ids, name) for name in result.proxy_names}
    return tuple(
        Agreement(proxies=(a, b), tau=None if np.isnan(tau) else tau)
        for a, b in combinations(result.proxy_names, 2)
        for tau in [float(weightedtau(rankings[a], rankings[b]).statistic)]
    )


def _values(result: "Result", ids: Sequence[str], proxy: str) -> list[float]:
    """A number for each model of ``ids`` that rises with its place by ``proxy``; equal ones stay equal."""
    keys = {}
    for model in ids:
        reached = max(i for i, found in enumerate(result.rounds) if model in found.scores)
        found = result.rounds[reached]
        keys[model] = (
            reached,
            found.scores[model] if proxy == result.proxy_names[0] else found.further[proxy][model],
        )
    order = sorted(set(keys.values()))
    return [float(order.index(keys[model])) for model in ids]


def _versions() -> dict[str, str]:
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
