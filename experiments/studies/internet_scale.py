"""What searching whole hubs would take: predicted time, bytes and memory for 10³ to 10⁶ models.

``python -m experiments.studies.internet_scale`` generates model sets as fingerprints with the overlap that the
paper finds on Hugging Face, builds and plans their task trees, and adds up what the published machine would take
(see :mod:`experiments.studies.outlines`). It writes a page with tables and a figure. Every set has a process of
its own; 10⁶ models take minutes and about 10 GB each.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from rich.console import Console

from alsatian.api import predict
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.data.dataset import batches_of
from alsatian.errors import AlsatianError, ConfigError
from alsatian.files import make_folder, write_bytes
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.schedules import Exhaustive, Halving
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from alsatian.units import format_bytes, parse_bytes
from experiments.configuration.hardware import shipped_profile
from experiments.configuration.setup import strategy_named
from experiments.studies.internet_figure import draw
from experiments.studies.outlines import Outline, PositionCosts, outline

HARDWARE, LIKE = "a5000", "resnet152@224"
STORAGE = Storage(bandwidth="200MB", cold=True)
ITEMS, BATCH_SIZE = 2000, 128
BUDGET = "16GB"
SHARED = {"87 %": 0.13, "63 %": 0.37}
"""Models that share blocks, as the paper finds for DETR-50 and at most for ResNet and DINOv2, and those that do
not."""
APPROACHES: dict[str, Strategy] = {
    "all data, nothing shared": strategy_named("base"),
    "halving, nothing shared": strategy_named("shift"),
    "all data, shared": Strategy(schedule=Exhaustive()),
    "halving, shared": Strategy(schedule=Halving()),
}
WORKERS = (1, 4, 16, 64, 256, 1024)
CHECKED = 200
"""Models of the set that the simulator is compared on."""


@dataclass(frozen=True)
class Found:
    """What one set takes.

    Attributes:
        models: in the set.
        shared: which share of them shares blocks, by its name in ``SHARED``.
        seconds, read_bytes: by approach, on one worker.
        workers_s: seconds by approach for each of ``WORKERS``.
        whole_bytes, distinct_bytes: of all models' parameters, as files and as blocks.
        cache_bytes, chunks: of the first round of halving with sharing.
        simulator: time of the closed form over the simulator's, by approach; empty if it was not run.
    """

    models: int
    shared: str
    seconds: dict[str, float]
    read_bytes: dict[str, float]
    workers_s: dict[str, list[float]]
    whole_bytes: float
    distinct_bytes: float
    cache_bytes: int
    chunks: int
    simulator: dict[str, float]


def find(count: int, shared: str) -> Found:
    """What the set of ``count`` models takes, of which the share named ``shared`` shares blocks."""
    models = GeneratedSet(count=count, unshared=SHARED[shared])
    hardware = replace(shipped_profile(HARDWARE), page_cache_bytes=0.0)
    costs = PositionCosts.of(hardware, next(iter(models)), LIKE, STORAGE)
    whole = 0

    def counted() -> Iterator[object]:
        nonlocal whole
        for model in models:
            whole += model.parameter_bytes
            yield model

    tree = TaskTree.of(counted())  # type: ignore[arg-type]
    distinct = sum(block.parameter_bytes for block in tree.blocks.items)
    batches = batches_of(ITEMS // 5, ITEMS - ITEMS // 5, BATCH_SIZE)
    drawn = np.random.default_rng(0).permutation(count).tolist()
    scores = dict(zip(tree.all_models(), map(float, drawn), strict=True))
    budget = parse_bytes(BUDGET, "budget")
    found: dict[str, Outline] = {}
    for name, strategy in APPROACHES.items():
        found[name] = outline(tree, strategy, batches, costs, budget, scores)
    simulated = {}
    if count <= CHECKED:
        candidates = list(models)
        model_costs = CostModel.of(hardware, keys_for(hardware, candidates, like=LIKE), STORAGE)
        for name, strategy in APPROACHES.items():
            prediction = predict(
                candidates,
                batches,
                model_costs,
                strategy=strategy,
                budget=budget,
                loader=LoaderSettings(keep=False, read_ahead=False),
                scores=lambda model, items: scores[model],
            )
            simulated[name] = found[name].seconds / prediction.measurement.wall_s
    first = found["halving, shared"].rounds[0]
    return Found(
        count,
        shared,
        {name: o.seconds for name, o in found.items()},
        {name: o.bytes_read for name, o in found.items()},
        {name: [o.on_workers(workers) for workers in WORKERS] for name, o in found.items()},
        float(whole),
        float(distinct),
        first.cache_bytes,
        first.chunks,
        simulated,
    )


def find_apart(count: int, shared: str) -> Found:
    """The same in a process of its own, whose memory is free again after it.

    Raises:
        AlsatianError: that process failed.
    """
    command = [sys.executable, "-m", "experiments.studies.internet_scale", "--one", str(count), shared]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise AlsatianError(f"{count} models failed: {last}")
    return Found(**json.loads(done.stdout))


def page(found: Sequence[Found], command: str) -> Iterator[str]:
    """The page's lines, in Markdown."""
    example = GeneratedSet(count=1)
    hardware = shipped_profile(HARDWARE)
    largest = max(f.models for f in found)
    alike = [ratio for f in found for ratio in f.simulator.values()]
    yield f"""# Searching whole hubs, on paper

{date.today()}. Nothing was executed: times are those of the cost model `hardware={HARDWARE}` added up over task \
trees and plans that the planner made.

```
{command}
```

![predicted time, bytes and workers](internet_scale.png)

## Assumptions
- Models are chains of {example.blocks} blocks in families of about {example.models_per_family}; a model copies an \
earlier one of its family and gets new last blocks, their number drawn from the paper's distributions. The paper \
finds that 87 % of 420 DETR-50 fine-tunes on Hugging Face share blocks (90 % and 94 % in two other DETR \
families), and up to 63 % of ResNet-18/152 and DINOv2-L: both shares are shown, the other models share nothing.
- {ITEMS} items ({ITEMS - ITEMS // 5} to train the proxy, {ITEMS // 5} to test it), batches of {BATCH_SIZE}. A \
block takes as long as the one at the same share of ResNet-152's depth. The machine: {hardware.source}.
- The store gives {STORAGE}, to every worker by itself. Blocks are read whenever they are used and nothing is \
read ahead or kept: with read-ahead and memory for blocks, time is between the larger of reading and computing and \
their sum, which is shown.
- Intermediates have {BUDGET}; a plan that needs more cuts its data into chunks and reads blocks again for each.
- Halving keeps the better half, by scores drawn at random; rounds that would see the same batches are one, so \
with {-(-(ITEMS - ITEMS // 5) // BATCH_SIZE)} training batches there are five at most, however many models.
- Workers: the depth-first order of every round's tree is cut into ranges of equal predicted time, one for each \
worker, which computes again what its range starts from (the path above its first vertex). They wait for one \
another behind every round. Planning and sending scores count for nothing, failures do not happen.
"""
    if alike:
        yield (
            f"The closed form that adds up is held against the simulator on {CHECKED} models and every approach: "
            f"it gives {min(alike):.6f} to {max(alike):.6f} times the simulator's time.\n"
        )
    for shared in SHARED:
        rows = [f for f in found if f.shared == shared]
        yield f"## One worker, {shared} of the models share blocks\n"
        heads = ["models", "as files", "as blocks", *APPROACHES, "gain", "read", "read, shared", "cache", "chunks"]
        yield from _head(heads)
        for f in rows:
            times = [f.seconds[name] for name in APPROACHES]
            yield _row(
                f"{f.models:,}",
                format_bytes(f.whole_bytes),
                format_bytes(f.distinct_bytes),
                *map(duration, times),
                f"{times[0] / times[-1]:.1f}×",
                format_bytes(f.read_bytes["all data, nothing shared"]),
                format_bytes(f.read_bytes["halving, shared"]),
                format_bytes(f.cache_bytes),
                str(f.chunks),
            )
        yield ""
    yield """*Gain*: of the last approach over the first. *Read*: from the store, by these two. *Cache*: largest \
content of the cache of intermediates in the first round of halving with sharing.
"""
    for f in found:
        if f.models < largest:
            continue
        yield f"## Workers, {f.models:,} models, {f.shared} share blocks\n"
        yield from _head(["workers", *APPROACHES, "gain", "efficiency"])
        for i, workers in enumerate(WORKERS):
            times = [f.workers_s[name][i] for name in APPROACHES]
            share = f.workers_s["halving, shared"][0] / times[-1] / workers
            yield _row(f"{workers:,}", *map(duration, times), f"{times[0] / times[-1]:.1f}×", f"{share:.0%}")
        yield ""
    yield "*Efficiency*: of the last approach, its time on one worker over that on all, divided by their number."


