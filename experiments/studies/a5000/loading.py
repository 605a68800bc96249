"""What loading takes on the paper's machine: of whole models, and of blocks alone.

A whole model is a file that is read at the store's bandwidth and takes more by its blocks and by its bytes. Out of
the system's memory nothing is read and a share of the rest is left. Blocks alone take less of the same kind; no
figure shows them out of the memory alone, so that their share is taken to be that of whole models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np

from alsatian.costs.hardware import LoadCost
from experiments.predictions.chains import PUBLISHED, Chain
from experiments.studies import published as paper
from experiments.studies.published import Fit, Part, fit

SEEDS = 40
"""Sets drawn for what a published set may have had."""


@dataclass(frozen=True)
class Loads:
    """What a search loads: blocks and bytes from the store, and later out of the system's memory."""

    blocks: float
    nbytes: float
    blocks_again: float
    bytes_again: float

    @property
    def read_s(self) -> float:
        """Seconds of the store."""
        return self.nbytes / paper.BANDWIDTH

    def work(self, share: float) -> list[float]:
        """Blocks and bytes, where ``share`` of those out of the memory count."""
        return [self.blocks + share * self.blocks_again, self.nbytes + share * self.bytes_again]


def loads(bar: Part, chains: Mapping[str, Chain]) -> Loads:
    """What the search of ``bar`` loads; in 64 GB everything that was read stays."""
    chain = chains[PUBLISHED[bar.workload]]
    if bar.approach == "alsatian":
        return shared(chain, paper.DISTRIBUTIONS[bar.distribution])
    again = sum(models for models, _ in bar.training) - paper.MODELS
    blocks, nbytes = len(chain.parameter_bytes), sum(chain.parameter_bytes)
    return Loads(paper.MODELS * blocks, paper.MODELS * nbytes, again * blocks, again * nbytes)


@cache
def shared(chain: Chain, distribution: str) -> Loads:
    """Distinct blocks of every round of the published halving: medians over sets and rankings."""
    found = []
    for seed in range(SEEDS):
        models = chain.models(paper.MODELS, distribution, seed)
        ranked = np.random.default_rng(seed).permutation(paper.MODELS)
        sizes = []
        for count in paper.left():
            left = [models[i] for i in ranked[:count]]
            sizes.append({block.identity: block.parameter_bytes for model in left for block in model.blocks})
        first, *others = [(len(one), sum(one.values())) for one in sizes]
        found.append((*first, *map(sum, zip(*others, strict=True))))
    return Loads(*map(median, zip(*found, strict=True)))


def calibrate_loading(chains: Mapping[str, Chain]) -> dict[str, Fit]:
    """Fits to the bars of preparing models: of whole ones, of what is left out of the memory, of blocks."""
    base = [*paper.parts("prepare_model", "base"), paper.whole_load()]
    whole = fit(
        "whole models from the store: seconds of a block, of a byte, beside file size over bandwidth",
        base,
        lambda bar: loads(bar, chains).work(0),
        lambda bar: loads(bar, chains).read_s,
    )

    def seconds(bar: Part) -> tuple[float, float]:
        """Of whole models: from the store, and what the rest would take from there."""
        found = loads(bar, chains)
        first, both = (float(np.dot(whole.values, found.work(share))) for share in (0, 1))
        return found.read_s + first, both - first

    again = fit(
        "share of that which is left for whole models in memory",
        paper.parts("prepare_model", "shift"),
        lambda bar: seconds(bar)[1:],
        lambda bar: seconds(bar)[0],
    )
    blocks = fit(
        "blocks alone from the store: seconds of a block, of a byte, beside its size over bandwidth",
        paper.parts("prepare_model", "alsatian"),
        lambda bar: loads(bar, chains).work(again.values[0]),
        lambda bar: loads(bar, chains).read_s,
    )
    return {"whole": whole, "again": again, "blocks": blocks}


def load_cost(cold: Fit, again: Fit) -> LoadCost:
    """Of ``cold`` loads, of which ``again`` is left out of the memory."""
    (per_block, per_byte), (left,) = cold.values, again.values
    return LoadCost(
        load_fixed_s=left * per_block,
        load_bytes_per_s=1 / (left * per_byte),
        store_fixed_s=(1 - left) * per_block,
        store_bytes_per_s=1 / (1 / paper.BANDWIDTH + (1 - left) * per_byte),
    )
