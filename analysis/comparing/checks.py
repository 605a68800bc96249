"""Checks of the results: equal scores whatever the strategy, and speed-ups that should be reached."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from alsatian.records import Run
from alsatian.units import count_text, factor_text
from analysis.comparing.comparable import arithmetic, reference
from analysis.comparing.disturbances import MARK
from analysis.comparing.labels import in_order
from analysis.comparing.measurements import wall


class Mismatch(NamedTuple):
    """A model whose result differs between two runs. Equal scores: the digests of its features differ."""

    model: str
    train_items: int
    score_a: float
    score_b: float


@dataclass(frozen=True)
class ScoreCheck:
    """Two runs that must agree bit for bit in what both computed.

    Attributes:
        a: label of one run.
        b: label of the other.
        compared: training items and model of every score that both computed.
        mismatches: where the score or the features differ.
        fingerprints: number of scores of which the digests of the features were compared as well.
    """

    a: str
    b: str
    compared: frozenset[tuple[int, str]]
    mismatches: list[Mismatch]
    fingerprints: int

    @property
    def shared(self) -> int:
        """The number of scores that were compared."""
        return len(self.compared)


def compare_scores(runs: Sequence[Run]) -> list[ScoreCheck]:
    """Compare every two finished runs whose scores are expected to agree (see ``comparable.arithmetic``).

    Scores are compared with ``==`` over rounds with equal training items, features by their digests where
    both runs recorded them. Pairs without a shared score are listed too, with ``shared=0``.
    """
    # Scores of predictions nobody computed.
    computed = [(label, run, arithmetic(run)) for label, run in in_order(runs) if not run.prediction]
    return [
        compare_two(label_a, a, label_b, b)
        for (label_a, a, how_a), (label_b, b, how_b) in combinations(computed, 2)
        if how_a == how_b
    ]


def compare_two(label_a: str, a: Run, label_b: str, b: Run) -> ScoreCheck:
    """Compare what both runs computed, whether or not they are expected to agree."""
    results_a, results_b = _results(a), _results(b)
    both = [(key, results_a[key], results_b[key]) for key in sorted(results_a.keys() & results_b.keys())]
    found = [Mismatch(key[1], key[0], x[0], y[0]) for key, x, y in both if _differ(x, y)]
    fingerprints = sum(x[1] is not None and y[1] is not None for _, x, y in both)
    return ScoreCheck(label_a, label_b, frozenset(key for key, _, _ in both), found, fingerprints)


def verdict(checks: Sequence[ScoreCheck], label: str) -> str:
    """What ``checks`` say about the run called ``label``, for a table: about each of its scores once."""
    own = [check for check in checks if label in (check.a, check.b)]
    compared = frozenset[tuple[int, str]]().union(*(check.compared for check in own))
    different = {(m.train_items, m.model) for check in own for m in check.mismatches}
    return agreement(len(compared), len(different))


def agreement(compared: int, different: int) -> str:
    """Of how many compared scores how many differ, e.g. ``"identical (58 scores)"`` or ``"DIFFERENT: 3 of 58"``."""
    if not compared:
        return "nothing shared"
    return f"DIFFERENT: {different} of {compared}" if different else f"identical ({count_text(compared, 'score')})"


def targets(runs: Sequence[Run]) -> list[str]:
    """Whether each alsatian run is as fast as its configuration wants, e.g. ``targets: {base: 3.0}``, a line each.

    A factor is the median wall time of the run of the other strategy under the same conditions over the run's own,
    e.g. ``"alsatian over base: 4.1× (target 3×: reached)"``.
    """
    labelled = in_order(runs)
    names = {run.run_id: label for label, run in labelled}
    lines = []
    for label, run in labelled:
        wanted = run.config.get("targets")
        if run.strategy != "alsatian" or not isinstance(wanted, Mapping):
            continue
        for over, factor in wanted.items():
            if isinstance(factor, int | float) and math.isfinite(factor):
                other = reference(run, runs, over)
                shown = f"not measured (target {factor:g}×)"
                if other:
                    ratio = wall(other).median / wall(run).median
                    decides = not (other.disturbed or run.disturbed)
                    shown = _reached(ratio, factor) if decides else _undecided(ratio, factor)
                lines.append(f"{label} over {names[other.run_id] if other else over}: {shown}")
    return lines


def _reached(measured: float, factor: float) -> str:
    """A factor just short of its target must not read as if it were the target."""
    if measured >= factor:
        return f"{factor_text(measured)} (target {factor:g}×: reached)"
    return f"{math.floor(measured * 100) / 100:.2f}× (target {factor:g}×: not reached)"


def _undecided(measured: float, factor: float) -> str:
    return f"{factor_text(measured)}{MARK} (target {factor:g}×: not decided)"


_Result = tuple[float, str | None]


def _results(run: Run) -> dict[tuple[int, str], _Result]:
    """Score and digest of features, if recorded, by training items and model."""
    return {
        (r.train_items, model): (score, r.fingerprints.get(model))
        for r in run.rounds
        for model, score in r.scores.items()
    }


def _differ(x: _Result, y: _Result) -> bool:
    return x[0] != y[0] or (x[1] is not None and y[1] is not None and x[1] != y[1])
