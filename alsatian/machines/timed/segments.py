"""Blocks, states and tiers that have a size and take time, and hold nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.segment import Segment, State
from alsatian.costs.model import CostModel
from alsatian.machines.timed.clock import VirtualClock
from alsatian.runtime.cache.tiers import Fetch, Tier


def state_of(items: int, item_bytes: int) -> State:
    """A state of ``items`` with ``item_bytes`` each, in no memory."""
    return (torch.empty((items, item_bytes), dtype=torch.uint8, device="meta"),)


@dataclass(frozen=True)
class TimedSegment:
    """In the place of a block's :class:`~alsatian.blocks.segment.Segment`."""

    block: Block
    costs: CostModel
    clock: VirtualClock

    @property
    def fingerprint(self) -> str:
        """What its times are told by."""
        return self.block.identity

    def __call__(self, state: State, parameters: Sequence[torch.Tensor]) -> State:
        items = len(state[0])
        self.clock.compute(self.costs.infer_s(self.block, items))
        return state_of(items, self.block.output_bytes)


def timed_segments(candidates: Sequence[Candidate], costs: CostModel, clock: VirtualClock) -> Mapping[str, Segment]:
    """The code of all blocks, by identity."""
    blocks = {block.identity: block for candidate in candidates for block in candidate.blocks}
    # What the engine asks of a segment is to be called.
    return {key: TimedSegment(block, costs, clock) for key, block in blocks.items()}  # type: ignore[misc]


class TimedTier(Tier):
    """A tier below the device's memory, with one thread that writes and reads, as that of the files has."""

    def __init__(self, name: str, budget: int | None, costs: CostModel, clock: VirtualClock) -> None:
        super().__init__(budget)
        self.name = name
        self._costs = costs
        self._clock = clock
        self._free_at = 0.0

    def store(self, state: State) -> State:
        self._clock.wait_until(self._free_at)  # one state waits for the thread at most
        self._free_at = self._clock.now + self._seconds(state, write=True)
        return state

    def fetch(self, handle: State) -> Fetch:
        self._free_at = max(self._free_at, self._clock.now) + self._seconds(handle, write=False)
        ready = self._free_at

        def finish() -> State:
            self._clock.wait_until(ready)
            return handle

        return finish

    def _seconds(self, state: State, write: bool) -> float:
        return self._costs.cache_s(self.name, sum(t.untyped_storage().nbytes() for t in state), write)
