"""Time that only passes when told to."""


class FakeTime:
    """Stands in for the module time."""

    def __init__(self) -> None:
        self.now = 100.0
        self.readings = 0

    def perf_counter(self) -> float:
        self.readings += 1
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds
