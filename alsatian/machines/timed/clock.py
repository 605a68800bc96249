"""A clock that moves by what things are said to take."""

from collections.abc import Callable


class VirtualClock:
    """Seconds since the start of a simulation. See :class:`~alsatian.runtime.meter.clock.Clock`.

    Attributes:
        disturb: seconds by which other threads delayed what was computed since a moment.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.disturb: Callable[[float], float] = lambda start: 0.0

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.now += seconds

    def compute(self, seconds: float) -> None:
        """Let ``seconds`` of computing pass, and what other threads' work adds to them."""
        start = self.now
        self.now += seconds
        self.now += self.disturb(start)

    def wait_until(self, moment: float) -> None:
        """Let time pass until ``moment``, if it is not over."""
        self.now = max(self.now, moment)

    def mark(self) -> float:
        """Now."""
        return self.now

    def seconds(self, start: float, end: float) -> float:
        """From one mark to another."""
        return end - start
