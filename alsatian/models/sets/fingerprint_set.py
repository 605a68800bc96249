"""Model sets that exist only as fingerprints: chains of block identities and sizes, without any parameters.

They stand for hubs of any size wherever nothing is executed. The models of a family follow the paper's
procedure for synthetic sets: each copies a random earlier one and re-initialises its last blocks. Some share
nothing with their family, as the paper finds on Hugging Face (6 to 13 % in its DETR families, at least 37 %
for ResNet and DINOv2).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.fingerprint import DIGEST_LENGTH
from alsatian.models.sets.distributions import DISTRIBUTIONS, changed_blocks
from alsatian.store.store import BlockStore

_INPUTS = (224, 256, 288, 384)
"""Pixels of the families' inputs."""
_SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC8341082276BF3A27251F86C6A11D0C18E95  # odd: no two numbers meet


@dataclass(frozen=True, kw_only=True)
class GeneratedSet:
    """Iterates over the candidates of a set, making one at a time; iterating again makes equal ones.

    Every candidate has :class:`Block` objects of its own, as if read from a manifest. Of the set itself four
    bytes a block are kept while it is iterated.

    Attributes:
        count: number of models.
        name: for people.
        blocks: of each model.
        models_per_family: on average; each family has a start of its own, a distribution of new blocks, and an
            input size.
        unshared: share of the models whose blocks are all new.
        seed: of everything random.
        like: the architecture and input, as hardware profiles name them, whose times stand for the blocks'; None
            where times do not matter.
    """

    count: int
    name: str = "generated"
    blocks: int = 40
    models_per_family: int = 250
    unshared: float = 0.25
    seed: int = 0
    like: str | None = None

    def __post_init__(self) -> None:
        if min(self.count, self.blocks, self.models_per_family) < 1 or not 0 <= self.unshared <= 1:
            raise ConfigError(
                "a generated set needs at least one model, block and model per family, and unshared between 0 and 1"
            )

    def open(self, store: BlockStore, device: str = "cpu", progress: object = None) -> NoReturn:
        """There is nothing to open.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"model_set={self.name} exists only as fingerprints; predict with alsatian simulate")

    @property
    def families(self) -> int:
        """Number of families that models are drawn from."""
        return -(-self.count // self.models_per_family)

    def __iter__(self) -> Iterator[Candidate]:
        rng = np.random.default_rng(self.seed)
        chains = np.empty((self.count, self.blocks), np.uint32)
        family_of = rng.integers(self.families, size=self.count).tolist()
        members: list[list[int]] = [[] for _ in range(self.families)]
        looks = [_Look.draw(self.blocks, rng) for _ in range(self.families)]
        used = 0
        for i, family in enumerate(family_of):
            earlier, look = members[family], looks[family]
            new = self.blocks
            if earlier and rng.random() >= self.unshared:
                new = changed_blocks(look.distribution, self.blocks, rng)
                chains[i] = chains[earlier[int(rng.random() * len(earlier))]]
            chains[i, self.blocks - new :] = np.arange(used, used + new)
            used += new
            earlier.append(i)
            yield look.candidate(f"{family}/{i}", chains[i].tolist())


@dataclass(frozen=True)
class _Look:
    """What the models of a family have in common beside blocks."""

    distribution: str
    preprocessing: ImagePreprocessing
    sizes: tuple[tuple[int, int], ...]  # parameter and output bytes of each block

    @classmethod
    def draw(cls, blocks: int, rng: np.random.Generator) -> "_Look":
        """Outputs get smaller with depth and parameters more, as in the paper's Fig 12 for ResNet-152."""
        names = sorted(DISTRIBUTIONS)
        pixels = _INPUTS[rng.integers(len(_INPUTS))]
        depth = np.linspace(0, 1, blocks)
        outputs = 8 * pixels**2 * 8.0 ** (-2 * depth) * rng.uniform(0.5, 2, blocks)
        parameters = 1e5 * 100.0**depth * rng.uniform(0.5, 2, blocks)
        sizes = zip(parameters.astype(int).tolist(), outputs.astype(int).tolist(), strict=True)
        return cls(names[rng.integers(len(names))], ImagePreprocessing(pixels), tuple(sizes))

    def candidate(self, name: str, chain: list[int]) -> Candidate:
        blocks = tuple(Block(_identity(number), *size) for number, size in zip(chain, self.sizes, strict=True))
        return Candidate(name, blocks, None, self.preprocessing)


def _identity(number: int) -> str:
    """A string that looks like a digest, another one for every number."""
    return f"{(number + 1) * _SPREAD % (1 << 4 * DIGEST_LENGTH):0{DIGEST_LENGTH}x}"
