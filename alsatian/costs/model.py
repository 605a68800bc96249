"""The cost model: what a machine needs for the blocks, data and scores of one search, in seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from alsatian.blocks.candidate import Block
from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, nearest
from alsatian.runtime.storage.regime import Storage
from alsatian.store.parts import NO_PARTS, Parts, units


@dataclass(frozen=True)
class CostModel:
    """A machine applied to a model set and a storage regime.

    Attributes:
        hardware: the machine.
        segments: inference time by block identity.
        bandwidth: bytes per second of the store.
        data_bandwidth: bytes per second of the data, None if they are in memory.
        item_bytes: bytes of a raw item that are read.
        page_cache: whether a block is read from the store the first time only.
        parts: of blocks that share some of their parameters, which are loaded part by part.
    """

    hardware: Hardware
    segments: Mapping[str, SegmentCost]
    bandwidth: float
    data_bandwidth: float | None = None
    item_bytes: float = 0.0
    page_cache: bool = False
    parts: Parts = field(default_factory=lambda: NO_PARTS)

    @classmethod
    def of(
        cls, hardware: Hardware, keys: Mapping[str, str], storage: Storage, item_bytes: float = 0.0
    ) -> "CostModel":
        """``keys``: the segment's key in ``hardware.segments`` by block identity (see ``costs/keys.py``).

        Raises:
            ConfigError: the hardware profile lacks an architecture, which is named with what it has.
        """
        missing = {key for key in keys.values() if key not in hardware.segments}
        if missing:
            lacks, has = (sorted({_shape(key) for key in names}) for names in (missing, hardware.segments))
            raise ConfigError(
                f"hardware {hardware.name}: has no times for {', '.join(lacks)}; {nearest(lacks[0], has)}; "
                "with hardware=measured they are measured here"
            )
        limit = storage.bytes_per_second
        own = hardware.store_bytes_per_s
        return cls(
            hardware,
            {identity: hardware.segments[key] for identity, key in keys.items()},
            own if limit is None else min(limit, own),
            storage.data_bytes_per_second,
            item_bytes,
            storage.page_cache,
        )

    def of_whole_models(self) -> "CostModel":
        """The same where blocks are loaded with their models, in files of their own."""
        if (whole := self.hardware.whole_models) is None:
            return self
        hardware = replace(self.hardware, **vars(whole))
        return replace(self, hardware=hardware, bandwidth=min(self.bandwidth, whole.store_bytes_per_s))

    @property
    def read_ahead_loss(self) -> float:
        """Share of computing that is lost while another thread reads blocks at the store's bandwidth."""
        if not (known := self.hardware.read_ahead_loss):
            return 0.0
        return float(np.interp(self.bandwidth, [rate for rate, _ in known], [share for _, share in known]))

    def units(self, block: Block) -> list[Block]:
        """What is loaded for a block: the block, or its parts."""
        return units(block, self.parts)

    @cached_property
    def _read_bytes(self) -> dict[str, int]:
        """Bytes to be read for blocks that have parts, and for these, by identity."""
        found = {part.identity: part.read_bytes for parts in self.parts.values() for part in parts}
        return found | {block: sum(part.read_bytes for part in parts) for block, parts in self.parts.items()}

    @cached_property
    def _making_s(self) -> dict[str, float]:
        """Seconds to make parameters of deltas and of what adapters added, by identity."""
        deltas, products = self.hardware.delta_bytes_per_s, self.hardware.products_per_s
        own = {
            p.identity: p.unpacked_bytes / deltas + p.products / products for ps in self.parts.values() for p in ps
        }
        return own | {block: sum(own[part.identity] for part in parts) for block, parts in self.parts.items()}

    def read_s(self, block: Block) -> float:
        """Seconds to read a block from the store."""
        size = self._read_bytes.get(block.identity, block.parameter_bytes)
        return self.hardware.store_fixed_s + size / self.bandwidth

    def load_s(self, block: Block) -> float:
        """Seconds to read a block and bring it to the device, if nothing overlaps."""
        own = self.hardware.load_fixed_s + block.parameter_bytes / self.hardware.load_bytes_per_s
        return self.read_s(block) + own + self._making_s.get(block.identity, 0.0)

    def infer_s(self, block: Block, items: int) -> float:
        """Seconds to run a block on a batch of ``items``."""
        return self.segments[block.identity].seconds(items)

    def prepare_s(self, preprocessing: Preprocessing, items: int) -> float:
        """Seconds to read and prepare ``items``."""
        known = self.hardware.prepare_s
        seconds = items * known.get(preprocessing.fingerprint, known.get("", 0.0))
        if self.data_bandwidth is not None:
            seconds += items * self.item_bytes / self.data_bandwidth
        return seconds

    def start_s(self, items: int) -> float:
        """Seconds before the first of ``items`` test or training items that a step reads are there."""
        return self.hardware.prepare_start.seconds(items)

    def score_s(self, train_items: int, test_items: int, dimension: int) -> float:
        """Seconds of the proxy for features of ``dimension`` values."""
        return self.hardware.score.seconds(train_items, test_items, dimension)

    def cache_s(self, tier: str, nbytes: int, write: bool) -> float:
        """Seconds to store ``nbytes`` in a tier of the cache, or to read them."""
        pair = self.hardware.tier_bytes_per_s.get(tier)
        return nbytes / pair[0 if write else 1] if pair else 0.0


def _shape(key: str) -> str:
    """The architecture in a segment's key; the fingerprint of code if it is one."""
    return key.rpartition("/")[0] or key
