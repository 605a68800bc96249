"""The report's tables of the limit, of work beside the search, and of what the operating system counts."""

import math
from collections.abc import Sequence
from statistics import median

import pandas as pd

from alsatian.records import Limit, Run
from alsatian.units import format_bytes
from analysis.comparing.labels import in_order
from analysis.comparing.measurements import PARTS, limited, wall
from analysis.tables.formats import Table

# Less is no difference, in seconds.
SMALLEST = 0.0005
PEAKS = ("peak_rss_bytes", "lifetime_peak_rss_bytes", "peak_device_bytes")
COUNTS = ("os_read_bytes", "counted_read_bytes", "read_difference_bytes", "os_rchar_bytes", "os_write_bytes")


def limits(runs: Sequence[Run]) -> Table:
    """Wall time beside the limit and its terms, a row for each run whose records tell; medians."""
    rows = []
    for label, run in in_order(runs):
        found = [repeat.limit for repeat in run.quiet if repeat.limit is not None]
        if not found:
            continue
        values = {name: spread.median for name, spread in limited(run).items()}
        least = {f"least_{term}": median(getattr(limit, term) for limit in found) for term in Limit.model_fields}
        seconds = median(limit.seconds for limit in found)
        own = {"run": label, "wall_s": wall(run).median, "limit_s": seconds}
        rows.append({**own, "over_limit": values["over_limit"], **least, "stalled_share": values["stalled_share"]})
    return Table.of(pd.DataFrame(rows))


def overlap(runs: Sequence[Run]) -> Table:
    """Parts with work beside the search or with waiting, a row for each run and part; medians in seconds.

    Parts without either are left out: all their work is exclusive.
    """
    rows = []
    for label, run in in_order(runs):
        repeats = [repeat for repeat in run.quiet if repeat.busy_s]
        for part in PARTS if repeats else ():
            exclusive, stalled, busy = (
                median(seconds.get(part, 0.0) for seconds in times)
                for times in zip(*((r.parts_s, r.stalled_s, r.busy_s) for r in repeats), strict=True)
            )
            beside = busy - (exclusive - stalled)
            if max(abs(beside), stalled) >= SMALLEST:
                rows.append((label, part.replace("_", " "), exclusive, stalled, busy, max(0.0, beside)))
    return Table.of(pd.DataFrame(rows, columns=["run", "part", "exclusive_s", "stalled_s", "busy_s", "beside_s"]))


def process(runs: Sequence[Run]) -> Table:
    """Peaks (the largest of all repeats) and bytes read and written (medians), a row for each run."""
    rows = []
    for label, run in in_order(runs):
        known = pd.DataFrame([repeat.process for repeat in run.repeats if repeat.process], dtype=float)
        if known.empty:
            continue
        known = known.reindex(columns=[*PEAKS, *COUNTS])
        searching, whole, device = known[list(PEAKS)].max()
        peak = format_bytes(searching)
        if math.isnan(searching):
            peak = "–" if math.isnan(whole) else f"{format_bytes(whole)} (whole process)"
        medians = known[list(COUNTS)].median()
        rows.append({"run": label, "peak memory": peak, "peak_device_bytes": device, **medians})
    return Table.of(pd.DataFrame(rows))
