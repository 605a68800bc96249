"""The report's tables of work beside the search, and of what the operating system counts."""

from collections.abc import Iterable, Sequence
from statistics import median

from alsatian.records.reading import Run
from alsatian.units import format_bytes
from analysis.comparing.labels import in_order
from analysis.report.sections import Table
from analysis.tables.experiment import PARTS

# Seconds that the page does not print are no difference.
SMALLEST = 0.0005


def overlap(runs: Sequence[Run]) -> Table:
    """Parts with work beside the search or with waiting, a row for each run and part; medians in seconds.

    Parts without either are left out: all their work is exclusive.
    """
    rows = []
    for label, run in in_order(runs):
        for part in PARTS:
            repeats = [repeat for repeat in run.repeats if repeat.busy_s]
            if not repeats:
                continue
            exclusive, stalled, busy = (
                median(seconds.get(part, 0.0) for seconds in found)
                for found in zip(*((r.parts_s, r.stalled_s, r.busy_s) for r in repeats), strict=True)
            )
            beside = busy - (exclusive - stalled)
            if max(abs(beside), stalled) >= SMALLEST:
                name = part.replace("_", " ")
                rows.append((label, name, *(f"{s:,.3f}" for s in (exclusive, stalled, busy, max(0.0, beside)))))
    header = ("run", "part", "exclusive s", "of it waiting s", "busy s", "of it beside the search s")
    return Table("", header, rows, numeric=(2, 3, 4, 5))


def process(runs: Sequence[Run]) -> Table:
    """Peaks (the largest of all repeats) and bytes read and written (medians), a row for each run."""
    rows = []
    for label, run in in_order(runs):
        found = [repeat.process for repeat in run.repeats if repeat.process]
        if not found:
            continue
        peak = _largest(_known(found, "peak_rss_bytes"))
        if peak is None and (whole := _largest(_known(found, "lifetime_peak_rss_bytes"))) is not None:
            peak = f"{whole} (whole process)"
        rows.append(
            (
                label,
                peak or "–",
                _largest(_known(found, "peak_device_bytes")) or "–",
                *(
                    _middle(_known(found, name))
                    for name in (
                        "os_read_bytes",
                        "counted_read_bytes",
                        "read_difference_bytes",
                        "os_rchar_bytes",
                        "os_write_bytes",
                    )
                ),
            )
        )
    header = (
        "run",
        "peak memory",
        "peak on GPU",
        "read from disk",
        "counted as read",
        "difference",
        "asked for by reads",
        "written",
    )
    return Table("", header, rows, numeric=tuple(range(1, len(header))))


def _known(found: Iterable[object], name: str) -> list[float]:
    """The values of ``name`` where the system told them."""
    return [value for one in found if isinstance(one, dict) and (value := one.get(name)) is not None]


def _largest(values: Sequence[float]) -> str | None:
    return format_bytes(max(values)) if values else None


def _middle(values: Sequence[float]) -> str:
    return format_bytes(median(values)) if values else "–"