def duration(seconds: float) -> str:
    """For people."""
    for unit, size in (("y", 365.25 * 86400), ("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.{1 if seconds < 100 * size else 0}f} {unit}"
    return f"{seconds:.0f} s"


def _head(cells: Sequence[str]) -> Iterator[str]:
    yield _row(*cells)
    yield f"|{'---:|' * len(cells)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Predict and write; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.internet_scale", description=__doc__)
    parser.add_argument("--models", type=int, nargs="+", default=[1000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--folder", type=Path, default=Path("docs/results"), help="for internet_scale.md and .png")
    parser.add_argument("--one", nargs=2, metavar=("MODELS", "SHARED"), help="predict one set; JSON to the output")
    options = parser.parse_args(arguments)
    if options.one:
        json.dump(asdict(find(int(options.one[0]), options.one[1])), sys.stdout)
        return 0
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if min(options.models) < 2:
            raise ConfigError("--models must be at least 2")
        counts = sorted({CHECKED, *options.models})
        found = [find_apart(count, shared) for count in counts for shared in SHARED]
        command = f"python -m experiments.studies.internet_scale --models {' '.join(map(str, options.models))}"
        text = "\n".join(page(found, command)) + "\n"
        make_folder(options.folder)
        write_bytes(options.folder / "internet_scale.md", text.encode())
        draw([f for f in found if f.models in options.models], WORKERS, options.folder / "internet_scale.png")
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"internet_scale: {error}", markup=False, highlight=False)
        return 1
    console.print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
