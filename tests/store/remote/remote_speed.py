"""How long a search over a store in S3 takes, against one over the same store here, at the same declared bandwidth.

``python -m tests.store.remote.remote_speed --models 8 --repeats 5 --bandwidth 200MB`` prints the median and the
range of both and their ratio, which is to be at most 1.1, and ends with 1 if it is more. Both searches are
cold, take turns, and have room for all blocks; every search over S3 begins with an empty mirror. The server is
a process beside the search, so this wants a quiet machine with two cores at least.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import alsatian
from alsatian.budgets import Budgets
from alsatian.data.digits import digits
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.synthetic import SyntheticSet
from alsatian.progress import unheard
from alsatian.runtime.storage.regime import Storage
from alsatian.store.store import BlockStore
from alsatian.units import format_bytes
from tests.searching.tiny_search import ALSATIAN, outcomes
from tests.store.remote.s3 import BUCKET, serving

MOST = 1.1
URL = f"s3://{BUCKET}/store"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def measure(options: argparse.Namespace, folder: Path, patch: pytest.MonkeyPatch) -> float:
    """The ratio of the medians; times are printed."""
    chosen = SyntheticSet(count=options.models, architecture=options.architecture, size=options.size)
    data, storage = digits(options.items), Storage(bandwidth=options.bandwidth, cold=True)
    walls: dict[str, list[float]] = {"here": [], "s3": []}
    chosen.open(BlockStore(URL), "cpu", unheard)
    known = None
    for repeat in range(options.repeats):
        for place in walls:
            patch.setenv("ALSATIAN_MIRRORS", str(folder / f"{place}-{repeat if place == 's3' else 0}"))
            if place == "s3":
                models = ModelSet.open(BlockStore(URL), BlockStore(URL).model_ids())
            else:
                models = chosen.open(BlockStore(folder / "here"), "cpu", unheard)
            begin = time.process_time()
            found = alsatian.search(
                models, data, strategy=ALSATIAN, batch_size=32, storage=storage, hardware=None, verify=True,
                budget=Budgets(block_budget=None),
            )  # fmt: skip
            assert known in (None, sorted(outcomes(found).items()))
            known = sorted(outcomes(found).items())
            walls[place].append(found.measurement.wall_s)
            counters = found.measurement.counters
            read = f"{format_bytes(counters['bytes_read'])} in {counters['blocks_read']} reads"
            busy = time.process_time() - begin
            say(f"{place}: {walls[place][-1]:.3f} s, {busy:.3f} s of processor time, {read}")
    medians = {place: statistics.median(own) for place, own in walls.items()}
    for place, own in walls.items():
        say(f"{place}: median {medians[place]:.3f} s, {min(own):.3f} to {max(own):.3f}, N={len(own)}")
    return medians["s3"] / medians["here"]


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--architecture", default="resnet18", help="of torchvision; default: resnet18")
    parser.add_argument("--size", type=int, default=32, help="of images in pixels; default: 32")
    parser.add_argument("--items", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--bandwidth", default="200MB")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        place = Path(name)
        with serving(patch, place / "mirrors"):
            ratio = measure(options, place, patch)
    say(f"over S3 / here: {ratio:.3f}, at most {MOST}")
    return int(ratio > MOST)


if __name__ == "__main__":
    sys.exit(main())
