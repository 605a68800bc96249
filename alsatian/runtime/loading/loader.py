"""What an engine asks of a loader of blocks."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from alsatian.blocks.candidate import Block
from alsatian.runtime.loading.block_source import Need
from alsatian.runtime.loading.transfer import Parameters

Work = Callable[[], bool]
"""Does a piece of other work; whether there was any."""


def nothing_to_do() -> bool:
    """No other work."""
    return False


class Loader(Protocol):
    """Where an engine gets parameters from, on a real or a virtual clock."""

    def follow(self, steps: Iterable[Sequence[Need]], budget: int | None = None) -> None:
        """Expect a plan whose steps need these blocks, and begin to read ahead.

        ``budget`` is that of the device from now on, if it is not to stay as it is.
        Every step has to be announced with :meth:`advance`. ``steps`` are left alone if nothing is kept.
        """
        ...

    def advance(self) -> None:
        """The next step of the plan begins; the blocks of the last one are not in use any more."""
        ...

    def load(self, need: Need, meanwhile: Work = nothing_to_do) -> Parameters:
        """The parameters of a block on the device, ready to call its segment. Waits if it is on its way.

        While it waits it calls ``meanwhile``, until that says that there is nothing to do.

        Raises:
            StoreError: its file is missing, damaged or made from other code; names the model.
        """
        ...

    def resident(self, needs: Sequence[Need]) -> list[Parameters] | None:
        """The parameters of blocks that are all on the device now, for the current step; None otherwise."""
        ...

    def holds(self, blocks: Iterable[Block]) -> bool:
        """Whether all of these can be on the device at once, so that none gives way to another."""
        ...

    def stop(self) -> None:
        """End the plan. Waits for the blocks on their way; what is resident stays."""
        ...

    def close(self) -> None:
        """End the search: drop everything at once, not when garbage is next collected."""
        ...

    def give_up(self) -> int:
        """Drop all blocks on the device, for when memory runs out, and return their bytes.

        Nothing is kept or read ahead before the next step, and from then on at most half as much: what was
        held was too much. The caller drops what it holds of the current step itself.
        """
        ...
