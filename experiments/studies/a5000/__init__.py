"""A hardware profile of the paper's machine, from its figures.

Fits an RTX A5000 to the bars of these figures, estimates an H200 from it, writes ``conf/hardware/a5000.json`` and
``h200.json``, and says how well the fits meet the bars that they were made from. Nothing else of the paper is used.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost, StartCost
from alsatian.costs.keys import shape_key
from experiments.predictions.chains import PUBLISHED, SETS, Chain, read_chains
from experiments.studies import published as paper
from experiments.studies.a5000.loading import calibrate_loading, load_cost
from experiments.studies.published import Fit, fit
from experiments.studies.study import Page, Say, table

MEMORY = 64e9
"""Bytes of the paper's main memory."""
SOURCE = (
    "published: RTX A5000 with 64 GB of memory and a store of 200 MB/s, calibrated on Figs 5, 11 and 12 and one "
    "bar of Fig 16 by alsatian study a5000. Assumed: inference is in proportion to items, an architecture's sum "
    "from Fig 5 (whose shares turn into seconds since its part of preparing the model is file size over 200 MB/s), "
    "scaled by what ResNet-152 takes in Fig 11; blocks share it as in Fig 12 (ResNet-152, ViT-L-32) or by "
    "operations and bytes moved at ResNet-152's rates (ResNet-18, EfficientNetV2-L); for BERT, which is not in "
    "these figures, time is in proportion to that work from ViT-L-32; loading is 200 MB/s and a time per block "
    "and byte, other ones for whole models and for blocks alone, of which files that the system's memory has "
    "take the same share in both; a reader of data is started for every pass and "
    "the first 128 items are waited for; a proxy costs a time per mini-batch; copies between tiers and steps "
    "of a plan cost nothing"
)
ESTIMATED = (
    "estimated, not measured: a5000 with inference scaled by data sheets. Bytes moved: 4800 over 768 GB/s. "
    "Operations: dense TF32, 494 over 55.6 TFLOP/s, for convolutional networks, and FP32, 67 over 27.8 "
    "TFLOP/s, for transformers, whose matrix products PyTorch computes in FP32 unless told otherwise. Nothing "
    "is taken off for launching kernels, so small batches take longer. The host's parts are as on a5000, but "
    "whole models load as their blocks do and the store's own speed is 7 GB/s. Base: "
)
# Data sheets: NVIDIA RTX A5000, NVIDIA H200 SXM.
MOVING = 4800 / 768
TF32, FP32 = 494 / 55.6, 67 / 27.8
TRANSFORMERS = ("ViT-L-32", "BERT")


ALIKE = {"BERT": "ViT-L-32"}
"""Chains that Fig 5 does not show, and those whose rate they are taken to have."""
ALL = ("base", "shift", "alsatian")


def calibrate(chains: Mapping[str, Chain]) -> dict[str, Fit]:
    """All fits, by name. What Alsatian shares of data and inference is for the simulator to find."""
    data, inference = (paper.parts(part, "base", "shift") for part in ("prepare_data", "inference"))
    scoring = paper.parts("proxy_scoring", *ALL)
    return calibrate_loading(chains) | {
        "data": fit("seconds of a start, of an item waited for, of an item", data, lambda bar: bar.reading),
        "inference": fit("seconds of an item of ResNet-152", inference, lambda bar: bar.reading[2:]),
        "scoring": fit("seconds of a score, of a mini-batch in all epochs", scoring, lambda bar: bar.scoring),
    }


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
    start, wait, item = fits["data"].values
    score, step = fits["scoring"].values
    # What ResNet-152 takes in Fig 11 over what it takes in Fig 5.
    rate = fits["inference"].values[0] / paper.item_seconds("ResNet-152")
    return Hardware(
        name="a5000",
        source=SOURCE,
        segments=_segments(block_times(chains, rate)),
        **vars(load_cost(fits["blocks"], fits["again"])),
        whole_models=load_cost(fits["whole"], fits["again"]),
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
        whole_models=None,
        page_cache_bytes=0.0,
    )


def _segments(times: Mapping[str, float]) -> dict[str, SegmentCost]:
    return {key: SegmentCost(((paper.BATCH, seconds * paper.BATCH),)) for key, seconds in times.items()}


def _preparing(chains: Mapping[str, Chain]) -> str:
    """Seconds that Fig 5 has for preparing the most items, by workload."""
    names = [name for name in PUBLISHED if name in paper.FILE_BYTES and PUBLISHED[name] in chains]
    return ", ".join(f"{paper.seconds_of(name, 'prepare_data')[9216]:.2f} ({name})" for name in names)


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
            "From Figs 5, 11 and 12, and one bar of Fig 16. The results are `hardware=a5000` and `hardware=h200`.",
            "\n".join(f"- {hardware.name}: {hardware.source}" for hardware in profiles),
            "## Inference\n\nMilliseconds an item, at the input that `conf/network` says. The paper names "
            "no size of EfficientNetV2-L's, which its numbers decide: preparing 9,216 items takes "
            f"{_preparing(chains)} s in Fig 5, so they are decoded to the same size; and at 480 pixels it would "
            "need some 50 TFLOP/s of a GPU that has 55.6, where ResNet-152 gets 15.",
            table(sums, **dict.fromkeys(("a5000", "h200", "Fig 5"), "{:.3f}")),
            "## Fitted to the bars of Fig 11, and one of Fig 16",
            "Every other number is the paper's own or stands above as assumed.",
            table(
                {
                    "part": one.part,
                    "what": one.meaning,
                    "values": ", ".join(f"{value:.4g}" for value in one.values),
                    "fitted to": one.sources,
                }
                for one in fits.values()
            ),
            table(bars, seconds="{:.1f}", fitted="{:.1f}", error="{:+.1%}"),
            "Of Alsatian's bars preparing the data and inference are not fitted: what a search shares is for the "
            "simulator to find. They need more data preparation than the fit for the other two says, for which "
            "these figures have no explanation.",
        ],
    )
