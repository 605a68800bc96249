"""Successive halving that drops a model only where the test items tell it from those that stay.

All models of a round are scored on the same test items, so two scores are compared item by item. That is far
sharper than two standard errors would be, since what is hard for one model is mostly hard for another.

Source of the tests: T. G. Dietterich, "Approximate Statistical Tests for Comparing Supervised Classification
Learning Algorithms", Neural Computation 10 (1998), for McNemar's; of dropping models as soon as a test tells them
apart: O. Maron and A. W. Moore, "Hoeffding Races", NIPS 6 (1994).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from alsatian.errors import ConfigError
from alsatian.searching.schedules import Halving, RoundScores, ranked


@dataclass(frozen=True)
class Confident(Halving):
    """Halving that also keeps every model whose score cannot be told from the cut's.

    The cut is the worst model that halving keeps. A worse one stays if a paired test over the test items gives it
    ``p > level`` (see :func:`p_value`). So level 1 is halving, and level 0 drops nothing. Rounds and their data
    are halving's, whatever stays: the last round sees all data, and with it the search ends. Models without
    outcomes, of proxies whose scores are no means over test items, are kept and dropped as by halving.

    Attributes:
        level: probability, from 0 to 1, of dropping a model that is as good as the cut. It holds for one model in
            one round; nothing is corrected for their number.
    """

    level: float = 0.05
    name: ClassVar[str] = "confident"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.level <= 1:
            raise ConfigError(f"schedule: level={self.level} must lie between 0 and 1, e.g. level=0.05")

    def survivors(self, models: Sequence[str], scores: Mapping[str, float], count: int) -> list[str]:
        """Those of ``models`` that a round keeps, best first: the best ``count``, and what may be as good."""
        order = ranked(models, scores)
        kept, others = order[:count], order[count:]
        outcomes = scores.outcomes if isinstance(scores, RoundScores) else {}
        cut = outcomes.get(kept[-1])
        if cut is None:
            return kept
        return kept + [m for m in others if m in outcomes and p_value(cut, outcomes[m]) > self.level]


def p_value(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Two-sided p-value that two models are equally good, from their outcomes (N,) on the same N test items.

    Of hits and misses (1 and 0), McNemar's exact test: of the ``n = b + c`` items where only one model is right,
    ``b`` are the first one's; if the models were equally good, b would be binomial (n, 1/2), so
    ``p = min(1, 2 * P(X <= min(b, c)))``. Of other outcomes, the paired t-test of their differences. Where no item
    differs, or all by the same, which no test can judge, 1 and 0.
    """
    from scipy import stats  # takes long to import, and most searches have no use for it

    differences = np.asarray(ours, float) - np.asarray(theirs, float)
    if not differences.any():
        return 1.0
    if np.isin(ours, (0, 1)).all() and np.isin(theirs, (0, 1)).all():
        return float(stats.binomtest(int((differences > 0).sum()), int((differences != 0).sum())).pvalue)
    if len(differences) < 2:
        return 1.0  # one item tells nothing
    if np.ptp(differences) == 0:
        return 0.0
    return float(stats.ttest_1samp(differences, 0.0).pvalue)
