"""Speed-ups over Base in every cell: the published, that of Alsatian as published, and that of ours at its best."""

import math
from collections.abc import Sequence
from statistics import median
from typing import ClassVar

import pandas as pd

from alsatian.units import factor_text
from analysis.comparing.disturbances import MARK
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.comparisons import where
from analysis.paper.evidence.slots import BEST
from analysis.paper.kinds.totals import Totals
from analysis.tables.formats import Table

# A speed-up within this share of the published one counts as reproduced.
WITHIN = 0.25
PUBLISHED = "alsatian_published"
# Scales with the published numbers of models.
COUNTED = ("desktop", "paper")
COLUMNS = ("published", PUBLISHED, BEST)


class Factors(Totals):
    """A figure of end-to-end times of which the published speed-ups are looked at cell by cell."""

    counted: ClassVar[tuple[str, ...]] = COUNTED

    @property
    def tables(self) -> list[Table]:
        """The speed-ups, with how many are reproduced; none at scales with other numbers of models."""
        found = factors(self.cells)
        if self.sources.scale not in self.counted or found.empty:
            return []
        return [Table(title(found), ("cell", *COLUMNS, f"{BEST} over published"), _rows(found), (1, 2, 3, 4))]


def factors(found: Sequence[Cell]) -> pd.DataFrame:
    """A row for each cell that the paper has: ``cell`` for people, ``COLUMNS`` (NaN for what is not there), and
    ``disturbed``, the columns that rest on repeats that others disturbed."""
    places: dict[str, dict[str, Cell]] = {}
    for cell in found:
        if cell.component == "total" and cell.items is not None:
            places.setdefault(where(cell), {})[cell.approach] = cell
    rows = []
    for place, own in places.items():
        ours, best, base = (own.get(name) for name in ("alsatian", BEST, "base"))
        if ours is None or math.isnan(ours.published_speedup):
            continue
        loud = [
            name
            for name, cell in ((PUBLISHED, ours), (BEST, best))
            if cell and (cell.disturbed or (base and base.disturbed))
        ]
        speedups = ours.published_speedup, ours.speedup, best.speedup if best else math.nan
        rows.append({"cell": place, **dict(zip(COLUMNS, speedups, strict=True)), "disturbed": loud})
    return pd.DataFrame(rows, columns=["cell", *COLUMNS, "disturbed"])


def title(found: pd.DataFrame) -> str:
    """How many of the speed-ups in ``found`` are as published, and how far ours at its best goes beyond."""
    known, best = found[found[PUBLISHED].notna()], found[found[BEST].notna()]
    close = ((known[PUBLISHED] / known["published"] - 1).abs() <= WITHIN).sum()
    told = f"Speed-up over Base. {PUBLISHED} is within {WITHIN:.0%} of the published one "
    told += f"in {close} of {len(known)} cells"
    if len(best):
        ratio = best[BEST] / best["published"]
        told += f"; {BEST} reaches it in {(ratio >= 1).sum()} of {len(best)}, "
        told += f"in the median {median(ratio):.2f} times it"
    missing = len(found) - min(len(known), len(best))
    return told + (f" ({missing} of {len(found)} cells not measured in full)." if missing else ".")


def _rows(found: pd.DataFrame) -> list[tuple[str, ...]]:
    rows = []
    for row in found.to_dict("records"):
        ratio = row[BEST] / row["published"]
        texts = [
            "–" if math.isnan(row[name]) else factor_text(row[name]) + MARK * (name in row["disturbed"])
            for name in COLUMNS
        ]
        rows.append((row["cell"], *texts, "–" if math.isnan(ratio) else f"{ratio:.2f}"))
    return rows
