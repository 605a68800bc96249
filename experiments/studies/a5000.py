"""A hardware profile of the paper's machine, from its figures.

Fits an RTX A5000 to the bars of these figures, estimates an H200 from it, writes ``conf/hardware/a5000.json`` and
``h200.json``, and says how well the fits meet the bars that they were made from. Nothing else of the paper is used.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from statistics import median

import numpy as np
from scipy.optimize import nnls

from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost, StartCost
from alsatian.costs.keys import shape_key
from experiments.predictions.chains import PUBLISHED, SETS, Chain, read_chains
from experiments.studies import published as paper
from experiments.studies.published import Fit, Part, fit
from experiments.studies.study import Page, Say, table

MEMORY = 64e9
"""Bytes of the paper's main memory."""
SOURCE = (
    "published: RTX A5000 with 64 GB of memory and a store of 200 MB/s, calibrated on Figs 5, 11 and 12 by "
    "experiments/studies/a5000.py. Assumed: inference is in proportion to items, an architecture's sum from "
    "Fig 5 (whose shares turn into seconds since its part of preparing the model is file size over 200 MB/s), "
    "scaled by what ResNet-152 takes in Fig 11; blocks share it as in Fig 12 (ResNet-152, ViT-L-32) or by "
    "operations and bytes moved at ResNet-152's rates (ResNet-18, EfficientNetV2-L at 224 pixels, since its "
    "time is below what 480 need); at 480 pixels, and for BERT, which is not in these figures, time is in "
    "proportion to that work from EfficientNetV2-L at 224 and from ViT-L-32; loading is 200 MB/s and a time "
    "per block, less for files that the system's memory has; a reader of data is started for every pass and "
    "the first 128 items are waited for; a proxy costs a time per mini-batch; copies between tiers and steps "
    "of a plan cost nothing"
)
ESTIMATED = (
    "estimated, not measured: a5000 with inference scaled by data sheets. Bytes moved: 4800 over 768 GB/s. "
    "Operations: dense TF32, 494 over 55.6 TFLOP/s, for convolutional networks, and FP32, 67 over 27.8 "
    "TFLOP/s, for transformers, whose matrix products PyTorch computes in FP32 unless told otherwise. Nothing "
    "is taken off for launching kernels, so small batches take longer. The host's parts are as on a5000, but "
    "every read is as cold as the storage regime says and the store's own speed is 7 GB/s. Base: "
)
# Data sheets: NVIDIA RTX A5000, NVIDIA H200 SXM.
MOVING = 4800 / 768
TF32, FP32 = 494 / 55.6, 67 / 27.8
TRANSFORMERS = ("ViT-L-32", "BERT")


ALIKE = {"BERT": "ViT-L-32", "EfficientNetV2-L": "EfficientNetV2-L at 224"}
"""Chains that Fig 5 does not show, and those whose rate they are taken to have."""
ALL = ("base", "shift", "alsatian")
SEEDS = 40
"""Sets drawn for the bytes that a published set may have had."""


def calibrate(chains: Mapping[str, Chain]) -> dict[str, Fit]:
    """All fits, by the part of a search that they are of.

    SHiFT loads a model in every round, from the second on out of the system's memory, which holds all of them.
    Alsatian is taken to load every distinct block of the set once.
    """

    def loads(bar: Part) -> list[float]:
        chain = chains[PUBLISHED[bar.workload]]
        if bar.approach == "alsatian":
            return [distinct(chain, paper.DISTRIBUTIONS[bar.distribution])[0], 0.0]
        depth = len(chain.parameter_bytes)
        return [paper.MODELS * depth, (sum(models for models, _ in bar.training) - paper.MODELS) * depth]

    def read_s(bar: Part) -> float:
        chain, nbytes = chains[PUBLISHED[bar.workload]], paper.MODELS * paper.FILE_BYTES[bar.workload]
        if bar.approach == "alsatian":
            nbytes = distinct(chain, paper.DISTRIBUTIONS[bar.distribution])[1]
        return nbytes / paper.BANDWIDTH

    fits = (
        fit("prepare_model", "seconds of a block from the store and of one in memory", loads, read_s, ALL),
        fit("prepare_data", "seconds of a start, of an item waited for, of an item", lambda bar: bar.reading),
        fit("inference", "seconds of an item of ResNet-152", lambda bar: bar.reading[2:]),
        fit(
            "proxy_scoring", "seconds of a score, of a mini-batch in all epochs", lambda bar: bar.scoring, used=ALL
        ),
    )
    return {one.part: one for one in fits}


