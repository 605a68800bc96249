"""What a round's work costs, as far as cutting it needs to know."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from alsatian.blocks.candidate import Block
from alsatian.costs.model import CostModel
from alsatian.data.preprocessing import Preprocessing

_VALUE_BYTES = 4  # of a feature, float32
_GUESSED = 1e-9


@dataclass(frozen=True)
class Costs:
    """Seconds on a worker of speed 1, and of its way to the store.

    Attributes:
        infer_s: of a block, per item.
        load_s: of a block beside reading its bytes.
        prepare_s: of the data, per item.
        score_s: of a model whose features have so many bytes per item.
        bandwidth: bytes per second of the store, and between workers.
        read_ahead: whether blocks are read beside computing.
        start_s: before the first items that a portion prepares are there.
    """

    infer_s: Callable[[Block], float]
    load_s: Callable[[Block], float]
    prepare_s: Callable[[Preprocessing], float]
    score_s: Callable[[int], float]
    bandwidth: float
    read_ahead: bool = True
    start_s: float = 0.0

    @classmethod
    def of(
        cls,
        costs: CostModel,
        batch_items: int,
        train_items: int,
        test_items: int,
        read_ahead: bool = True,
        kinds: int = 2,
    ) -> Self:
        """Those of a cost model, with batches of ``batch_items`` and scores on so many items; test and training
        items that are new are ``kinds``, read apart."""
        return cls(
            lambda block: costs.infer_s(block, batch_items) / batch_items,
            lambda block: costs.load_s(block) - block.parameter_bytes / costs.bandwidth,
            lambda kind: costs.prepare_s(kind, batch_items) / batch_items,
            lambda size: costs.score_s(train_items, test_items, size // _VALUE_BYTES),
            costs.bandwidth,
            read_ahead,
            kinds * costs.start_s(train_items),
        )

    @classmethod
    def guessed(cls, bandwidth: float = 1e9, read_ahead: bool = True) -> Self:
        """Where nothing was measured: a block's work grows with the bytes of its parameters and its state."""
        return cls(
            lambda block: _GUESSED * (block.parameter_bytes / 100 + block.output_bytes),
            lambda block: 0.0,
            lambda kind: _GUESSED * kind.output_bytes,
            lambda size: _GUESSED * size,
            bandwidth,
            read_ahead,
        )
