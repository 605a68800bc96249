"""What searching whole hubs would take: time, bytes, workers.

Generates 10³ to 10⁶ models as fingerprints with the overlap that the paper finds on Hugging Face, builds and plans
their task trees, and adds up what the published machine would take. Every set has a process of its own; 10⁶ models
take minutes and about 10 GB each.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import numpy as np

from alsatian.api import predict
from alsatian.blocks.candidate import Candidate
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.data.dataset import batches_of
from alsatian.errors import ConfigError
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.schedules import Exhaustive, Halving
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from alsatian.units import format_bytes, parse_bytes
from experiments.configuration.hardware import shipped_profile
from experiments.configuration.setup import strategy_named
from experiments.studies.internet_scale.cuts import Cuts, cut_searches, cuts_page, duration
from experiments.studies.internet_scale.figure import ALL, HALVED, Forecast, draw
from experiments.studies.internet_scale.outlines import PositionCosts, outline
from experiments.studies.study import Page, Say, apart, table

HARDWARE, LIKE = "a5000", "resnet152@224"
STORAGE = Storage(bandwidth="200MB", cold=True)
ITEMS, BATCH_SIZE = 2000, 128
BUDGET = "16GB"
SHARED = {"87 %": 0.13, "63 %": 0.37}
"""Models that share blocks, as the paper finds for DETR-50 and at most for ResNet and DINOv2, and those that do
not."""
APPROACHES: dict[str, Strategy] = {
    ALL: strategy_named("base"),
    "halving, nothing shared": strategy_named("shift"),
    "all data, shared": Strategy(schedule=Exhaustive()),
    HALVED: Strategy(schedule=Halving()),
}
WORKERS = (1, 4, 16, 64, 256, 1024)
CHECKED = 200
"""Models of the set that the simulator is compared on."""


def forecast(count: int, shared: str) -> Forecast:
    """What the set of ``count`` models takes, of which the share named ``shared`` shares blocks."""
    models = GeneratedSet(count=count, unshared=SHARED[shared])
    # All load blocks, so that what they share is all that tells them apart.
    hardware = replace(shipped_profile(HARDWARE), whole_models=None)
    costs = PositionCosts.of(hardware, next(iter(models)), LIKE, STORAGE)
    whole = 0

    def counted() -> Iterator[Candidate]:
        nonlocal whole
        for model in models:
            whole += model.parameter_bytes
            yield model

    tree = TaskTree.of(counted())
    distinct = sum(block.parameter_bytes for block in tree.blocks.items)
    batches = batches_of(ITEMS // 5, ITEMS - ITEMS // 5, BATCH_SIZE, count)
    drawn = np.random.default_rng(0).permutation(count).tolist()
    scores = dict(zip(tree.all_models(), map(float, drawn), strict=True))
    budget = parse_bytes(BUDGET, "budget")
    found = {name: outline(tree, s, batches, costs, budget, scores) for name, s in APPROACHES.items()}
    simulated = {}
    if count <= CHECKED:
        candidates = list(models)
        model_costs = CostModel.of(hardware, keys_for(hardware, candidates, like=LIKE), STORAGE)
        loader = LoaderSettings(keep=False, read_ahead=False, compute_ahead=False)
        for name, strategy in APPROACHES.items():
            prediction = predict(
                candidates, batches, model_costs, strategy=strategy, budget=budget, loader=loader,
                scores=lambda model, items: scores[model],
            )  # fmt: skip
            simulated[name] = found[name].seconds / prediction.measurement.wall_s
    first = found[HALVED].rounds[0]
    return Forecast(
        count,
        shared,
        {name: {workers: o.on_workers(workers) for workers in WORKERS} for name, o in found.items()},
        {name: o.seconds for name, o in found.items()},
        {name: o.bytes_read for name, o in found.items()},
        float(whole),
        float(distinct),
        first.cache_bytes,
        first.chunks,
        simulated,
    )


def page(found: Sequence[Forecast], shown: Sequence[int]) -> Page:
    """Tables of all of ``found``, and a figure of the sets of ``shown`` sizes."""
    example, train, machine = GeneratedSet(count=1), ITEMS - ITEMS // 5, shipped_profile(HARDWARE)
    blocks = [
        f"Nothing was executed: times are those of the cost model `hardware={HARDWARE}` added up over task trees "
        "and plans that the planner made.",
        "![predicted time, bytes and workers](internet_scale.png)",
        "## Assumptions",
        f"""\
