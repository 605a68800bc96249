"""The uses of blocks that a plan foresees, kept in step with what really happens."""

import pytest
from torch.fx import Graph, GraphModule

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.runtime.loading.block_source import Need
from alsatian.runtime.loading.foresight import NEVER, Foresight

SEGMENT = Segment("code", (), (), 4, GraphModule({}, Graph()))


def steps(*names: str) -> list[list[Need]]:
    """One letter is one block."""
    return [[Need(Block(letter, 8, 4), SEGMENT, "m") for letter in step] for step in names]


def walk(foresight: Foresight, count: int) -> str:
    found = ""
    for _ in range(count):
        upcoming = foresight.upcoming()
        if upcoming is None:
            return found + "."
        found += f"{upcoming[0]}{upcoming[1].block.identity} "
        foresight.pass_on()
    return found


def test_uses_are_those_that_lie_ahead() -> None:
    foresight = Foresight(steps("ab", "c", "aa", ""))
    assert [foresight.next_use(x) for x in "abcx"] == [0, 0, 1, NEVER]
    foresight.advance()
    foresight.used("a")
    assert [foresight.next_use(x) for x in "abc"] == [2, 0, 1]
    foresight.advance()
    assert [foresight.next_use(x) for x in "abc"] == [2, NEVER, 1]  # b was not needed after all
    foresight.used("x")
    foresight.used("a")  # needed now, though not foreseen: its use to come is another
    assert foresight.next_use("a") == 2
    foresight.advance()
    foresight.used("a")
    assert foresight.next_use("a") == 2  # twice in the step
    foresight.used("a")
    assert foresight.next_use("a") == NEVER


def test_reading_ahead_walks_the_steps_in_order_from_the_current_one() -> None:
    foresight = Foresight(steps("ab", "", "c", "d"))
    assert walk(foresight, 2) == "0a 0b "
    for _ in range(4):
        foresight.advance()
    assert walk(foresight, 5) == "3d ."


def test_reading_ahead_goes_back_for_what_is_gone() -> None:
    foresight = Foresight(steps("ab", "c", "d"))
    assert walk(foresight, 3) == "0a 0b 1c "
    foresight.go_back("e")
    foresight.go_back("d")
    assert walk(foresight, 1) == "2d "
    foresight.go_back("c")
    assert walk(foresight, 5) == "1c 2d ."
    foresight.go_back("d")
    assert walk(foresight, 5) == "2d ."


@pytest.mark.parametrize("groups", [[], [""], ["", ""]])
def test_nothing_to_read(groups: list[str]) -> None:
    foresight = Foresight(steps(*groups))
    assert foresight.upcoming() is None
    assert foresight.follows == bool(groups)
