"""Networks as blocks beside whole ones, by all kernels.

Runs torchvision's classification networks with random parameters, side by side and in turns of changing order: the
module itself, its blocks as they were exported, and its blocks by other kernels. Networks and sizes of images are
those of the study of coverage; `--size` takes others.
"""

import argparse
import gc
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import pandas as pd
import torch
from torch import nn

from alsatian.blocks.kernels import KERNELS, computed_by
from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError
from alsatian.models.reading.architectures import build
from alsatian.units import count_text
from experiments.studies.coverage.cases import select
from experiments.studies.coverage.measurement import Case, enliven, inputs
from experiments.studies.study import Page, Say, spread, table

MODULE, FIRST = "module", KERNELS[0]
GOAL = 1.0
"""Of the module's time, the most that its blocks may take by eager kernels, in the median over the networks."""
Run = Callable[[], torch.Tensor]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these networks, e.g. resnet18")
    parser.add_argument("--repeats", type=_count, default=5, metavar="N", help="turns that count (%(default)s)")
    parser.add_argument("--batch", type=_count, default=32, metavar="N", help="images of a batch (%(default)s)")
    parser.add_argument("--size", type=_count, metavar="N", help="their pixels, if the network takes any")
    parser.add_argument("--every", type=_count, default=1, metavar="N", help="only every Nth network")
    parser.add_argument(
        "--threads", type=_count, default=torch.get_num_threads(), metavar="N", help="of PyTorch (%(default)s)"
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no number of at least 1")
    return int(text)


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure every network; each leaves a page."""
    cases = [case for case in select(options.names) if isinstance(case.preprocessing, ImagePreprocessing)]
    cases = [case for case in cases if case.spec.source == "torchvision"][:: options.every]
    if not cases:
        raise ConfigError("none of these is a network of torchvision, which this study is about")
    torch.set_num_threads(options.threads)
    rows: list[dict[str, Any]] = []
    for number, case in enumerate(cases, 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision advises on training
            rows.append(row := measure(case, options.batch, options.repeats, options.size))
        gc.collect()  # modules are cyclic, and the next one may need the memory
        ratios = ", ".join(f"{kernels} {median(row[kernels]):.2f}×" for kernels in KERNELS)
        say(f"[{number}/{len(cases)}] {case.name}: {ratios} of the module's time")
        yield page(rows, options)


def measure(case: Case, batch: int, repeats: int, size: int | None = None) -> dict[str, Any]:
    """Times of the module and of its chain by all kernels, for ``repeats`` turns behind one that does not count.

    Returns:
        ``network``, ``input``, ``module_s`` (of every turn), for each of the kernels its times over the module's of
        the same turn, and ``distance`` of features by the last kernels from the module's, relative to their norm.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if size is not None:
            case = replace(case, preprocessing=ImagePreprocessing(size))
        module, generator = build(case.spec, case.preprocessing), torch.Generator().manual_seed(0)
        enliven(module, generator)
        (images,) = inputs(case, batch, False, generator)
        built = split(module, case.preprocessing.example())
        runs: dict[str, Run] = {MODULE: lambda: module(images)}
        runs |= {kernels: _chain(built, module, images, kernels) for kernels in KERNELS}
        times, features = turns(runs, repeats)
    exact = features[MODULE]
    if not torch.equal(features[FIRST], exact):
        raise ConfigError(f"{case.name}: its blocks return other features than the module")
    far = float((features[KERNELS[-1]] - exact).norm() / exact.norm())
    ratios = {
        kernels: [own / whole for own, whole in zip(times[kernels], times[MODULE], strict=True)]
        for kernels in KERNELS
    }
    return {"network": case.name, "input": case.input, "module_s": times[MODULE], **ratios, "distance": far}


@torch.no_grad()
def turns(runs: Mapping[str, Run], repeats: int) -> tuple[dict[str, list[float]], dict[str, torch.Tensor]]:
    """Seconds of each of ``runs`` in every turn, each turn in another order, and what the first one returned."""
    found = {name: work() for name, work in runs.items()}
    times: dict[str, list[float]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(repeats):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            start = time.perf_counter()
            runs[name]()
            times[name].append(time.perf_counter() - start)
    return times, found


def _chain(built: Architecture, module: nn.Module, images: torch.Tensor, kernels: str) -> Run:
    """All blocks of ``module`` one after another, as a search runs them."""
    code = computed_by(dict(enumerate(built.segments)), kernels, "fp32")
    blocks = [
        (code[i], code[i].prepare(code[i].arrange([t.detach() for t in tensors])))
        for i, tensors in enumerate(built.parameters_of(module))
    ]

    def run() -> torch.Tensor:
        state: tuple[torch.Tensor, ...] = (images,)
        for segment, parameters in blocks:
            state = segment(state, parameters)
        return state[0]

    return run


def page(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> Page:
    """The table of ``rows``, and the median over the networks."""
    found = pd.DataFrame(rows)
    own = {kernels: [median(turn) for turn in found[kernels]] for kernels in KERNELS}
    reached = median(own[FIRST]) <= GOAL
    told = [
        f"By {kernels} kernels the blocks take **{spread(ratios, '{:.3f}')}×** the module's time, the median and "
        f"the range over {len(found)} networks; in {sum(r <= GOAL for r in ratios)} of them at most {GOAL:.2f}×."
        for kernels, ratios in own.items()
    ]
    aim = f"The aim for {FIRST} ones, at most {GOAL:.2f}× in the median, is {'' if reached else 'not '}reached."
    shown = {
        "network": found["network"],
        "input": found["input"],
        "module, s": [spread(turn, "{:.3f}") for turn in found["module_s"]],
        **{kernels: [spread(turn) for turn in found[kernels]] for kernels in KERNELS},
        "distance": found["distance"],
    }
    blocks = [
        " ".join([*told, aim]),
        f"Batches of {options.batch} images, {count_text(options.threads, 'thread')}, random parameters and "
        f"statistics, {count_text(options.repeats, 'turn')}: medians with their ranges, of a turn's time over the "
        f"module's in the same turn. Features by {FIRST} kernels are the module's to the bit; *distance* is how "
        f"far those by {KERNELS[-1]} ones are from them, relative to their norm.",
        table(pd.DataFrame(shown), distance="{:.0e}"),
    ]
    data = found.assign(**{key: [median(turn) for turn in found[key]] for key in ("module_s", *KERNELS)})
    return Page("Kernels", blocks, data.round(5), good=reached)
