"""How fast the store takes models, and the disk plain files.

Makes models of random numbers that share most of their blocks and adds them one after the other: hash, find what is
there, write, flush, manifest. Before and after every repeat the same distinct bytes are written as plain files of
the same sizes. Everything is on disk when a clock stops.
"""

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from alsatian.blocks.candidate import Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import AlsatianError, ConfigError
from alsatian.store.maintenance import verify
from alsatian.store.statistics import stats
from alsatian.store.store import BlockStore
from alsatian.units import parse_bytes
from experiments.studies.study import Page, Say, spread, table

BLOCKS = 20
"""Blocks of a model."""
TENSORS = 4
"""Tensors of a block."""

Model = list[list[torch.Tensor]]


@dataclass(frozen=True)
class Repeat:
    """One pass over all models. Times in seconds.

    Attributes:
        disk: bytes per second that the disk took just before and just after, the mean of both.
        models_s: for each model in turn; the first is all new.
        distinct: bytes of distinct blocks, which is what has to be written.
        written: bytes that this process handed to the operating system meanwhile; 0 if it cannot tell.
    """

    disk: float
    models_s: tuple[float, ...]
    distinct: int
    written: int


def make_models(count: int, size: int, shared: float, seed: int = 0) -> list[Model]:
    """``count`` models of about ``size`` bytes, the first ``shared`` of their blocks the same tensors."""
    rng = np.random.default_rng(seed)
    numbers = max(1, size // BLOCKS // TENSORS // 4)

    def block() -> list[torch.Tensor]:
        return [torch.from_numpy(rng.random(numbers, np.float32)) for _ in range(TENSORS)]

    common = [block() for _ in range(round(BLOCKS * shared))]
    return [[*common, *(block() for _ in range(BLOCKS - len(common)))] for _ in range(count)]


def disk_speed(folder: Path, models: Sequence[Model], *, beside: bool) -> float:
    """Bytes per second of writing the distinct blocks as plain files, each with a flush of its own.

    The flushes come between the writes, or ``beside`` them in a thread, as in the store.
    """
    blocks = {id(block[0]): block for model in models for block in model}
    buffers = [torch.cat(block).numpy().data.cast("B") for block in blocks.values()]
    folder.mkdir()
    start = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        for i, buffer in enumerate(buffers):
            descriptor = os.open(folder / str(i), os.O_WRONLY | os.O_CREAT)
            at = 0
            while at < len(buffer):
                at += os.write(descriptor, buffer[at:])
            flushed = pool.submit(_flush_and_close, descriptor)
            if not beside:
                flushed.result()
    elapsed = time.perf_counter() - start
    shutil.rmtree(folder)
    return sum(len(buffer) for buffer in buffers) / elapsed


def _flush_and_close(descriptor: int) -> None:
    os.fsync(descriptor)
    os.close(descriptor)


def ingest(folder: Path, models: Sequence[Model]) -> tuple[tuple[float, ...], int, int]:
    """Add ``models`` to a new store in ``folder``, check what it holds, and remove it.

    Returns:
        Seconds of each model, bytes of distinct blocks, and bytes handed over if that is known.
    """
    store = BlockStore(folder)
    times = []
    before = _handed_over()
    for i, model in enumerate(models):
        start = time.perf_counter()
        with store.adding() as adding:
            blocks = tuple(adding.add_block(f"benchmark-{j}", block, 4) for j, block in enumerate(model))
            adding.add_model(Candidate(f"model-{i}", blocks, None, ImagePreprocessing(32)))
        times.append(time.perf_counter() - start)
    written = _handed_over() - before
    held = stats(store)
    if problems := verify(store):
        raise AlsatianError(problems[0])
    shutil.rmtree(folder)
    return tuple(times), held.distinct_bytes, written


def _handed_over() -> int:
    """Bytes that this process has handed to the operating system for writing, where it says so."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return 0
    return int(dict(line.split(": ") for line in lines)["wchar"])


def page(models: Sequence[Model], disks: dict[str, list[float]], repeats: Sequence[Repeat]) -> Page:
    """Median, range and number of values of everything."""
    one = sum(t.nbytes for block in models[0] for t in block)
    total = one * len(models)
    distinct = sum({id(b[0]): sum(t.nbytes for t in b) for model in models for b in model}.values())
    sizes = ", ".join(sorted({str(r.distinct) for r in repeats}))
    facts = (
        f"{len(models)} models of {one / 1e6:.0f} MB in {BLOCKS} blocks; {total / 1e6:.0f} MB in all, of which "
        f"{distinct} bytes are distinct. The store holds {sizes} bytes."
    )
    if extra := max(r.written for r in repeats):
        extra -= distinct
        facts += f" Written beyond the distinct ones (headers, manifests): {extra} bytes, {extra / distinct:.4%}."
    rates = {
        "first model, all new: bytes written": [one / r.models_s[0] for r in repeats],
        "all models: bytes written": [distinct / sum(r.models_s) for r in repeats],
        "all models: logical bytes": [total / sum(r.models_s) for r in repeats],
    }
    if len(models) > 1:
        rates["a further model: logical bytes"] = [one / median(r.models_s[1:]) for r in repeats]
    rows = [_row(f"disk, {name}", values) for name, values in disks.items()]
    rows += [_row(name, values, [r.disk for r in repeats]) for name, values in rates.items()]
    return Page("Adding models to the store", [facts, table(rows)])


def _row(name: str, rates: Sequence[float], disk: Sequence[float] = ()) -> dict[str, object]:
    shares = [rate / each for rate, each in zip(rates, disk, strict=False)]
    speeds = spread((rate / 1e6 for rate in rates), "{:.0f}")
    return {"": name, "N": len(rates), "MB/s": speeds, "of the disk": spread(shares, "{:.0%}", none="")}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--size", default="500MB", help="of a model")
    parser.add_argument("--shared", type=float, default=0.9, help="share of its blocks that all models have")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="on the disk to measure (default: for temporary files)")


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Add the models, again and again."""
    size = parse_bytes(options.size, "--size") or 0
    if options.models < 1 or options.repeats < 1 or not 0 <= options.shared <= 1:
        raise ConfigError("--models and --repeats must be at least 1, --shared between 0 and 1")
    models = make_models(options.models, size, options.shared)
    disks: dict[str, list[float]] = {"flushes between writes": [], "flushes beside writes": []}
    repeats = []
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="ingest-") as name:
        folder = Path(name)

        def probe() -> None:
            for beside, speeds in zip((False, True), disks.values(), strict=True):
                speeds.append(disk_speed(folder / "plain", models, beside=beside))

        disk_speed(folder / "plain", models, beside=True)  # the first touch of memory is not the disk's speed
        for _ in range(options.repeats):
            probe()
            found = ingest(folder / "store", models)
            probe()
            # The faster way to write is what the store has to stand up to.
            repeats.append(Repeat(max((values[-2] + values[-1]) / 2 for values in disks.values()), *found))
            yield page(models, disks, repeats)
