"""Brings the parameters of blocks to the device, keeps some of them there, and reads ahead."""

import threading
from collections.abc import Iterable
from typing import NamedTuple

import torch
from cachetools import LRUCache

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.blocks.store import BlockStore
from alsatian.errors import StoreError
from alsatian.runtime.meter import Meter
from alsatian.runtime.storage import Reader

Parameters = list[torch.Tensor]


class Need(NamedTuple):
    """A block that will be needed, the code that it belongs to, and a model for error messages."""

    block: Block
    segment: Segment
    model: str


class BlockLoader:
    """Reads blocks from ``store`` through ``reader``, one at a time.

    Blocks stay resident, least recently used first to go, while their parameters fit ``budget`` bytes.
    A budget of 0 keeps nothing: every use reads from the store, as from separate model files.

    Blocks read ahead are resident blocks: they take at most half of the budget until they are used, so
    that they neither break it nor drive each other out.
    """

    def __init__(self, store: BlockStore, reader: Reader, meter: Meter, budget: int) -> None:
        self._store = store
        self._reader = reader
        self._meter = meter
        self._resident: LRUCache[str, Parameters] = LRUCache(budget, getsizeof=_nbytes)
        self._ahead: dict[str, int] = {}
        self._fetching: set[str] = set()
        self._change = threading.Condition()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def load(self, need: Need) -> Parameters:
        """The parameters of a block on the device, ready to call its segment. Waits if it is on its way.

        Raises:
            StoreError: its file is missing, damaged or made from other code; names the model.
        """
        identity = need.block.identity
        with self._meter.part("prepare_model"):
            with self._change:
                if identity in self._fetching:
                    with self._meter.stalled("prepare_model"):
                        self._change.wait_for(lambda: identity not in self._fetching)
                parameters = self._resident.get(identity)
                if self._ahead.pop(identity, None) is not None:
                    self._change.notify_all()
                if parameters is not None:
                    return parameters
                self._fetching.add(identity)
            return self._fetch(need)

    def read_ahead(self, needs: Iterable[Need]) -> None:
        """Read what is not resident of ``needs``, in order, beside the caller's work."""
        self.stop()
        self._stop.clear()
        self._thread = threading.Thread(target=self._run_ahead, args=(list(needs),), name="read-ahead", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End reading ahead. Waits for the block being read."""
        with self._change:
            self._stop.set()
            self._change.notify_all()
        if self._thread is not None:
            with self._meter.stalled("prepare_model"):
                self._thread.join()
            self._thread = None
        self._ahead.clear()

    def _run_ahead(self, needs: list[Need]) -> None:
        room = int(self._resident.maxsize) // 2
        for need in needs:
            size, identity = need.block.parameter_bytes, need.block.identity
            with self._change:
                if size > room:
                    continue
                while not self._stop.is_set() and sum(self._ahead.values()) + size > room:
                    self._change.wait()
                if self._stop.is_set():
                    return
                if identity in self._resident or identity in self._fetching:
                    continue  # it is here, or the caller is reading it
                self._fetching.add(identity)
            try:
                with self._meter.background("prepare_model"):
                    self._fetch(need, ahead=True)
            except Exception:
                return  # the caller meets the same error when it needs the block, in its own thread

    def _fetch(self, need: Need, ahead: bool = False) -> Parameters:
        """Read a block that is marked as being fetched, and take the mark away."""
        try:
            return self._read(need, ahead)
        finally:
            with self._change:
                self._fetching.discard(need.block.identity)
                self._change.notify_all()

    def _read(self, need: Need, ahead: bool) -> Parameters:
        block, segment, model = need
        size = self._reader.fetch(self._store.block_path(block.identity), f"a block of model '{model}'")
        tensors = self._store.load_block(block.identity, model, segment.fingerprint)
        if len(tensors) != len(segment.parameter_names):
            raise StoreError(f"{self._store.root}: a block of model '{model}' does not fit its architecture")
        parameters = segment.prepare([self._to_device(t) for t in tensors])
        with self._change:
            self._meter.counters["bytes_read"] += size
            self._meter.counters["blocks_read"] += 1
            if 0 < self._resident.maxsize >= _nbytes(parameters):
                self._resident[block.identity] = parameters
                self._meter.peak("resident_block_bytes", int(self._resident.currsize))
                if ahead:
                    self._ahead[block.identity] = _nbytes(parameters)
        return parameters

    def _to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy in memory of its own: kernels choose their code by alignment, which a view may lack."""
        if self._meter.device.type == "cpu":
            return tensor.clone()
        return tensor.pin_memory().to(self._meter.device, non_blocking=True)


def _nbytes(parameters: Parameters) -> int:
    return sum(t.nbytes for t in parameters)
