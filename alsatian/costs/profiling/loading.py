"""Times of loading blocks, alone and beside inference."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

from alsatian.blocks.delta import pack, restored, unpack
from alsatian.blocks.low_rank import LowRank
from alsatian.blocks.segment import Segment
from alsatian.costs.profiling.timing import fit, loaded_stages, settle, some_items, usual
from alsatian.data.dataset import Dataset
from alsatian.models.model_set import ModelSet
from alsatian.runtime.loading.settings import LANES, WORTH_BYTES, interval
from alsatian.runtime.loading.transfer import transfer_to
from alsatian.runtime.storage.page_cache import drop
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.store import BlockStore

# Blocks that loading is measured with.
_BLOCKS = 24
# Seconds to measure the pace of inference for, and bytes per second of a slow store (the paper's).
_PACE_S = 1.0
_SLOW_STORE = 200_000_000
# Of a tensor that parameters are made of, and of what is added.
_ROWS, _RANK = 1024, 8


def load_times(models: ModelSet, device: torch.device, longer: int = 1) -> dict[str, float]:
    """Fixed seconds and bytes per second of bringing blocks to the device and of reading them cold."""
    chosen: dict[str, tuple[int, str, Segment]] = {}
    for candidate in models.candidates:
        for block in candidate.blocks:
            segment = models.segments[block.identity]
            chosen.setdefault(block.identity, (block.parameter_bytes, candidate.id, segment))
    unpacked = {b for b, parts in models.parts.items() if any(part.unpacked_bytes for part in parts)}
    chosen = {b: need for b, need in chosen.items() if b not in unpacked} or chosen  # which takes time of its own
    by_size = sorted(chosen.items(), key=lambda item: item[1][0])
    picked = [by_size[i] for i in sorted({round(x) for x in np.linspace(0, len(by_size) - 1, _BLOCKS)})]
    sizes, own, reading = [], [], []
    for identity, (nbytes, model, segment) in picked:
        need, turns = (identity, model, segment), range(longer * 3)
        sizes.append(nbytes)
        reading.append(usual([_load(models.store, *need, device, cold=True)[0] for _ in turns], longer))
        own.append(usual([_load(models.store, *need, device)[1] for _ in turns], longer))
    store_fixed, store_rate = _line(sizes, reading)
    load_fixed, load_rate = _line(sizes, own)
    return {
        "store_fixed_s": store_fixed,
        "store_bytes_per_s": store_rate,
        "load_fixed_s": load_fixed,
        "load_bytes_per_s": load_rate,
        **_making(device),
    }


def _making(device: torch.device) -> dict[str, float]:
    """What making parameters of others takes: of deltas, if the package that decompresses is there, and by merging
    what adapters added."""
    base = torch.ones(_ROWS, _ROWS, device=device)
    added = LowRank(torch.ones(_ROWS, _RANK, device=device), torch.ones(_RANK, _ROWS, device=device), 1.0)
    found = {"products_per_s": _RANK * base.numel() / _least_s(lambda: added.merged(base), device)}
    if find_spec("zstandard") is not None:
        few = torch.randn(_ROWS, _ROWS, generator=torch.Generator().manual_seed(0))
        packed = pack(few * (1 + 1e-3 * torch.rand(few.shape, generator=torch.Generator().manual_seed(1))), few)
        found["delta_bytes_per_s"] = few.nbytes / _least_s(lambda: restored(unpack(packed), few), device)
    return found


def _least_s(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the fastest of a few turns of ``work``."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        settle(device)
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _load(
    store: BlockStore, identity: str, model: str, segment: Segment, device: torch.device, cold: bool = False
) -> tuple[float, float]:
    """Seconds to read a block, and to do what is left until the device has it."""
    transfer, came = transfer_to(device), [0.0]
    if cold:
        drop(store.files_of([identity]))
    settle(device)
    start = time.perf_counter()
    found = store.read_block(
        identity, model, segment.stored_for, came=lambda _: came.append(time.perf_counter())
    ).in_order
    segment.prepare(transfer.bring(transfer.stage(segment.arrange(found))).parameters)
    settle(device)
    return came[-1] - start, time.perf_counter() - came[-1]


def read_ahead_times(
    models: ModelSet,
    dataset: Dataset,
    size: int,
    device: torch.device,
    load: Mapping[str, float],
    longer: int = 1,
) -> dict[str, Any]:
    """What reading blocks and computing cost each other when threads do one beside the other.

    ``read_ahead_loss``: share of inference that is lost by the bytes per second that are read, for a slow store and
    as fast as it goes. ``read_ahead_s``: seconds that a block takes longer than by what ``load`` says. On a GPU
    inference does not wait for the host's cores.
    """
    if device.type != "cpu":
        return {"read_ahead_loss": [], "read_ahead_s": 0.0}
    candidate = models.candidates[0]
    stages = loaded_stages(models, candidate, device)
    start = candidate.preprocessing(some_items(dataset, size))

    @torch.no_grad()
    def chain() -> None:
        state = start
        for segment, parameters in stages:
            state = segment(state, parameters)

    def pace() -> float:
        """Seconds of a pass over the chain."""
        begin, passes = time.perf_counter(), 0
        while time.perf_counter() - begin < longer * _PACE_S:
            chain()
            passes += 1
        return (time.perf_counter() - begin) / passes

    chain()
    alone = pace()
    losses, slower = [], []
    for bandwidth in (_SLOW_STORE, None):
        with _reading(models, Reader(Throttle(bandwidth), cold=True)) as sizes:
            begin = time.perf_counter()
            beside = pace()
            took, read = time.perf_counter() - begin, list(sizes)
        losses.append((sum(read) / took, max(0.0, 1 - alone / beside)))
        per_byte = 1 / (bandwidth or load["store_bytes_per_s"])
        own = [load["load_fixed_s"] + size / load["load_bytes_per_s"] for size in read]
        store = [load["store_fixed_s"] + size * per_byte for size in read]
        expected = sum(map(interval, store, own, read))
        slower.append(max(0.0, took - expected) / max(1, len(read)))
    return {"read_ahead_loss": sorted(losses), "read_ahead_s": slower[0]}


@contextlib.contextmanager
def _reading(models: ModelSet, reader: Reader) -> Iterator[list[int]]:
    """Have threads load blocks as they are read ahead; yields the sizes of those that they have loaded so far."""
    blocks = {b.identity: (b.parameter_bytes, c.id) for c in models.candidates for b in c.blocks}
    stop, transfer = threading.Event(), transfer_to(torch.device("cpu"))
    turn, order, sizes = threading.Lock(), itertools.cycle(blocks.items()), list[int]()

    def work() -> None:
        while not stop.is_set():
            with contextlib.ExitStack() as held:
                held.enter_context(turn)
                identity, (nbytes, model) = next(order)

                def came(_: Fetched, nbytes: int = nbytes, held: contextlib.ExitStack = held) -> None:
                    if nbytes >= WORTH_BYTES:
                        held.close()

                found = models.store.read_block(identity, model, reader=reader, came=came)
                transfer.stage(models.segments[identity].arrange(found.in_order))
            sizes.append(nbytes)

    with ThreadPoolExecutor(LANES, "reading") as pool:
        for _ in range(LANES):
            pool.submit(work)
        try:
            yield sizes
        finally:
            stop.set()


def _line(sizes: Sequence[int], seconds: Sequence[float]) -> tuple[float, float]:
    """Fixed seconds, and bytes per second, of the line through these times."""
    fixed, per_byte = fit(np.stack([np.ones(len(sizes)), np.array(sizes)], axis=1), seconds)
    return fixed, 1 / max(per_byte, 1e-15)
