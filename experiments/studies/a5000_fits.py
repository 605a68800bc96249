"""Numbers of an RTX A5000 fitted to the bars of Fig 11, and what share of an architecture's time a block takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

import numpy as np
from scipy.optimize import nnls

from alsatian.blocks.candidate import Candidate
from alsatian.costs.keys import shape_key
from experiments.predictions.chains import PUBLISHED, SETS, Chain
from experiments.studies import published_parts as paper
from experiments.studies.published_parts import Bar

DISTRIBUTIONS = {"TOP_LAYERS": "top_layers", "TWENTY_FIVE_PERCENT": "top_25", "FIFTY_PERCENT": "top_50"}
ALIKE = {"BERT": "ViT-L-32", "EfficientNetV2-L": "EfficientNetV2-L at 224"}
"""Chains that Fig 5 does not show, and those whose rate they are taken to have."""
SEEDS = 40
"""Sets drawn for the bytes that a published set may have had."""


@dataclass(frozen=True)
class Fit:
    """Numbers fitted to bars, and seconds of each bar as they say."""

    values: tuple[float, ...]
    said: tuple[tuple[Bar, float], ...]


def fit(bars: Sequence[Bar], rows: Sequence[Sequence[float]], known: Sequence[float] | None = None) -> Fit:
    """Numbers, none below 0, whose product with ``rows`` plus ``known`` seconds meets ``bars``; relative errors
    count."""
    seconds = np.array([bar.seconds for bar in bars])
    base = np.zeros(len(bars)) if known is None else np.array(known)
    matrix = np.array(rows, dtype=float)
    values, _ = nnls(matrix / seconds[:, None], (seconds - base) / seconds)
    return Fit(tuple(map(float, values)), tuple(zip(bars, map(float, matrix @ values + base), strict=True)))


def fit_data(bars: Sequence[Bar]) -> Fit:
    """Starting a reader, waiting for an item of its first batch, an item. Base and SHiFT."""
    used = [bar for bar in bars if bar.part == "prepare_data" and bar.approach != "alsatian"]
    rows = []
    for bar in used:
        passes = [*bar.training, bar.testing]
        waited = sum(models * min(items, paper.BATCH) for models, items in passes)
        rows.append([sum(models for models, _ in passes), waited, sum(models * items for models, items in passes)])
    return fit(used, rows)


def fit_scores(bars: Sequence[Bar]) -> Fit:
    """A score, and a mini-batch of its training in all epochs."""
    used = [bar for bar in bars if bar.part == "proxy_scoring"]
    rows = []
    for bar in used:
        train = bar.items * 4 // 5
        scored = bar.training if bar.approach == "base" else zip(paper.left(), paper.seen_items(train), strict=True)
        pairs = list(scored)
        steps = sum(models * -(-items // paper.BATCH) for models, items in pairs)
        rows.append([sum(models for models, _ in pairs), steps])
    return fit(used, rows)


def fit_inference(bars: Sequence[Bar]) -> Fit:
    """An item of ResNet-152. Base and SHiFT."""
    used = [bar for bar in bars if bar.part == "inference" and bar.approach != "alsatian"]
    rows = [[sum(models * items for models, items in (*bar.training, bar.testing))] for bar in used]
    return fit(used, rows)


def fit_loading(bars: Sequence[Bar], chains: Mapping[str, Chain]) -> Fit:
    """A block from the store, and one that the system's memory has, beside bytes at the store's bandwidth.

    SHiFT loads a model in every round, from the second on out of the system's memory, which holds all of them.
    Alsatian is taken to load every distinct block of the set once.
    """
    used = [bar for bar in bars if bar.part == "prepare_model"]
    rows, known = [], []
    for bar in used:
        chain = chains[PUBLISHED[bar.workload]]
        if bar.approach == "alsatian":
            count, nbytes = distinct(chain, DISTRIBUTIONS[bar.distribution])
            rows.append([count, 0.0])
        else:
            depth = len(chain.parameter_bytes)
            count, nbytes = paper.MODELS * depth, paper.MODELS * paper.FILE_BYTES[bar.workload]
            again = sum(models for models, _ in bar.training) - paper.MODELS
            rows.append([count, again * depth])
        known.append(nbytes / paper.BANDWIDTH)
    return fit(used, rows, known)


@cache
def distinct(chain: Chain, distribution: str) -> tuple[float, float]:
    """Distinct blocks of a set, and their bytes: medians over sets with different seeds."""
    found = [_distinct(chain.models(paper.MODELS, distribution, seed)) for seed in range(SEEDS)]
    return median(count for count, _ in found), median(nbytes for _, nbytes in found)


def _distinct(models: Sequence[Candidate]) -> tuple[int, int]:
    blocks = {block.identity: block.parameter_bytes for model in models for block in model.blocks}
    return len(blocks), sum(blocks.values())


def block_times(chains: Mapping[str, Chain], rate: float) -> dict[str, float]:
    """Seconds per item of every block, by key.

    An architecture's sum is what an item more costs in Fig 5, times ``rate``. Its blocks have the shares of Fig 12
    where that shows them; others share by work, at the rates that ResNet-152's blocks have there. What Fig 5 does
    not show takes as long by work as its like (``ALIKE``).
    """
    found: dict[str, float] = {}
    per_flop, per_byte = work_rates(chains["ResNet-152"])

    def work(chain: Chain) -> list[float]:
        pairs = zip(chain.flops, chain.moved_bytes, strict=True)
        return [per_flop * flops + per_byte * moved for flops, moved in pairs]

    published = {name: workload for workload, name in PUBLISHED.items()}
    for name, chain in chains.items():
        like = ALIKE.get(name, name)
        shares = _shares(published.get(name, ""), chain, work(chain))
        total = rate * paper.item_seconds(published[like])
        if like != name:
            total *= sum(work(chain)) / sum(work(chains[like]))
        key = shape_key(SETS[name].spec, chain.preprocessing)
        found.update({f"{key}/{i}": total * share / sum(shares) for i, share in enumerate(shares)})
    return found


def _shares(workload: str, chain: Chain, work: list[float]) -> list[float]:
    """What the blocks take in proportion to each other."""
    if workload == "ResNet-152":
        return paper.fig12(workload)
    if workload != "ViT-L-32":
        return work
    layers = paper.fig12(workload)
    # The last blocks are the attention and the rest of one layer after the other; those before work as fast.
    first = len(chain.flops) - 2 * len(layers)
    inner = [sum(chain.flops[first + 2 * i : first + 2 * i + 2]) for i in range(len(layers))]
    pace = sum(layers) / sum(inner)
    shares = [pace * flops for flops in chain.flops]
    for i, layer in enumerate(layers):
        for block in (first + 2 * i, first + 2 * i + 1):
            shares[block] = layer * chain.flops[block] / inner[i]
    return shares


def work_rates(chain: Chain) -> tuple[float, float]:
    """Milliseconds per operation and per byte moved, fitted to the blocks of ResNet-152 in Fig 12."""
    times = np.array(paper.fig12("ResNet-152"))
    rows = np.array([chain.flops, chain.moved_bytes], dtype=float).T
    scale = rows.max(axis=0)
    values, _ = nnls(rows / scale / times[:, None], np.ones(len(times)))
    per_flop, per_byte = (float(value) for value in values / scale)
    return per_flop, per_byte
