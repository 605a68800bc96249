"""The paper's searches on a GPU, within some minutes.

Fig 10, Top Layers, at the published sizes over a store of 200 MB/s, Fig 17, bit-identity with base, budgets, and a
memory that is too small. What is worth most comes first; what is not expected to fit into the time that is left is
skipped, and the page says so. It is written after every search and needs no network.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch

from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import AlsatianError, ConfigError
from alsatian.units import duration
from experiments.configuration.composition import cells
from experiments.studies.gpu.jobs import Expected, Job, jobs
from experiments.studies.gpu.memory import SHARES, limited
from experiments.studies.gpu.page import page
from experiments.studies.speed.measurement import Bench, Row, bench
from experiments.studies.study import Page, Say

RESERVE_S = 20.0
"""Seconds that are kept for the start of the process and the end."""
_DECODED = 16


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--minutes", type=float, default=10.0, help="for all of it (default: %(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu to try it out")
    parser.add_argument("--scale", choices=("paper", "ci"), default="paper", help="ci for the smallest models")
    parser.add_argument("--hardware", default="h200", metavar="NAME", help="of predictions (default: %(default)s)")
    parser.add_argument("--store", type=Path, default=Path("store"), help="where the models are or will be")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Search as long as there is time, and yield the page after every search."""
    start = time.monotonic()
    if options.minutes <= 0:
        raise ConfigError(f"--minutes {options.minutes:g}: must be above 0")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("there is no CUDA device here; --device cpu --scale ci tries the study out")
    deadline = start + 60 * options.minutes - RESERVE_S
    own, pending = bench(options.store, []), jobs(options.device, options.scale)
    own.deadline = deadline
    expected = Expected(options.hardware, _item_s(own, pending[0]), options.scale == "paper")
    about = _about(options)
    rows, skipped = list[Row](), list[tuple[Job, str]]()
    for job in pending:
        left, needed = deadline - time.monotonic(), expected.needed(job)
        if left <= needed:
            skipped.append((job, f"needs about {duration(needed)}, {duration(max(0.0, left))} were left"))
            continue
        predicted = expected.seconds(job)
        try:
            row = _search(own, job, options.device)
        except AlsatianError as error:  # what comes after it is searched all the same
            skipped.append((job, str(error)))
            say(f"{job.cell}, {job.strategy}: {error}")
        else:
            expected.took(job, row["wall_s"])
            rows.append({"strategy": job.strategy, "job": job, "predicted_s": predicted, **row})
            say(f"{job.cell}, {job.strategy}: {row['wall_s']:.1f} s; {duration(deadline - time.monotonic())} left")
        yield page(pd.DataFrame(rows), skipped, about, finished=False)
    yield page(pd.DataFrame(rows), skipped, about, finished=True)


def _search(own: Bench, job: Job, device: str) -> Row:
    """The search of ``job``; where the memory is to be too small, with ever less of it until it is full."""
    if not job.full:
        return own.search(job.cell, job.words)
    found = own.search(job.cell, job.words)
    used = found["device_bytes"]
    for share in SHARES:
        with limited(device, used and share * used) as models:
            found = own.search(job.cell, job.words, models=models)
        if found["out_of_memory"]:
            break
    return found


def _item_s(own: Bench, job: Job) -> float:
    """Seconds to decode and prepare a photograph here."""
    (cell,) = cells([*job.words, *own.words])
    items = own.parts.setup(cell.config).dataset.train_items[:_DECODED]
    start = time.perf_counter()
    ImagePreprocessing(224)(items)
    return (time.perf_counter() - start) / len(items)


def _about(options: argparse.Namespace) -> str:
    what = torch.cuda.get_device_name() if options.device == "cuda" else "the CPU, which stands in for a GPU"
    return (
        f"At scale `{options.scale}` on {what}, within {options.minutes:g} minutes, each search once. Models are "
        "the paper's networks with random parameters, images generated ones of 200 by 150 pixels, texts generated "
        "reviews; the store is read at 200 MB/s and cold. *Over base* is the time of `base` over that of the row, "
        "*published* the same in the paper, on its machine; *predicted* is what the simulator said for "
        f"`hardware={options.hardware}`, as corrected by the searches before. *Over limit* is wall time over the "
        "least that reading and computing need."
    )
