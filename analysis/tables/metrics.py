"""Every number that a table shows: what it is called, what it says, its unit, and which direction is better."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from alsatian.units import factor_text, format_bytes

Unit = Literal["s", "bytes", "count", "factor", "ratio", "share", "score"]


@dataclass(frozen=True)
class Metric:
    """A column of numbers.

    Attributes:
        title: of the column.
        description: what the number says, for people who see it for the first time.
        unit: decides how numbers are printed.
        better: ``"less"`` or ``"more"``; empty for what is neither good nor bad.
    """

    title: str
    description: str
    unit: Unit
    better: Literal["less", "more", ""] = ""

    @property
    def axis(self) -> str:
        """The name of an axis that shows it, with the unit unless that stands beside every number."""
        sign = {"s": " (s)", "share": " (%)", "factor": " (×)", "ratio": " (×)"}.get(self.unit, "")
        return self.title.removesuffix(" s") + sign

    @property
    def about(self) -> str:
        """The description with its direction, in one line."""
        return f"{self.description}; {self.better} is better" if self.better else self.description


def number_text(value: float) -> str:
    """A number with three digits; whole numbers of 100 and more lose none."""
    if isinstance(value, int) or abs(value) >= 99.95:
        return f"{value:,.0f}"
    digits = 1 if abs(value) >= 9.995 else 2
    return f"{value:,.{digits}f}" if abs(value) >= 0.0995 or value == 0 else f"{value:.3g}"


TEXTS: Mapping[Unit, Callable[[float], str]] = {
    "s": lambda seconds: number_text(float(seconds)),
    "bytes": format_bytes,
    "count": lambda number: f"{number:,.0f}",
    "factor": factor_text,
    "ratio": lambda ratio: f"{ratio:.2f}×",
    "share": lambda share: f"{share:.0%}",
    "score": lambda score: f"{score:.4f}",
}


def _part(title: str, what: str) -> Metric:
    return Metric(f"{title} s", f"seconds of the search's own thread for {what}", "s", "less")


METRICS: Mapping[str, Metric] = {
    "wall_s": Metric("wall time s", "seconds from the start of the search to its ranking", "s", "less"),
    "speedup": Metric("speed-up", "wall time of base over that of the row", "factor", "more"),
    "over_limit": Metric("over limit", "wall time over the least that reading and computing need", "ratio", "less"),
    "stalled_share": Metric("stalled", "share of the wall time spent waiting for other threads", "share", "less"),
    "prepare_model_s": _part("prepare models", "reading blocks and making modules of them"),
    "prepare_data_s": _part("prepare data", "reading, decoding and preprocessing items"),
    "inference_s": _part("inference", "computing features"),
    "proxy_scoring_s": _part("proxy scoring", "scoring models on their features"),
    "planning_s": _part("planning", "task trees, orders and plans"),
    "cache_io_s": _part("cache io", "moving intermediates between tiers"),
    "other_s": _part("other", "everything else"),
    "bytes_read": Metric("bytes read", "bytes of blocks read from the store", "bytes", "less"),
    "data_bytes": Metric("data read", "bytes of items read", "bytes", "less"),
    "blocks_read": Metric("blocks read", "blocks read from the store", "count", "less"),
    "block_executions": Metric("block executions", "blocks computed for a batch", "count", "less"),
    "hits": Metric("hits", "computations that start from a cached intermediate", "count", "more"),
    "misses": Metric("misses", "computations that start from a model's input", "count", "less"),
    "hit_ratio": Metric("hit ratio", "hits out of all computations", "share", "more"),
    "cache_peak_bytes": Metric("cache peak", "largest size of the cache of intermediates", "bytes", "less"),
    "block_peak_bytes": Metric("blocks peak", "largest size of all blocks in memory", "bytes", "less"),
    "train_items": Metric("train items", "training items that models are scored on", "count"),
    "top_score": Metric("top score", "proxy score of the best model", "score", "more"),
    "exclusive_s": Metric("exclusive s", "seconds of the search's own thread", "s", "less"),
    "stalled_s": Metric("of it waiting s", "seconds that the search waited for others' work", "s", "less"),
    "limit_s": Metric("limit s", "the larger one of reading, and of inference, decoding and scoring together", "s"),
    "least_reading_s": Metric("reading s", "distinct bytes at the store's bandwidth", "s"),
    "least_inference_s": Metric("inference s", "distinct blocks and items at the fastest run of each code", "s"),
    "least_decoding_s": Metric("decoding s", "distinct items, by all cores", "s"),
    "least_scoring_s": Metric("scoring s", "all scores", "s"),
    "busy_s": Metric("busy s", "seconds that any thread was at it", "s"),
    "beside_s": Metric("of it beside the search s", "seconds of work that the search did not wait for", "s"),
    "peak_device_bytes": Metric("peak on GPU", "largest memory of the GPU in use", "bytes", "less"),
    "os_read_bytes": Metric("read from disk", "bytes that the disk delivered", "bytes", "less"),
    "counted_read_bytes": Metric("counted as read", "bytes of blocks and items that the run counts", "bytes"),
    "read_difference_bytes": Metric("difference", "bytes from the disk beyond those that the run counts", "bytes"),
    "os_rchar_bytes": Metric("asked for by reads", "bytes of all reads, from memory too", "bytes"),
    "os_write_bytes": Metric("written", "bytes written", "bytes", "less"),
    "size_bytes": Metric("size", "bytes of the parameters", "bytes"),
    "own_bytes": Metric("in no other model", "bytes of blocks that no other model of the store has", "bytes"),
}  # fmt: skip


def text(name: str, value: object) -> str:
    """``value`` of the column ``name`` as it is printed: texts as they are, what is missing as a dash."""
    if isinstance(value, str):
        return value
    if pd.isna(value):  # type: ignore[call-overload]
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return TEXTS[METRICS[name].unit](value) if name in METRICS else number_text(value)
