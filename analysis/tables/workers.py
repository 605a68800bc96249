"""What several workers did of each run, or are predicted to do."""

from collections.abc import Sequence

from alsatian.records import Run
from alsatian.units import factor_text, format_bytes
from analysis.tables.formats import Table
from analysis.tables.metrics import number_text

ABOUT = (
    "Speed-up: wall time of the first row over the row's. Again: share of preparing and inference that more than "
    "one portion does. Read: from the store, by a worker in the mean, and by the one that reads most. Moved: "
    "features that go from one worker to another."
)


def workers_table(runs: Sequence[Run]) -> Table | None:
    """A row for each of ``runs`` on workers, in order, by the first repeat; None if there is none."""
    rows: list[tuple[str, ...]] = []
    first = 0.0
    for run in runs:
        repeat = run.repeats[0]
        if not repeat.workers:
            continue
        first = first or repeat.wall_s
        cuts = [event for event in repeat.events if event["kind"] == "distribution"]
        again, computed, moved = (
            sum(float(cut.get(name, 0.0)) for cut in cuts) for name in ("duplicated_s", "computed_s", "moved_bytes")
        )
        read = [share.counters.get("bytes_read", 0) for share in repeat.workers.values()]
        ways = dict.fromkeys(str(cut["way"]) for cut in cuts)
        rows.append(
            (
                run.label,
                f"{len(read):,}",
                number_text(repeat.wall_s),
                factor_text(first / repeat.wall_s),
                f"{again / computed:.1%}" if computed else "–",
                format_bytes(sum(read) / len(read)),
                format_bytes(max(read)),
                format_bytes(moved),
                ", ".join(ways),
            )
        )
    header: tuple[str, ...] = (
        "run",
        "workers",
        "wall time s",
        "speed-up",
        "again",
        "read, mean",
        "read, most",
        "moved",
        "cut by",
    )
    if len(rows) == len({row[1] for row in rows}):  # their number says which is which
        rows, header = [row[1:] for row in rows], header[1:]
    numeric = tuple(place for place, title in enumerate(header) if title not in ("run", "cut by"))
    return Table("workers", header, rows, numeric) if rows else None
