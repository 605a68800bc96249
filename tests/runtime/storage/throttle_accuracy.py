"""How exactly a throttled disk keeps its bandwidth.

Reads files of the page cache, which is faster than any bandwidth below, with one, two and four threads at once:
alone, beside a thread that runs a convolution on all cores, and beside one that computes in Python and never gives
the interpreter away. Every window of one second counts, and how fairly readers share.
"""

import argparse
import contextlib
import itertools
import os
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from alsatian.errors import ConfigError
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.throttle import Throttle
from alsatian.units import format_bytes, parse_bytes
from experiments.studies.study import Page, Say, table

SPAN = 1.0
"""Seconds of a window."""
TOLERANCE = 0.03
FILE_BYTES = 8 * 1000 * 1000


def _torch(stop: threading.Event) -> None:
    layer, batch = torch.nn.Conv2d(64, 64, 3, padding=1), torch.zeros(8, 64, 56, 56)
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)  # tests have one
    with torch.no_grad():
        while not stop.is_set():
            layer(batch)
    torch.set_num_threads(threads)


def _python(stop: threading.Event) -> None:
    while not stop.is_set():
        sum(range(1000))


BESIDE: dict[str, Callable[[threading.Event], None] | None] = {"nothing": None, "torch": _torch, "python": _python}


class Recorded(Throttle):
    """Notes when each piece was over, and who read it."""

    def __init__(self, rate: int | None) -> None:
        super().__init__(rate)
        self.pieces: list[tuple[float, int, int]] = []

    @contextlib.contextmanager
    def piece(self, wanted: int) -> Iterator[int]:
        with super().piece(wanted) as nbytes:
            yield nbytes
        self.pieces.append((time.perf_counter(), nbytes, threading.get_ident()))


@dataclass(frozen=True)
class Accuracy:
    """Measurements of one case.

    Attributes:
        repeats: their number.
        errors: how far every window is off, as a share of the declared rate.
        shares: bytes that each reader got, over what it would get if all got the same.
    """

    repeats: int
    errors: tuple[float, ...]
    shares: tuple[float, ...]

    def __add__(self, other: "Accuracy") -> "Accuracy":
        return Accuracy(self.repeats + other.repeats, self.errors + other.errors, self.shares + other.shares)


def measure(files: Sequence[Path], rate: int, readers: int, beside: str, seconds: float) -> Accuracy:
    """Read ``files``, one for each reader, again and again for ``seconds``."""
    throttle, done = Recorded(rate), threading.Event()
    work = BESIDE[beside]
    if work is not None:
        threading.Thread(target=work, args=(done,)).start()
    stop = time.perf_counter() + seconds

    def read(path: Path) -> None:
        reader = Reader(throttle)
        while time.perf_counter() < stop:
            reader.fetch(path)

    threads = [threading.Thread(target=read, args=(files[i],)) for i in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    # Up to `stop` all of them read; after it they finish their files one by one.
    pieces = sorted(piece for piece in throttle.pieces if piece[0] <= stop)
    times = [time for time, _, _ in pieces]
    total = [0, *itertools.accumulate(nbytes for _, nbytes, _ in pieces)]
    errors = tuple(
        (total[bisect_left(times, start + SPAN)] - total[i]) / SPAN / rate - 1
        for i, start in enumerate(times)
        if start + SPAN <= times[-1]
    )
    shares: Counter[int] = Counter()
    for _, nbytes, who in pieces:
        shares[who] += nbytes
    return Accuracy(1, errors, tuple(readers * nbytes / total[-1] for nbytes in shares.values()))


def row(rate: int, readers: int, beside: str, found: Accuracy) -> dict[str, object]:
    """The line of a case."""
    return {
        "bandwidth": f"{format_bytes(rate)}/s",
        "readers": readers,
        "beside": beside,
        "repeats": found.repeats,
        "windows": len(found.errors),
        "error, median": f"{median(found.errors):+.2%}",
        "range": f"{min(found.errors):+.2%} to {max(found.errors):+.2%}",
        "within 3 %": f"{sum(abs(error) <= TOLERANCE for error in found.errors) / len(found.errors):.2%}",
        "shares": f"{min(found.shares):.3f}–{max(found.shares):.3f}",
    }


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the study's arguments."""
    parser.add_argument("--bandwidth", nargs="+", default=["20MB", "200MB", "1GB"])
    parser.add_argument("--readers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--beside", nargs="+", choices=BESIDE, default=list(BESIDE))
    parser.add_argument("--seconds", type=float, default=4.0, help="of a repeat")
    parser.add_argument("--repeats", type=int, default=3)


def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
    """Measure every case; each leaves a page."""
    rates = [parse_bytes(text, "--bandwidth") or 0 for text in options.bandwidth]
    if min(options.readers) < 1 or options.repeats < 1 or options.seconds < 2 * SPAN:
        raise ConfigError("--readers and --repeats must be at least 1, --seconds at least 2")
    rows = []
    with tempfile.TemporaryDirectory(prefix="throttle-") as folder:
        files = [Path(folder) / f"{i}.bin" for i in range(max(options.readers))]
        for path in files:
            path.write_bytes(bytes(FILE_BYTES))
        for case in itertools.product(rates, options.readers, options.beside):
            found = Accuracy(0, (), ())
            for _ in range(options.repeats):
                found += measure(files, *case, options.seconds)
            rows.append(row(*case, found))
            yield Page(
                "Accuracy of the throttled disk",
                [
                    f"Threads read files of the page cache through one throttle for {options.seconds:g} s a "
                    "repeat: beside nothing, beside a convolution on all cores, or beside a thread that computes "
                    "in Python and never gives the interpreter away. Every window of one second that begins with "
                    "the end of a piece counts, so windows overlap. The error is that of the bytes read in a "
                    "window; a reader's share is over what it would get if all got the same.",
                    table(rows),
                ],
            )
