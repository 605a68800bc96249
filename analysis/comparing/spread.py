"""A quantity over repeats: median, smallest, largest and how many."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of ``count`` values; NaN for none."""

    median: float
    low: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Of all ``values``; as if there were none if one of them is NaN."""
        if not values or any(math.isnan(value) for value in values):
            return cls(math.nan, math.nan, math.nan, 0)
        return cls(median(values), min(values), max(values), len(values))

    def over(self, other: "Spread") -> "Spread":
        """How many times ``other`` it is; the spread is that of the extremes. NaN where ``other`` may be 0."""
        if not other.low > 0 or not self.count:
            return NOT_MEASURED
        return Spread(
            self.median / other.median, self.low / other.high, self.high / other.low, min(self.count, other.count)
        )


NOT_MEASURED = Spread(math.nan, math.nan, math.nan, 0)
