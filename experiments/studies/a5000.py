"""Hardware profiles of an RTX A5000, from the paper's Figs 5, 11 and 12, and of an H200, estimated from it.

``python -m experiments.studies.a5000`` writes ``conf/hardware/a5000.json`` and ``h200.json`` and says in
``docs/results/a5000.md`` how well the fits meet the bars that they were made from. Nothing else of the paper is
used.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost, StartCost
from alsatian.costs.keys import shape_key
from alsatian.files import write_bytes
from experiments.predictions.chains import PUBLISHED, SETS, Chain, read_chains
from experiments.studies import a5000_fits as fits
from experiments.studies import published_parts as paper

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


@dataclass(frozen=True)
class Calibration:
    """All fits, by what they are of."""

    inference: fits.Fit
    loading: fits.Fit
    data: fits.Fit
    scores: fits.Fit

    @classmethod
    def of(cls, chains: Mapping[str, Chain]) -> "Calibration":
        """From the published figures."""
        bars = paper.fig11()
        return cls(
            fits.fit_inference(bars), fits.fit_loading(bars, chains), fits.fit_data(bars), fits.fit_scores(bars)
        )

    @property
    def rate(self) -> float:
        """What ResNet-152 takes in Fig 11 over what it takes in Fig 5."""
        return self.inference.values[0] / paper.item_seconds("ResNet-152")


def a5000(chains: Mapping[str, Chain], found: Calibration) -> Hardware:
    """The paper's machine."""
    cold, warm = found.loading.values
    start, wait, item = found.data.values
    score, step = found.scores.values
    return Hardware(
        name="a5000",
        source=SOURCE,
        segments=_segments(fits.block_times(chains, found.rate)),
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
    per_flop, per_byte = fits.work_rates(chains["ResNet-152"])
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


def report(chains: Mapping[str, Chain], found: Calibration, profiles: Sequence[Hardware]) -> str:
    """The calibration in Markdown."""
    lines = [
        "# An RTX A5000 from the paper's figures",
        "",
        "Made by `python -m experiments.studies.a5000` from Figs 5, 11 and 12; no other figure is used. "
        "`hardware=a5000` and `hardware=h200` are the results.",
        "",
        *(f"- {hardware.name}: {hardware.source}" for hardware in profiles),
        "",
        "## Inference",
        "",
        "| architecture | "
        + " | ".join(f"{hardware.name}, ms/item" for hardware in profiles)
        + " | Fig 5, ms/item |",
        "|---" * (2 + len(profiles)) + "|",
    ]
    workloads = {name: workload for workload, name in PUBLISHED.items()}
    for name, chain in chains.items():
        shape = shape_key(SETS[name].spec, chain.preprocessing)
        sums = [
            1e3 * sum(cost.seconds(1) for key, cost in hardware.segments.items() if key.startswith(f"{shape}/"))
            for hardware in profiles
        ]
        workload = workloads.get(name, "")
        seen = f"{1e3 * paper.item_seconds(workload):.3f}" if workload in paper.FILE_BYTES else ""
        lines.append(f"| {name} ({shape}) | " + " | ".join(f"{value:.3f}" for value in sums) + f" | {seen} |")
    parts = (
        ("prepare_model", "seconds of a block from the store and of one in memory", found.loading),
        ("prepare_data", "seconds of a start, of an item that is waited for, and of an item", found.data),
        ("inference", "seconds of an item of ResNet-152", found.inference),
        ("proxy_scoring", "seconds of a score and of a mini-batch of all its epochs", found.scores),
    )
    lines += ["", "## Fits to the bars of Fig 11", ""]
    lines += [f"- {part}: {what}: {', '.join(f'{v:.4g}' for v in found.values)}" for part, what, found in parts]
    lines += ["", "| part | workload | items | distribution | approach | published, s | fitted, s | error |"]
    lines.append("|---" * 8 + "|")
    for part, _, fit in parts:
        for bar, said in fit.said:
            cells = [part, bar.workload, str(bar.items), bar.distribution, bar.approach]
            cells += [f"{bar.seconds:.1f}", f"{said:.1f}", f"{said / bar.seconds - 1:+.1%}"]
            lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Of Alsatian's bars preparing the data and inference are not fitted: what a search shares is for the "
        "simulator to find. They need more data preparation than the fit for the other two says, for which these "
        "figures have no explanation.",
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and write."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.a5000", description=__doc__)
    parser.add_argument("--profiles", type=Path, default=Path("conf/hardware"), help="for the two profiles")
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="for a5000.md")
    options = parser.parse_args(arguments)
    chains = read_chains()
    found = Calibration.of(chains)
    base = a5000(chains, found)
    profiles = [base, h200(chains, base)]
    for hardware in profiles:
        hardware.write(options.profiles / f"{hardware.name}.json")
    write_bytes(options.folder / "a5000.md", report(chains, found, profiles).encode())
    console = Console(soft_wrap=True, highlight=False, markup=False)
    console.print(f"written: {options.profiles}/a5000.json, h200.json, {options.folder}/a5000.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
