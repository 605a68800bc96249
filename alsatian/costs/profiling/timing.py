"""Times of the parts of a search, each measured as a search does it."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment
from alsatian.costs.hardware import SegmentCost
from alsatian.data.dataset import Batch, Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.models.model_set import ModelSet
from alsatian.runtime.loading.transfer import transfer_to

REPEATS = 5
TURNS = 9


def timed(work: Callable[[], Any], device: torch.device, repeats: int = REPEATS, longer: int = 1) -> float:
    """Usual seconds of ``work`` over ``repeats``, ``longer`` times as many, after one call that does not count."""
    work()
    seconds = []
    for _ in range(longer * repeats):
        settle(device)
        start = time.perf_counter()
        work()
        settle(device)
        seconds.append(time.perf_counter() - start)
    return usual(seconds, longer)


def usual(seconds: Sequence[float], longer: int = 1) -> float:
    """The mean without the longest: a search pays for the usual delays, and not for one of others' making.

    Of ``longer`` times as many the fastest count, as many as on a quiet machine: others only ever add.
    """
    kept = sorted(seconds)[: max(1, len(seconds) // longer - 1)]
    return sum(kept) / len(kept)


def loaded_stages(
    models: ModelSet, candidate: Candidate, device: torch.device
) -> list[tuple[Segment, list[torch.Tensor]]]:
    """The code of every block of ``candidate`` with its parameters, ready to run on ``device``."""
    transfer, stages = transfer_to(device), []
    for block in candidate.blocks:
        segment = models.segments[block.identity]
        tensors = models.store.load_block(block.identity, candidate.id, segment.stored_for)
        staged = transfer.stage(segment.arrange(tensors))
        loaded = transfer.bring(staged)
        transfer.hand_over(loaded)
        stages.append((segment, segment.prepare(loaded.parameters)))
    return stages


@torch.no_grad()
def segment_times(
    models: ModelSet,
    candidate: Candidate,
    dataset: Dataset,
    sizes: Sequence[int],
    device: torch.device,
    longer: int = 1,
) -> dict[str, SegmentCost]:
    """Inference time of every segment of ``candidate`` for batches of ``sizes`` items, by fingerprint."""
    stages = loaded_stages(models, candidate, device)
    seconds_of: dict[str, dict[int, list[float]]] = {}
    starts = {
        size: tuple(t.to(device) for t in candidate.preprocessing(some_items(dataset, size))) for size in sizes
    }
    for turn, size in itertools.product(range(longer * TURNS + 1), sizes):
        # One block after another, as in a search: what a block finds in the processor's caches are traces of the
        # block before, not its own.
        state = starts[size]
        for segment, parameters in stages:
            settle(device)
            begin = time.perf_counter()
            state = segment(state, parameters)
            settle(device)
            if turn:  # the first one warms up
                seconds = time.perf_counter() - begin
                seconds_of.setdefault(segment.fingerprint, {}).setdefault(size, []).append(seconds)
    return {
        key: SegmentCost(tuple((size, usual(seconds, longer)) for size, seconds in sorted(times.items())))
        for key, times in seconds_of.items()
    }


def prepare_time(
    preprocessing: Preprocessing, dataset: Dataset, size: int, device: torch.device, longer: int = 1
) -> float:
    """Seconds to prepare an item, in batches of ``size``."""
    items = some_items(dataset, size)
    return timed(lambda: [t.to(device) for t in preprocessing(items)], device, longer=longer) / len(items)


def fit(rows: np.ndarray, seconds: Sequence[float]) -> list[float]:
    """What a unit of each column of ``rows`` (N, C) takes, none below 0, so that relative errors are least."""
    from scipy.optimize import nnls  # slow to import, and every start would pay for it

    scale, weights = np.maximum(rows.max(axis=0), 1), 1 / np.array(seconds)
    solution, _ = nnls(rows / scale * weights[:, None], np.array(seconds) * weights)
    return [float(value) for value in solution / scale]


def some_items(dataset: Dataset, size: int) -> np.ndarray:
    """``size`` raw items of the data, repeated if there are fewer."""
    items = dataset.items(replace(Batch(0, 0, 0, False), stop=min(size, len(dataset.train_items))))
    return np.resize(items, (size, *items.shape[1:])) if len(items) < size else items


def settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
