"""Times of the parts of a search, each measured as a search does it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment
from alsatian.data.dataset import Batch, Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.models.model_set import ModelSet
from alsatian.planning.hardware import ScoreCost, SegmentCost
from alsatian.proxies.base import Proxy
from alsatian.runtime.residency import drop
from alsatian.runtime.storage import Reader
from alsatian.runtime.throttle import Throttle
from alsatian.runtime.transfer import transfer_to

REPEATS = 5
# Blocks that loading is measured with, and training items of the proxy in steps.
_BLOCKS = 24
_STEPS = (1, 2, 4)


def timed(work: Callable[[], Any], device: torch.device, repeats: int = REPEATS) -> float:
    """Median seconds of ``work`` over ``repeats``, after one call that does not count."""
    work()
    seconds = []
    for _ in range(repeats):
        _settle(device)
        start = time.perf_counter()
        work()
        _settle(device)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


@torch.no_grad()
def segment_times(
    models: ModelSet, candidate: Candidate, dataset: Dataset, sizes: Sequence[int], device: torch.device
) -> dict[str, SegmentCost]:
    """Inference time of every segment of ``candidate`` for batches of ``sizes`` items, by fingerprint."""
    transfer = transfer_to(device)
    stages = []
    for block in candidate.blocks:
        segment = models.segments[block.identity]
        staged = transfer.stage(models.store.load_block(block.identity, candidate.id, segment.fingerprint))
        loaded = transfer.bring(staged)
        transfer.hand_over(loaded)
        stages.append((segment, segment.prepare(loaded.parameters)))
    found: dict[str, list[tuple[int, float]]] = {}
    for size in sizes:
        state = tuple(t.to(device) for t in candidate.preprocessing(_items(dataset, size)))
        for segment, parameters in stages:
            seconds = timed(lambda s=segment, x=state, p=parameters: s(x, p), device)  # type: ignore[misc]
            known = found.setdefault(segment.fingerprint, [])
            if (size, seconds) not in known and size not in dict(known):
                known.append((size, seconds))
            state = segment(state, parameters)
    return {key: SegmentCost(tuple(times)) for key, times in found.items()}


def load_times(models: ModelSet, device: torch.device) -> dict[str, float]:
    """Fixed seconds and bytes per second of bringing blocks to the device and of reading them cold."""
    transfer, reader = transfer_to(device), Reader(Throttle(None))
    chosen: dict[str, tuple[int, str, Segment]] = {}
    for candidate in models.candidates:
        for block in candidate.blocks:
            segment = models.segments[block.identity]
            chosen.setdefault(block.identity, (block.parameter_bytes, candidate.id, segment))
    by_size = sorted(chosen.items(), key=lambda item: item[1][0])
    picked = [by_size[i] for i in sorted({round(x) for x in np.linspace(0, len(by_size) - 1, _BLOCKS)})]
    sizes, own, reading = [], [], []
    for identity, (nbytes, model, segment) in picked:
        path = models.store.block_path(identity)
        seconds = []
        for _ in range(3):
            drop({path})
            start = time.perf_counter()
            reader.fetch(path)
            seconds.append(time.perf_counter() - start)

        def load(identity: str = identity, model: str = model, segment: Segment = segment) -> None:
            segment.prepare(
                transfer.bring(
                    transfer.stage(models.store.load_block(identity, model, segment.fingerprint))
                ).parameters
            )

        sizes.append(nbytes)
        reading.append(median(seconds))
        own.append(timed(load, device, 3))
    store_fixed, store_rate = _line(sizes, reading)
    load_fixed, load_rate = _line(sizes, own)
    return {
        "store_fixed_s": store_fixed,
        "store_bytes_per_s": store_rate,
        "load_fixed_s": load_fixed,
        "load_bytes_per_s": load_rate,
    }


def prepare_time(preprocessing: Preprocessing, dataset: Dataset, size: int, device: torch.device) -> float:
    """Seconds to prepare an item, in batches of ``size``."""
    items = _items(dataset, size)
    return timed(lambda: [t.to(device) for t in preprocessing(items)], device) / len(items)


def score_cost(proxy: Proxy, dimension: int, classes: int, test_items: int, device: torch.device) -> ScoreCost:
    """Time of ``proxy`` on random features (items, D), fitted over numbers of steps and two values of D."""
    step = int(getattr(proxy, "batch_size", 128))
    generator = torch.Generator().manual_seed(0)
    rows, seconds = [], []
    for wide in (dimension, max(1, dimension // 2)):
        for steps in _STEPS:
            train, test = steps * step, max(test_items, classes)
            x = torch.randn(train + test, wide, generator=generator).to(device)
            y = (torch.arange(train + test) % classes).to(device)
            parts = (x[:train], y[:train], x[train:], y[train:])
            seconds.append(timed(lambda p=parts: proxy.score(*p, classes), device, 3))  # type: ignore
            rows.append([1.0, steps, train * wide])
    scale = np.array(rows).max(axis=0)
    weights = 1 / np.array(seconds)  # relative errors count
    solution, _ = nnls(np.array(rows) / scale * weights[:, None], np.array(seconds) * weights)
    fixed, per_step, per_value = (float(value) for value in solution / scale)
    return ScoreCost(fixed_s=fixed, step_items=step, step_s=per_step, train_value_s=per_value)


def _line(sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Fixed seconds, and bytes per second, of the line through these times, as relative errors count."""
    weights = 1 / np.array(seconds)
    rows = np.stack([np.ones(len(sizes)), np.array(sizes) / 1e6], axis=1)
    (fixed, per_megabyte), _ = nnls(rows * weights[:, None], np.array(seconds) * weights)
    return float(fixed), 1e6 / max(float(per_megabyte), 1e-9)


def _items(dataset: Dataset, size: int) -> np.ndarray:
    """``size`` raw items of the data, repeated if there are fewer."""
    items = dataset.items(replace(Batch(0, 0, 0, False), stop=min(size, len(dataset.train_items))))
    return np.resize(items, (size, *items.shape[1:])) if len(items) < size else items


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
