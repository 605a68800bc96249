"""Generated film reviews: text of the lengths that IMDB's have, for machines without that dataset."""

import math

import numpy as np

from alsatian.data.dataset import Dataset, make_dataset
from alsatian.data.text import text_items
from alsatian.errors import ConfigError

# Words of a review in IMDB: median 174, mean 234, shortest and longest. Lengths are log-normal.
MEDIAN, MEAN, SHORTEST, LONGEST = 174, 234, 10, 2470
# Every so many words one that tells the class.
TELLING = 12

_COMMON = """
the a an of and to in it is this that was as for with on but his her they you not are be one all at by have who so
from like or just about out if has there what some good when very up no time my even would she which only really
story see their had can me than much were get other been do into don't because how first made way make could too
any after characters then movie film watch two will people did also scenes little plot scene acting never most
life years over where something character off man through love being director actor show end still find while such
here before part old why now go every again actually things music script audience camera
"""
_TELLING = (
    "wonderful brilliant moving delightful superb charming excellent touching gripping memorable",
    "terrible boring awful dreadful pointless clumsy annoying wooden tedious forgettable",
)


def reviews(items: int, test_share: float = 0.2, seed: int = 0) -> Dataset:
    """``items`` reviews, every other one of a film that was liked.

    Raises:
        ConfigError: fewer than two.
    """
    if not isinstance(items, int) or items < 2:
        raise ConfigError(f"dataset.items={items}: must be a whole number of at least 2")
    labels = np.arange(items) % 2
    texts = text_items([review(number, int(label)) for number, label in enumerate(labels)])
    return make_dataset("generated_reviews", texts, labels, test_share=test_share, seed=seed)


def review(number: int, label: int) -> str:
    """One review; the same one for the same numbers."""
    rng = np.random.default_rng(number)
    drawn = rng.lognormal(math.log(MEDIAN), math.sqrt(2 * math.log(MEAN / MEDIAN)))
    length = int(np.clip(drawn, SHORTEST, LONGEST))
    common, telling = _COMMON.split(), _TELLING[label].split()
    words = [common[i] for i in rng.integers(len(common), size=length)]
    for place in range(int(rng.integers(TELLING)) % length, length, TELLING):
        words[place] = str(rng.choice(telling))
    return " ".join(words).capitalize() + "."
