"""How exactly a throttled disk keeps its bandwidth, and how fairly readers share it.

``python -m experiments.studies.throttle`` reads files of the page cache, which is faster than any bandwidth
below, with one, two and four threads at once: alone, beside a thread that runs a convolution on all cores, and
beside one that computes in Python and never gives the interpreter away. Every window of one second counts.
"""

import argparse
import contextlib
import itertools
import os
import platform
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

import torch
from rich.console import Console

from alsatian.errors import AlsatianError, ConfigError
from alsatian.runtime.storage.regime import Reader
from alsatian.runtime.storage.throttle import Throttle
from alsatian.units import format_bytes, parse_bytes
from experiments.runs.environment import environment

SPAN = 1.0
"""Seconds of a window."""
TOLERANCE = 0.03
FILE_BYTES = 8 * 1000 * 1000


def _torch(stop: threading.Event) -> None:
    layer, batch = torch.nn.Conv2d(64, 64, 3, padding=1), torch.zeros(8, 64, 56, 56)
    with torch.no_grad():
        while not stop.is_set():
            layer(batch)


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
    """One measurement.

    Attributes:
        rate: declared, in bytes per second.
        readers: at once.
        beside: what else the process does.
        windows: bytes per second in every window.
        shares: bytes that each reader got, over what it would get if all got the same.
    """

    rate: int
    readers: int
    beside: str
    windows: tuple[float, ...]
    shares: tuple[float, ...]

    @property
    def errors(self) -> list[float]:
        """How far each window is off, as a share of the declared rate."""
        return [window / self.rate - 1 for window in self.windows]

    @property
    def within(self) -> float:
        """The share of windows within the tolerance."""
        return sum(abs(error) <= TOLERANCE for error in self.errors) / len(self.windows)


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
    windows = tuple(
        (total[bisect_left(times, start + SPAN)] - total[i]) / SPAN
        for i, start in enumerate(times)
        if start + SPAN <= times[-1]
    )
    shares: dict[int, int] = {}
    for _, nbytes, who in pieces:
        shares[who] = shares.get(who, 0) + nbytes
    return Accuracy(rate, readers, beside, windows, tuple(readers * n / total[-1] for n in shares.values()))


def rows(found: Sequence[Accuracy]) -> Iterator[str]:
    """The lines of a Markdown table, each case over its repeats."""
    yield "| bandwidth | readers | beside | repeats | windows | error, median | range | within 3 % | shares |"
    yield "|---:|---:|---|---:|---:|---:|---:|---:|---:|"
    groups: dict[tuple[int, int, str], list[Accuracy]] = {}
    for one in found:
        groups.setdefault((one.rate, one.readers, one.beside), []).append(one)
    for (rate, readers, beside), group in groups.items():
        errors = [error for one in group for error in one.errors]
        shares = [share for one in group for share in one.shares]
        within = sum(one.within * len(one.windows) for one in group) / len(errors)
        yield (
            f"| {format_bytes(rate)}/s | {readers} | {beside} | {len(group)} | {len(errors)} "
            f"| {median(errors):+.2%} | {min(errors):+.2%} to {max(errors):+.2%} | {within:.2%} "
            f"| {min(shares):.3f}–{max(shares):.3f} |"
        )


def page(found: Sequence[Accuracy], seconds: float, load: tuple[float, float]) -> str:
    """What goes into the documentation: the machine, the table and how to read it."""
    about = environment()
    return "\n".join(
        [
            "# Accuracy of the throttled disk",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}, {about['cores']} CPU cores, {platform.system()} {platform.release()}, "
            f"Python {about['python']}, PyTorch {torch.__version__}. Load average {load[0]:.1f} before, "
            f"{load[1]:.1f} after.",
            "",
            "```",
            "python -m experiments.studies.throttle --write",
            "```",
            "",
            f"Threads read files of the page cache through one throttle for {seconds:g} s a repeat: beside "
            "nothing, beside a convolution on all cores, or beside a thread that computes in Python and never "
            "gives the interpreter away. Every window of one second that begins with the end of a piece counts, "
            "so windows overlap. The error is that of the bytes read in a window; a reader's share is over what "
            "it would get if all got the same.",
            "",
            *rows(found),
            "",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print or write; 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.throttle", description=__doc__)
    parser.add_argument("--bandwidth", nargs="+", default=["20MB", "200MB", "1GB"])
    parser.add_argument("--readers", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--beside", nargs="+", choices=BESIDE, default=list(BESIDE))
    parser.add_argument("--seconds", type=float, default=4.0, help="of a repeat")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--write", nargs="?", type=Path, const=Path("docs/results/throttle.md"), help="the page instead of a table"
    )
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        rates = [parse_bytes(text, "--bandwidth") or 0 for text in options.bandwidth]
        if min(options.readers) < 1 or options.repeats < 1 or options.seconds < 2 * SPAN:
            raise ConfigError("--readers and --repeats must be at least 1, --seconds at least 2")
        load, found = os.getloadavg()[0], []
        with tempfile.TemporaryDirectory(prefix="throttle-") as folder:
            files = [Path(folder) / f"{i}.bin" for i in range(max(options.readers))]
            for path in files:
                path.write_bytes(bytes(FILE_BYTES))
            for case in itertools.product(rates, options.readers, options.beside):
                for _ in range(options.repeats):
                    found.append(measure(files, *case, options.seconds))
    except AlsatianError as error:
        Console(stderr=True, soft_wrap=True).print(f"throttle: {error}", markup=False, highlight=False)
        return 1
    if options.write:
        options.write.write_text(page(found, options.seconds, (load, os.getloadavg()[0])))
    else:
        for line in rows(found):
            console.print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
