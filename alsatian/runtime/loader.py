"""Brings the parameters of blocks to the device and keeps some of them there."""

import torch
from cachetools import LRUCache

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.blocks.store import BlockStore
from alsatian.errors import StoreError
from alsatian.runtime.meter import Meter
from alsatian.runtime.storage import Reader

Parameters = list[torch.Tensor]


class BlockLoader:
    """Reads blocks from ``store`` through ``reader``.

    Blocks stay resident, least recently used first to go, while their parameters fit ``budget`` bytes.
    A budget of 0 keeps nothing: every use reads from the store, as from separate model files.
    """

    def __init__(self, store: BlockStore, reader: Reader, meter: Meter, budget: int) -> None:
        self._store = store
        self._reader = reader
        self._meter = meter
        self._resident: LRUCache[str, Parameters] = LRUCache(budget, getsizeof=_nbytes)

    def load(self, block: Block, segment: Segment, model: str) -> Parameters:
        """The parameters of ``block`` on the device, ready to call ``segment``.

        Raises:
            StoreError: its file is missing, damaged or made from other code; names ``model``.
        """
        with self._meter.part("prepare_model"):
            parameters = self._resident.get(block.identity)
            if parameters is not None:
                return parameters
            path = self._store.block_path(block.identity)
            self._meter.counters["bytes_read"] += self._reader.fetch(path, f"a block of model '{model}'")
            self._meter.counters["blocks_read"] += 1
            tensors = self._store.load_block(block.identity, model)
            if len(tensors) != len(segment.parameter_names):
                raise StoreError(f"{self._store.root}: a block of model '{model}' does not fit its architecture")
            parameters = segment.prepare([self._to_device(t) for t in tensors])
            if _nbytes(parameters) <= self._resident.maxsize:
                self._resident[block.identity] = parameters
                self._meter.peak("resident_block_bytes", int(self._resident.currsize))
            return parameters

    def _to_device(self, tensor: torch.Tensor) -> torch.Tensor:
        """A copy in memory of its own: kernels choose their code by alignment, which a view may lack."""
        if self._meter.device.type == "cpu":
            return tensor.clone()
        return tensor.pin_memory().to(self._meter.device, non_blocking=True)


def _nbytes(parameters: Parameters) -> int:
    return sum(t.nbytes for t in parameters)
