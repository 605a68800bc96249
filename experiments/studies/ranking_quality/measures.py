"""How well an order of candidates agrees with what they reach when they are fine-tuned.

``truth`` are accuracies and ``scores`` what a proxy says, both (M,), in the same order of candidates.
"""

from collections.abc import Sequence

import numpy as np
from scipy import stats

DRAWS = 1000
"""Random orders that a control is the mean of."""


def weighted_tau(truth: np.ndarray, scores: np.ndarray) -> float:
    """Weighted Kendall's τ, in which candidates count by their rank in the ground truth.

    As in the literature on these proxies (since You et al., LogME, ICML 2021): additive hyperbolic weights,
    1 / (r + 1) for rank r from 0; source: S. Vigna, "A Weighted Correlation Index for Rankings with Ties" (WWW
    2015). 1 for the same order, -1 for the opposite; NaN where all truths or all scores are equal.
    """
    if len(np.unique(truth)) == 1 or len(np.unique(scores)) == 1:
        return float("nan")
    return float(stats.weightedtau(truth, scores, rank=None).statistic)


def pearson(truth: np.ndarray, scores: np.ndarray) -> float:
    """Pearson's correlation; NaN where all truths or all scores are equal, or a score is not finite."""
    if not np.isfinite(scores).all() or np.ptp(truth) == 0 or np.ptp(scores) == 0:
        return float("nan")
    return float(stats.pearsonr(truth, scores).statistic)


def order(scores: np.ndarray) -> np.ndarray:
    """Candidates by falling score; ties in their given order, as a search ranks them."""
    return np.argsort(-scores, kind="stable")


def regret(truth: np.ndarray, ranking: Sequence[int] | np.ndarray, count: int) -> float:
    """What fine-tuning the first ``count`` of ``ranking`` loses against fine-tuning all, in percentage points."""
    return 100 * float(truth.max() - truth[np.asarray(ranking)[:count]].max())


def drawn_orders(scores: np.ndarray, seed: int) -> np.ndarray:
    """``DRAWS`` orders (DRAWS, M) by falling ``scores``, ties drawn at random: any order if all are equal."""
    rng = np.random.default_rng(seed)
    shuffled = np.stack([rng.permutation(len(scores)) for _ in range(DRAWS)])
    return np.stack([one[order(scores[one])] for one in shuffled])
