"""How far scores move with the numbers and kernels that features are computed with."""

from collections.abc import Mapping, Sequence
from statistics import median

from alsatian.records import Run
from alsatian.units import count_text
from analysis.comparing.comparable import USUAL, computing, scored
from analysis.comparing.labels import grouped

_Scores = Mapping[tuple[int, str], float]


def lines(runs: Sequence[Run]) -> list[str]:
    """A line for each choice of numbers and kernels that ``runs`` differ by: how far its scores are from those of
    fp32, and whether models change places."""
    found = []
    for same in grouped((scored(run), run) for run in runs if run.ok and not run.prediction).values():
        choices = grouped((computing(run), run) for run in same)
        # fp32 is what others are measured by, by the kernels that modules are written with if they are there.
        first = min(choices, key=lambda choice: (choice != USUAL, choice[0] != USUAL[0]))
        usual = _scores(choices.pop(first))
        for choice, own in choices.items():
            other = _scores(own)
            if both := sorted(usual.keys() & other.keys()):
                found.append(f"{_named(choice)} against {_named(first)}: {_told(both, usual, other)}")
    return found


def _told(both: Sequence[tuple[int, str]], usual: _Scores, other: _Scores) -> str:
    distances = [abs(usual[key] - other[key]) for key in both]
    most = max(items for items, _ in both)
    models = [model for items, model in both if items == most]
    # Models with equal scores share a place.
    places = [{model: sum(s[most, m] > s[most, model] for m in models) for model in models} for s in (usual, other)]
    moved = [model for model in models if places[0][model] != places[1][model]]
    best = [{model for model, place in own.items() if place == 0} for own in places]
    if not any(distances):
        return f"{count_text(len(both), 'score')}, all equal"
    return (
        f"{count_text(len(both), 'score')}, which differ by {median(distances):.2g} in the median and "
        f"{max(distances):.2g} at most; {len(moved):,} of {count_text(len(models), 'model')} on {most:,} training "
        f"items changed places, the best is {'the same' if best[0] & best[1] else 'another'}"
    )


def _scores(runs: Sequence[Run]) -> _Scores:
    return {(r.train_items, model): score for run in runs for r in run.rounds for model, score in r.scores.items()}


def _named(choice: tuple[str, str]) -> str:
    return f"{choice[0]} by {choice[1]} kernels"
