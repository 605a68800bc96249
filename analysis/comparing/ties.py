"""What so few test items can tell apart: equal scores, scores within the standard error, and scores at chance."""

import math
from collections.abc import Mapping, Sequence

from alsatian.records import Run
from alsatian.units import count_text, printable
from analysis.comparing.comparable import computed
from analysis.comparing.labels import grouped, in_order, some

# Proxies whose score is the share of test items that are classified correctly, by the name of their class: for
# records that do not say standard errors themselves.
ACCURACIES = frozenset({"Linear"})
EQUAL = "equal to the one before"
CLOSE = "within the best one's standard error"
_NAMED = 5


def standard_error(share: float, items: int) -> float:
    """Of a share of so many independent items: sqrt(p (1 - p) / n)."""
    return math.sqrt(share * (1 - share) / items)


def notes(run: Run) -> dict[str, str]:
    """What is to be said beside the score of a model, by model, where there is something.

    Scores are compared within a round; the standard error only tells apart scores that are accuracies.
    """
    if not run.rounds:
        return {}
    last = {
        model: (place, score) for place, found in enumerate(run.rounds) for model, score in found.scores.items()
    }
    ranked = [model for model in run.ranking if model in last]
    close = _close(run, run.rounds[-1].scores)
    found = {}
    for before, model in zip([None, *ranked], ranked, strict=False):
        said = [EQUAL] * (before is not None and last[before] == last[model]) + [CLOSE] * (model in close)
        if said:
            found[model] = ", ".join(said)
    return found


def lines(runs: Sequence[Run]) -> list[str]:
    """Lines for all rankings; runs that agree share them."""
    labelled = in_order(runs)
    groups = grouped((line, label) for label, run in labelled for line in _lines(run))
    where = {line: "" if len(who) == len(labelled) else f" in {some(who)}" for line, who in groups.items()}
    return [printable(f"Ranking{runs}: {line}") for line, runs in where.items()]


def _lines(run: Run) -> list[str]:
    scores = run.rounds[-1].scores if run.rounds else {}
    if run.winner not in scores:  # it has none in a prediction
        return list(run.warnings)
    best, count = scores[run.winner], run.dataset.test_items
    others = [model for model in run.ranking if model in scores and model != run.winner]
    equal = [model for model in others if scores[model] == best]
    close = [model for model in others if model in _close(run, scores)]
    found = list(run.warnings)
    if equal:
        found.append(f"{_some(equal)} {_have(equal)} the same score as the best, {run.winner}: {best:.4f}")
    if close:
        error = f"{standard_error(best, count):.4f} with {count_text(count, 'test item')}"
        found.append(f"{_some(close)} {_are(close)} within the standard error of the best, {run.winner} ({error})")
    if _is_accuracy(run):
        chance, how = _chance(run)
        if best <= chance + standard_error(chance, count):
            found.append(f"the best, {run.winner}, is at chance: {best:.4f}, where {how} gives {chance:.4f}")
    return found


def _close(run: Run, scores: Mapping[str, float]) -> set[str]:
    """Models whose ``scores`` are less than the winner's, but by so little that it may be chance."""
    best = scores.get(run.winner or "")
    if best is None or not _is_accuracy(run) or not run.dataset.test_items:
        return set()
    known = run.rounds[-1].standard_errors.get(run.winner or "") if run.rounds else None
    error = standard_error(best, run.dataset.test_items) if known is None else known
    return {model for model, score in scores.items() if model != run.winner and 0 < best - score <= error}


def _is_accuracy(run: Run) -> bool:
    if run.rounds and run.rounds[-1].standard_errors:
        return True
    proxy = run.config.get("proxy")
    name = str(proxy.get("_target_", "")) if isinstance(proxy, dict) else ""
    return computed(run) and name.rpartition(".")[2] in ACCURACIES


def _chance(run: Run) -> tuple[float, str]:
    """The share that needs no features, and what would reach it."""
    summary = run.dataset.summary
    if summary is None or not summary.test_items or not summary.classes:
        return 1 / max(1, run.dataset.classes), f"one of {run.dataset.classes} classes at random"
    largest = max(summary.classes, key=lambda one: one.test_items)
    return largest.test_items / summary.test_items, f"the largest class, {largest.name}, for every item"


def _some(models: Sequence[str]) -> str:
    more = f" and {len(models) - _NAMED:,} more" if len(models) > _NAMED else ""
    return ", ".join(models[:_NAMED]) + more


def _have(models: Sequence[str]) -> str:
    return "has" if len(models) == 1 else "have"


def _are(models: Sequence[str]) -> str:
    return "is" if len(models) == 1 else "are"
