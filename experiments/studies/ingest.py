"""How fast models go into the store, beside how fast the disk takes plain files.

``python -m experiments.studies.ingest`` makes models of random numbers that share most of their blocks and
adds them one after the other: hash, find what is there, write, flush, manifest. Before and after every repeat
the same distinct bytes are written as plain files of the same sizes. Everything is on disk when a clock stops.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from rich.console import Console

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.maintenance import stats, verify
from alsatian.blocks.store import BlockStore
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import AlsatianError, ConfigError
from alsatian.units import parse_bytes

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
        written: bytes that this process handed to the operating system meanwhile; None if it cannot tell.
    """

    disk: float
    models_s: tuple[float, ...]
    distinct: int
    written: int | None


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


def _probe(folder: Path, models: Sequence[Model], disks: dict[str, list[float]]) -> None:
    """Add the disk's speed now, in either way of writing."""
    for beside, speeds in zip((False, True), disks.values(), strict=True):
        speeds.append(disk_speed(folder / "plain", models, beside=beside))


def ingest(folder: Path, models: Sequence[Model]) -> tuple[tuple[float, ...], int, int | None]:
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
    after = _handed_over()
    held = stats(store)
    if problems := verify(store):
        raise AlsatianError(problems[0])
    shutil.rmtree(folder)
    return tuple(times), held.distinct_bytes, None if before is None or after is None else after - before


def _handed_over() -> int | None:
    """Bytes that this process has handed to the operating system for writing."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(dict(line.split(": ") for line in lines)["wchar"])


def report(models: Sequence[Model], disks: dict[str, list[float]], repeats: Sequence[Repeat]) -> Iterator[str]:
    """The lines to print: median, range and number of values of everything."""
    one = sum(t.nbytes for block in models[0] for t in block)
    total = one * len(models)
    distinct = sum({id(b[0]): sum(t.nbytes for t in b) for model in models for b in model}.values())
    yield f"{len(models)} models of {one / 1e6:.0f} MB in {BLOCKS} blocks; {total / 1e6:.0f} MB in all"
    yield f"distinct: {distinct} bytes; in the store: {', '.join(sorted({str(r.distinct) for r in repeats}))} bytes"
    if all(r.written is not None for r in repeats):
        extra = [(r.written or 0) - distinct for r in repeats]
        yield f"written beyond these (headers, manifests): {max(extra)} bytes, {max(extra) / distinct:.4%}"
    sums = [sum(r.models_s) for r in repeats]
    rows: dict[str, tuple[list[float], list[float]]]
    rows = {f"disk, {name}": (values, []) for name, values in disks.items()} | {
        "first model, all new: bytes written": _compared(repeats, [one / r.models_s[0] for r in repeats]),
        "all models: bytes written": _compared(repeats, [distinct / s for s in sums]),
        "all models: logical bytes": _compared(repeats, [total / s for s in sums]),
    }
    if len(models) > 1:
        rest = [one / median(r.models_s[1:]) for r in repeats]
        rows["a further model: logical bytes"] = _compared(repeats, rest)
    width = max(map(len, rows))
    yield f"{'':{width}}   N  {'MB/s':>6}  {'range':>11}  {'of the disk':>11}  {'range':>11}"
    for name, (rates, ratios) in rows.items():
        speed = f"{median(rates) / 1e6:6.0f}  {f'{min(rates) / 1e6:.0f}–{max(rates) / 1e6:.0f}':>11}"
        share = f"{median(ratios):11.0%}  {f'{min(ratios):.0%}–{max(ratios):.0%}':>11}" if ratios else ""
        yield f"{name:{width}}  {len(rates):2}  {speed}  {share}".rstrip()


def _compared(repeats: Sequence[Repeat], rates: list[float]) -> tuple[list[float], list[float]]:
    """``rates``, and each over the speed of the disk around its repeat."""
    return rates, [rate / repeat.disk for rate, repeat in zip(rates, repeats, strict=True)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.ingest", description=__doc__)
    parser.add_argument("--models", type=int, default=10)
    parser.add_argument("--size", default="500MB", help="of a model")
    parser.add_argument("--shared", type=float, default=0.9, help="share of its blocks that all models have")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to measure; default: the system's temporary folder"
    )
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        size = parse_bytes(options.size, "--size") or 0
        if options.models < 1 or options.repeats < 1 or not 0 <= options.shared <= 1:
            raise ConfigError("--models and --repeats must be at least 1, --shared between 0 and 1")
        models = make_models(options.models, size, options.shared)
        disks: dict[str, list[float]] = {"flushes between writes": [], "flushes beside writes": []}
        repeats = []
        with tempfile.TemporaryDirectory(dir=options.folder, prefix="ingest-") as name:
            folder = Path(name)
            disk_speed(folder / "plain", models, beside=True)  # the first touch of memory is not the disk's speed
            for _ in range(options.repeats):
                _probe(folder, models, disks)
                times, distinct, written = ingest(folder / "store", models)
                _probe(folder, models, disks)
                # The faster way to write is what the store has to stand up to.
                disk = max((values[-2] + values[-1]) / 2 for values in disks.values())
                repeats.append(Repeat(disk, times, distinct, written))
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"ingest: {error}", markup=False, highlight=False)
        return 1
    for line in report(models, disks, repeats):
        console.print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
