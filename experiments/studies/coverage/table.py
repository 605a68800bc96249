"""The table of coverage, as CSV and as Markdown."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields

from experiments.studies.coverage.measurement import BATCHES, CoverageRow

COLUMNS = tuple(field.name for field in fields(CoverageRow))


def summary(rows: Sequence[CoverageRow]) -> str:
    """How many are exact, in words, in all and by library."""
    libraries = sorted({row.name.split("/")[0] for row in rows})
    parts = []
    for library in libraries:
        mine = [row for row in rows if row.name.split("/")[0] == library]
        parts.append(f"{library} {sum(row.exact for row in mine)} of {len(mine)}")
    return f"{sum(row.exact for row in rows)} of {len(rows)} exact" + (f" ({', '.join(parts)})" if parts else "")


def as_csv(rows: Sequence[CoverageRow]) -> str:
    """One line a case, the columns named as the attributes of :class:`CoverageRow`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        rounded = {"largest_share": f"{row.largest_share:.4f}", "seconds": f"{row.seconds:.2f}"}
        writer.writerow({**asdict(row), **rounded})
    return text.getvalue()


def as_markdown(rows: Sequence[CoverageRow], date: str, environment: Mapping[str, str]) -> str:
    """The table with what it was measured on; ``environment`` holds versions and hardware by name."""
    batches = " and ".join(str(batch) for batch in BATCHES)
    lines = [
        "# Coverage of the splitter",
        "",
        f"{summary(rows)}. Measured on {date} by `alsatian coverage` with "
        f"{', '.join(f'{name} {value}' for name, value in environment.items())}.",
        "",
        f"Every model is built with random parameters and running statistics, exported with two items, and run at "
        f"batch sizes {batches}, text with and without padding. *Exact* means that the chain of blocks returns "
        "the features of the module, bit for bit. *Largest* is the largest block's share of the parameters and "
        "buffers that the chain reads, shared ones counted once; *seconds* are for export and split.",
        "",
        "| model | input | pooling | parameters | blocks | largest | exact | seconds |",
        "|---|---|---|--:|--:|--:|---|--:|",
    ]
    for row in rows:
        exact = "yes" if row.exact else "**no**"
        lines.append(
            f"| {row.name} | {row.input} | {row.pooling} | {row.parameters:,} | {row.blocks} "
            f"| {row.largest_share:.0%} | {exact} | {row.seconds:.1f} |"
        )
    failed = [row for row in rows if not row.exact]
    if failed:
        lines += ["", "## Not exact", ""]
        lines += [f"- {row.name}: {row.error}" for row in failed]
    return "\n".join(lines) + "\n"
