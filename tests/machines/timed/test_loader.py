"""Threads that read ahead take turns at the store, and load what has come beside each other."""

import pytest
import torch
from torch.fx import Graph, GraphModule

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.budgets import BlockBudgets
from alsatian.costs.hardware import Hardware
from alsatian.costs.model import CostModel
from alsatian.machines.timed.clock import VirtualClock
from alsatian.machines.timed.loader import TimedLoader
from alsatian.runtime.loading.block_source import Need
from alsatian.runtime.loading.settings import WORTH_BYTES
from alsatian.runtime.meter.meter import Meter

SIZE = WORTH_BYTES


def needs(count: int, size: int) -> list[Need]:
    segment = Segment("code", (), (), 4, GraphModule({}, Graph()))
    return [Need(Block(f"b{i}", size, 4), segment, "model") for i in range(count)]


def seconds(
    blocks: int, read_s: float, load_s: float, room: int = 100, compute_s: float = 0.0, size: int = SIZE
) -> list[float]:
    """When each block is there for a search that reads ahead and computes for so long with each."""
    clock = VirtualClock()
    costs = CostModel(Hardware("made up", "here", load_fixed_s=load_s, store_fixed_s=read_s), {}, 1e18)
    meter = Meter(torch.device("cpu"), clock=clock)
    loader = TimedLoader(costs, clock, meter, BlockBudgets(device=room * SIZE, host=0, ssd=0), ahead=True)
    plan = needs(blocks, size)
    loader.follow([[need] for need in plan])
    clock.advance(1e-9)  # the search comes for its first block when it is on its way
    there = []
    for need in plan:
        loader.advance()
        loader.load(need)
        there.append(round(clock.now, 2))
        clock.compute(compute_s)
    loader.stop()
    return there


@pytest.mark.parametrize(
    ("read_s", "load_s", "expected"),
    [
        (3, 2, [5, 8, 11, 14]),  # the store never waits
        (1, 3, [4, 5, 8, 9]),  # both threads load, and the store waits for one of them
        (2, 0, [2, 4, 6, 8]),
        (0, 2, [2, 2, 4, 4]),
    ],
)
def test_the_next_block_is_read_while_one_is_loaded(read_s: float, load_s: float, expected: list[float]) -> None:
    assert seconds(4, read_s, load_s) == expected


def test_small_blocks_are_brought_one_after_the_other() -> None:
    assert seconds(4, 3, 2, compute_s=1e-3, size=SIZE - 1) == [5, 10, 15, 20]


def test_without_room_for_two_blocks_one_is_brought_after_the_other() -> None:
    """The first one's place is free when its step is over."""
    assert seconds(3, 3, 2, room=1, compute_s=1) == [5, 11, 17]


def test_what_is_read_beside_computing_is_not_waited_for() -> None:
    assert seconds(4, 3, 2, compute_s=10) == [5, 15, 25, 35]
