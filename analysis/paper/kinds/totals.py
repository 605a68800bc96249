"""End-to-end times: groups of base, shift, alsatian and ours at its best, a group for each workload."""

import math
from collections.abc import Sequence
from typing import ClassVar

from alsatian.units import factor_text, seconds_text
from analysis.comparing.labels import DISTRIBUTIONS
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Verdict
from analysis.paper.kinds.groups import GroupedFigure
from analysis.paper.kinds.stand_ins import items


class Totals(GroupedFigure):
    """A figure of end-to-end times."""

    marks = (
        "Bars are median wall times relative to base's in the same cell, whiskers the fastest and the slowest "
        "repeat; above them are base's seconds, else the speed-up over base. A diamond is where a bar would end "
        "at the published speed-up."
    )
    ordinate: ClassVar[str] = "time relative to base (%)"

    def group(self, cell: Cell) -> str:
        """A group for each workload."""
        return self.stand_in(cell.workload)

    def text(self, cell: Cell) -> str:
        """Seconds of base, else the speed-up over it."""
        if cell.approach != "base" and not math.isnan(cell.speedup):
            return factor_text(cell.speedup)
        return seconds_text(cell.seconds) + ("" if cell.approach == "base" else ", no base")

    def mark(self, cell: Cell) -> float:
        """Base is 100% by definition, the published one too."""
        return math.nan if cell.approach == "base" else cell.published_percent

    def panel_title(self, letter: str, inside: Sequence[Cell]) -> str:
        """E.g. ``"(a) Top 50%, 64 items, standing for 2,000"``."""
        return panel_title(letter, items(inside), inside[0].distribution)

    def verdicts(self) -> list[Verdict]:
        """Who is faster, and by how much."""
        return [*self.order(), self.factors("alsatian", "base")]


def panel_title(letter: str, items: str, distribution: str) -> str:
    """E.g. ``"(a) Top 50%, 2,000 items"``."""
    told = [DISTRIBUTIONS.get(distribution, ""), items]
    return f"{f'({letter}) ' if letter else ''}{', '.join(word for word in told if word)}"
