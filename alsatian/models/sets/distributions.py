"""How many of a model's last blocks differ from its origin's: the paper's three distributions."""

from collections.abc import Iterator

import numpy as np

from alsatian.errors import ConfigError, nearest

# Mean as a share of the blocks, standard deviation as a share of the mean. Source: the paper, synthetic and
# trained model sets.
DISTRIBUTIONS = {"top_layers": (0.10, 1 / 2), "top_25": (0.25, 1 / 2), "top_50": (0.50, 1 / 4)}


def check_distribution(name: str) -> None:
    """Refuse a name that none of ``DISTRIBUTIONS`` has.

    Raises:
        ConfigError: see above.
    """
    if name not in DISTRIBUTIONS:
        raise ConfigError(f"model_set.distribution={name} is unknown; {nearest(name, DISTRIBUTIONS)}")


def changed_blocks(distribution: str, blocks: int, rng: np.random.Generator, least: int = 1) -> int:
    """Draw how many of the last of ``blocks`` blocks change: at least ``least``, at most all.

    A truncated normal over [0, blocks], rounded. Zero would be a clone and counts as one, unless ``least``
    is 0.

    Raises:
        ConfigError: there is no such distribution.
    """
    check_distribution(distribution)
    share, deviation = DISTRIBUTIONS[distribution]
    mean = share * blocks
    while True:
        drawn = rng.normal(mean, deviation * mean)
        if 0 <= drawn <= blocks:
            return max(least, round(drawn))


def lineage(
    count: int, blocks: int, distribution: str, seed: int, *, clones: bool = False
) -> Iterator[tuple[int, int]]:
    """For each of ``count`` models but the first: the earlier model that it copies, and how many of the last of
    ``blocks`` blocks it changes. With ``clones`` that may be none.
    """
    rng = np.random.default_rng(seed)
    for i in range(1, count):
        parent = int(rng.integers(i))
        yield parent, changed_blocks(distribution, blocks, rng, least=0 if clones else 1)