@cache
def distinct(chain: Chain, distribution: str) -> tuple[float, float]:
    """Distinct blocks of a set, and their bytes: medians over sets with different seeds."""
    counts, sizes = [], []
    for seed in range(SEEDS):
        models = chain.models(paper.MODELS, distribution, seed)
        blocks = {block.identity: block.parameter_bytes for model in models for block in model.blocks}
        counts.append(len(blocks))
        sizes.append(sum(blocks.values()))
    return median(counts), median(sizes)


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


def a5000(chains: Mapping[str, Chain], fits: Mapping[str, Fit]) -> Hardware:
    """The paper's machine."""
    cold, warm = fits["prepare_model"].values
    start, wait, item = fits["prepare_data"].values
    score, step = fits["proxy_scoring"].values
    # What ResNet-152 takes in Fig 11 over what it takes in Fig 5.
    rate = fits["inference"].values[0] / paper.item_seconds("ResNet-152")
    return Hardware(
        name="a5000",
        source=SOURCE,
        segments=_segments(block_times(chains, rate)),
        load_fixed_s=warm,
        store_fixed_s=cold - warm,
        store_bytes_per_s=paper.BANDWIDTH,
        page_cache_bytes=MEMORY,
        prepare_s={"": item},
        prepare_start=StartCost(start, wait, paper.BATCH),
        score=ScoreCost(fixed_s=score, step_items=paper.BATCH, step_s=step),
    )


def h200(chains: Mapping[str, Chain], base: Hardware) -> Hardware:
    """An H200 in its place."""
    times = {}
    per_flop, per_byte = work_rates(chains["ResNet-152"])
    for name, chain in chains.items():
        shape = shape_key(SETS[name].spec, chain.preprocessing)
        computing = FP32 if name in TRANSFORMERS else TF32
        for i, (flops, moved) in enumerate(zip(chain.flops, chain.moved_bytes, strict=True)):
            operations, memory = per_flop * flops, per_byte * moved
            faster = (operations + memory) / (operations / computing + memory / MOVING)
            times[f"{shape}/{i}"] = base.segments[f"{shape}/{i}"].seconds(1) / faster
    return replace(
        base,
        name="h200",
        source=ESTIMATED + base.source,
        segments=_segments(times),
        store_bytes_per_s=7e9,
        page_cache_bytes=0.0,
    )


def _segments(times: Mapping[str, float]) -> dict[str, SegmentCost]:
    return {key: SegmentCost(((paper.BATCH, seconds * paper.BATCH),)) for key, seconds in times.items()}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--profiles", type=Path, default=Path("conf/hardware"), help="for the two profiles")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Fit, write the profiles, and report."""
    chains = read_chains()
    fits = calibrate(chains)
    base = a5000(chains, fits)
    profiles = [base, h200(chains, base)]
    for hardware in profiles:
        hardware.write(options.profiles / f"{hardware.name}.json")
    say(f"written: {options.profiles}/a5000.json, h200.json")
    published = {name: workload for workload, name in PUBLISHED.items()}
    sums = []
    for name, chain in chains.items():
        shape, workload = shape_key(SETS[name].spec, chain.preprocessing), published.get(name)
        row: dict[str, object] = {"architecture": f"{name} ({shape})"}
        for hardware in profiles:
            own = [cost.seconds(1) for key, cost in hardware.segments.items() if key.startswith(f"{shape}/")]
            row[hardware.name] = 1e3 * sum(own)
        row["Fig 5"] = 1e3 * paper.item_seconds(workload) if workload in paper.FILE_BYTES else None
        sums.append(row)
    bars = [
        {**asdict(bar), "fitted": said, "error": said / bar.seconds - 1}
        for one in fits.values()
        for bar, said in one.said
    ]
    yield Page(
        "An RTX A5000 from the paper's figures",
        [
            "From Figs 5, 11 and 12, and no other figure. The results are `hardware=a5000` and `hardware=h200`.",
            "\n".join(f"- {hardware.name}: {hardware.source}" for hardware in profiles),
            "## Inference\n\nMilliseconds an item.",
            table(sums, **dict.fromkeys(("a5000", "h200", "Fig 5"), "{:.3f}")),
            "## Fits to the bars of Fig 11",
            "\n".join(f"- {f.part}: {f.meaning}: {', '.join(f'{v:.4g}' for v in f.values)}" for f in fits.values()),
            table(bars, seconds="{:.1f}", fitted="{:.1f}", error="{:+.1%}"),
            "Of Alsatian's bars preparing the data and inference are not fitted: what a search shares is for the "
            "simulator to find. They need more data preparation than the fit for the other two says, for which "
            "these figures have no explanation.",
        ],
    )
