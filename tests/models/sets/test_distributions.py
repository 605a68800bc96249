"""How many blocks change follows the paper's three distributions."""

import numpy as np
import pytest

from alsatian.errors import ConfigError
from alsatian.models.sets.distributions import DISTRIBUTIONS, changed_blocks, lineage


@pytest.mark.parametrize("blocks", [1, 2, 9, 53])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_at_least_one_block_changes_and_at_most_all(distribution: str, blocks: int) -> None:
    rng = np.random.default_rng(0)
    drawn = [changed_blocks(distribution, blocks, rng) for _ in range(500)]
    assert all(isinstance(n, int) and 1 <= n <= blocks for n in drawn)
    assert len(set(drawn)) > 1 or blocks <= 2


@pytest.mark.parametrize(
    ("distribution", "mean", "deviation"), [("top_layers", 10, 5), ("top_25", 25, 12.5), ("top_50", 50, 12.5)]
)
def test_mean_and_spread_are_the_papers(distribution: str, mean: float, deviation: float) -> None:
    """Of 100 blocks; cutting the normal off at zero moves both by a little."""
    rng = np.random.default_rng(0)
    drawn = np.array([changed_blocks(distribution, 100, rng) for _ in range(4000)])
    assert drawn.mean() == pytest.approx(mean, rel=0.05)
    assert drawn.std() == pytest.approx(deviation, rel=0.1)


def test_draws_are_seeded() -> None:
    one, two, three = (
        [changed_blocks("top_25", 50, rng) for _ in range(20)]
        for rng in (np.random.default_rng(1), np.random.default_rng(1), np.random.default_rng(2))
    )
    assert one == two != three


def test_an_unknown_distribution_brings_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"distribution=top25 is unknown; did you mean 'top_25'\?"):
        changed_blocks("top25", 10, np.random.default_rng(0))


def test_lineage_copies_earlier_models() -> None:
    drawn = list(lineage(200, 9, "top_50", seed=4))
    assert len(drawn) == 199
    assert all(parent < i and 1 <= changed <= 9 for i, (parent, changed) in enumerate(drawn, start=1))
    assert len({parent for parent, _ in drawn}) > 50
    assert drawn == list(lineage(200, 9, "top_50", seed=4)) != list(lineage(200, 9, "top_50", seed=5))
    assert drawn[:50] == list(lineage(51, 9, "top_50", seed=4))
    assert min(changed for _, changed in lineage(500, 4, "top_layers", seed=0, clones=True)) == 0
