"""What the repeats of a run say: each metric's median, smallest, largest and how many values there are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from alsatian.records import Run
from analysis.comparing.comparable import reference

PARTS = ("prepare_model", "prepare_data", "inference", "proxy_scoring", "planning", "cache_io", "other")
# Those that the paper measures.
PAPER_PARTS = PARTS[:4]
COUNTERS = ("bytes_read", "data_bytes", "blocks_read", "block_executions")
MEASURED = ("wall_s", *(f"{part}_s" for part in PARTS), *COUNTERS)
PEAKS = {"cache_peak_bytes": "cache_bytes", "block_peak_bytes": "resident_block_bytes"}
# What figures may show.
LIMIT = ("over_limit", "stalled_share")
DRAWN = (*MEASURED, "speedup", *LIMIT, "hits", "misses", "hit_ratio", *PEAKS, "top_score")


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


def measured(run: Run) -> dict[str, Spread]:
    """Each of ``MEASURED`` over the repeats of ``run``, in seconds, bytes or counts; times as :func:`wall`."""
    # Repeats that measured the wall time alone have no parts.
    whole = [repeat for repeat in run.quiet if repeat.level != "total"]
    return {
        "wall_s": wall(run),
        **{f"{part}_s": Spread.of([repeat.parts_s.get(part, 0.0) for repeat in whole]) for part in PARTS},
        **{name: Spread.of([r.counters.get(name, math.nan) for r in run.repeats]) for name in COUNTERS},
    }


def drawn(run: Run, runs: Sequence[Run]) -> dict[str, Spread]:
    """Each of ``DRAWN`` over the repeats of ``run``; the base that it is compared with is one of ``runs``."""
    base = reference(run, runs, "base")
    counts = [(r.counters.get("hits", 0), r.counters.get("misses", 0)) for r in run.repeats]
    best = run.rounds[-1].scores.get(run.winner or "") if run.rounds else None
    return measured(run) | {
        "speedup": wall(base).over(wall(run)) if base else NOT_MEASURED,
        **limited(run),
        "hits": Spread.of([hits for hits, _ in counts]),
        "misses": Spread.of([misses for _, misses in counts]),
        "hit_ratio": Spread.of([h / (h + m) if h + m else math.nan for h, m in counts]),
        **{name: Spread.of([r.peaks.get(peak, math.nan) for r in run.repeats]) for name, peak in PEAKS.items()},
        "top_score": Spread.of([] if best is None else [best]),
    }


def limited(run: Run) -> dict[str, Spread]:
    """Wall time over the limit and stalled share, over the repeats of ``run``; NaN where a repeat does not tell."""
    values = {name: [getattr(repeat, name) for repeat in run.quiet] for name in LIMIT}
    return {name: Spread.of([math.nan if v is None else v for v in own]) for name, own in values.items()}


def wall(run: Run) -> Spread:
    """The wall time over the repeats of ``run`` in seconds, without those that others disturbed."""
    return Spread.of([repeat.wall_s for repeat in run.quiet])


def median_count(run: Run, name: str) -> int:
    """The median of a counter over the repeats; one that is not in the record is 0."""
    return round(median(repeat.counters.get(name, 0) for repeat in run.repeats))
