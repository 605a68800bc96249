"""The four parts of a search, and its end-to-end time: a group of bars for each part."""

import math
from collections.abc import Sequence
from typing import ClassVar

from matplotlib.colors import LinearSegmentedColormap, to_hex

from alsatian.units import factor_text, seconds_text
from analysis.comparing.labels import DISTRIBUTIONS, named
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.comparisons import COMPONENTS
from analysis.paper.evidence.slots import PANEL
from analysis.paper.kinds.groups import GroupedFigure
from analysis.paper.kinds.stand_ins import items

# A hue that no strategy has, for panels of different strategies share the legend.
_SHADES = LinearSegmentedColormap.from_list("shades", ["#BBB5CB", "#4B3B78"])


class Parts(GroupedFigure):
    """A figure of the four parts."""

    marks = (
        "Bars are medians, whiskers the fastest and the slowest repeat; above them are seconds, and the "
        "speed-up over base. Diamonds are the published times, relative in the same way. The total also holds "
        "planning, caching and whatever else a search does."
    )
    reference = PANEL
    ordinate: ClassVar[str] = "time relative to the total\nof the first bar (%)"

    def name(self, cell: Cell, inside: Sequence[Cell]) -> str:
        """What the bars of a panel differ in: strategies, distributions or workloads."""
        if _differ(inside, "approach"):
            return cell.approach
        if _differ(inside, "distribution"):
            return DISTRIBUTIONS.get(cell.distribution, cell.distribution)
        return named(cell.workload).rpartition(", ")[2]

    def looks(self, inside: Sequence[Cell]) -> dict[str, str]:
        """Colours of strategies, or else shades of one colour."""
        looks = super().looks(inside)
        if _differ(inside, "approach"):
            return looks
        return {name: to_hex(_SHADES(i / max(1, len(looks) - 1))) for i, name in enumerate(looks)}

    def group(self, cell: Cell) -> str:
        """A group for each part."""
        return COMPONENTS[cell.component]

    def text(self, cell: Cell) -> str:
        """Seconds, and of a total the speed-up over base."""
        if cell.component == "total" and cell.approach != "base" and not math.isnan(cell.speedup):
            return f"{seconds_text(cell.seconds)}, {factor_text(cell.speedup)}"
        return seconds_text(cell.seconds) + (", no base" if math.isnan(cell.percent) else "")

    def panel_title(self, letter: str, inside: Sequence[Cell]) -> str:
        """What its bars have in common."""
        first = inside[0]
        told = [self.stand_in(first.workload).partition("@")[0], items(inside)]
        if not _differ(inside, "distribution"):
            told.insert(1, DISTRIBUTIONS.get(first.distribution, first.distribution))
        if not _differ(inside, "approach"):
            told.insert(0, first.approach)
        return f"({letter}) {', '.join(told)}"


def _differ(inside: Sequence[Cell], label: str) -> bool:
    return len({getattr(cell, label) for cell in inside}) > 1