- Models are chains of {example.blocks} blocks in families of about {example.models_per_family}; a model copies an \
earlier one of its family and gets new last blocks, their number drawn from the paper's distributions. The paper \
finds that 87 % of 420 DETR-50 fine-tunes on Hugging Face share blocks (90 % and 94 % in two other DETR \
families), and up to 63 % of ResNet-18/152 and DINOv2-L: both shares are shown, the other models share nothing.
- {ITEMS} items ({train} to train the proxy, {ITEMS // 5} to test it), batches of {BATCH_SIZE}. A \
block takes as long as the one at the same share of ResNet-152's depth. The machine: {machine.source}.
- The store gives {STORAGE}, to every worker by itself. Blocks are read whenever they are used and nothing is \
read ahead or kept: with read-ahead and memory for blocks, time is between the larger of reading and computing and \
their sum, which is shown.
- Intermediates have {BUDGET}; a plan that needs more cuts its data into chunks and reads blocks again for each.
- Halving keeps the better half, by scores drawn at random; rounds that would see the same batches are one, and \
batches end where rounds do down to a quarter of a full one, so there are \
{1 + int(math.log2(4 * train / BATCH_SIZE))} at most, however many models.
- Workers: the depth-first order of every round's tree is cut into ranges of equal predicted time, one for each \
worker, which computes again what its range starts from (the path above its first vertex). They wait for one \
another behind every round. Planning and sending scores count for nothing, failures do not happen. \
[Three ways to cut](internet_scale_cuts.md) are compared on a page of their own.""",
    ]
    if alike := [ratio for f in found for ratio in f.simulator.values()]:
        blocks.append(
            f"The closed form that adds up is held against the simulator on {CHECKED} models and every approach: "
            f"it gives {min(alike):.6f} to {max(alike):.6f} times the simulator's time."
        )
    for shared in SHARED:
        sizes = [_of_size(f) for f in found if f.shared == shared]
        blocks += [f"## One worker, {shared} of the models share blocks", table(sizes)]
    blocks.append(
        "*Gain*: of the last approach over the first. *Read*: from the store, by these two. *Cache*: largest "
        "content of the cache of intermediates in the first round of halving with sharing."
    )
    for f in found:
        if f.models == max(f.models for f in found):
            blocks.append(f"## Workers, {f.models:,} models, {f.shared} share blocks")
            blocks.append(table(_of_workers(f, workers) for workers in WORKERS))
    blocks.append(
        "*Efficiency*: of the last approach, its time on one worker over that on all, divided by their number."
    )
    figure = draw([f for f in found if f.models in shown])
    return Page("Searching whole hubs, on paper", blocks, figure=figure)


def cuts_of(count: int, shared: str) -> Cuts:
    """Halving with sharing of the set of ``count`` models, cut in three ways."""
    models = GeneratedSet(count=count, unshared=SHARED[shared])
    hardware = replace(shipped_profile(HARDWARE), whole_models=None)
    costs = PositionCosts.of(hardware, next(iter(models)), LIKE, STORAGE)
    tree = TaskTree.of(models)
    drawn = np.random.default_rng(0).permutation(count).tolist()
    scores = dict(zip(tree.all_models(), map(float, drawn), strict=True))
    batches = batches_of(ITEMS // 5, ITEMS - ITEMS // 5, BATCH_SIZE, count)
    return cut_searches(tree, APPROACHES[HALVED], batches, costs, scores)


def _of_size(f: Forecast) -> dict[str, str]:
    """A row of the table for one worker."""
    return {
        "models": f"{f.models:,}",
        "as files": format_bytes(f.whole_bytes),
        "as blocks": format_bytes(f.distinct_bytes),
        **{name: duration(seconds) for name, seconds in f.seconds.items()},
        "gain": f"{f.seconds[ALL] / f.seconds[HALVED]:.1f}×",
        "read": format_bytes(f.read_bytes[ALL]),
        "read, shared": format_bytes(f.read_bytes[HALVED]),
        "cache": format_bytes(f.cache_bytes),
        "chunks": str(f.chunks),
    }


def _of_workers(f: Forecast, workers: int) -> dict[str, str]:
    """A row of the table for many workers."""
    seconds = {name: times[workers] for name, times in f.workers_s.items()}
    return {
        "workers": f"{workers:,}",
        **{name: duration(each) for name, each in seconds.items()},
        "gain": f"{seconds[ALL] / seconds[HALVED]:.1f}×",
        "efficiency": f"{f.workers_s[HALVED][1] / seconds[HALVED] / workers:.0%}",
    }


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument(
        "--models", type=int, nargs="*", default=[1000, 10_000, 100_000, 1_000_000], help="sizes of the sets"
    )
    parser.add_argument(
        "--cut", type=int, default=100_000, help="size of the set that is cut in three ways; 0: none"
    )


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Predict every set."""
    if min([*options.models, options.cut or 2]) < 2:
        raise ConfigError("--models and --cut must be at least 2")
    if options.cut:
        cuts = {}
        for shared in SHARED:
            cuts[shared] = apart(f"{options.cut} models", cuts_of, options.cut, shared)
            say(f"{options.cut} models, {shared} share blocks: cut")
        yield cuts_page(cuts, options.cut)
    found = []
    for count, shared in product(sorted({CHECKED, *options.models} if options.models else ()), SHARED):
        found.append(apart(f"{count} models", forecast, count, shared))
        say(f"{count} models, {shared} share blocks: {duration(found[-1].seconds[HALVED])}")
    if found:
        yield page(found, options.models)
