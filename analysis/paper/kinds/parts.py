"""The four parts of a search, and its end-to-end time: a group of bars for each part."""

import math
from collections.abc import Sequence
from typing import ClassVar

from matplotlib.colors import LinearSegmentedColormap, to_hex

from alsatian.units import factor_text, seconds_text
from analysis.comparing.labels import DISTRIBUTIONS
from analysis.figures import style
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.comparisons import COMPONENTS
from analysis.paper.evidence.slots import PANEL
from analysis.paper.kinds.bars import Bar, Group
from analysis.paper.kinds.groups import GroupedFigure

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

    def looks(self, inside: Sequence[Cell]) -> dict[str, str]:
        """What the bars of a panel differ in: strategies, or else workloads in shades of one colour."""
        names = list(dict.fromkeys(_name(cell, inside) for cell in inside))
        if len({cell.approach for cell in inside}) > 1:
            return {name: style.colour(name) for name in names}
        return {name: to_hex(_SHADES(i / max(1, len(names) - 1))) for i, name in enumerate(names)}

    def groups(self, inside: Sequence[Cell]) -> list[Group]:
        """A group for each part."""
        looks = self.looks(inside)
        components: dict[str, list[Bar]] = {}
        for cell in inside:
            components.setdefault(cell.component, []).append(_bar(cell, looks[_name(cell, inside)]))
        return [Group(COMPONENTS[name], own) for name, own in components.items()]

    def panel_title(self, letter: str, inside: Sequence[Cell]) -> str:
        """What its bars have in common."""
        first = inside[0]
        told = [first.workload.partition("@")[0], f"{first.items:,} items"]
        if len({cell.distribution for cell in inside}) == 1:
            told.insert(1, DISTRIBUTIONS.get(first.distribution, first.distribution))
        if len({cell.approach for cell in inside}) == 1:
            told.insert(0, first.approach)
        return f"({letter}) {', '.join(told)}"


def _name(cell: Cell, inside: Sequence[Cell]) -> str:
    if len({other.approach for other in inside}) > 1:
        return cell.approach
    if len({other.distribution for other in inside}) > 1:
        return DISTRIBUTIONS.get(cell.distribution, cell.distribution)
    return cell.workload.partition("@")[2] or cell.workload


def _bar(cell: Cell, colour: str) -> Bar:
    scale = cell.percent / cell.seconds if cell.ok and cell.seconds else math.nan
    low, high = cell.seconds_min * scale, cell.seconds_max * scale
    return Bar(colour, cell.percent, low, high, _text(cell), cell.published_percent)


def _text(cell: Cell) -> str:
    if not cell.ok:
        return cell.status if cell.status != "ok" else "not measured"
    if cell.component == "total" and cell.approach != "base" and not math.isnan(cell.speedup):
        return f"{seconds_text(cell.seconds)}, {factor_text(cell.speedup)}"
    return seconds_text(cell.seconds) + (", no base" if math.isnan(cell.percent) else "")
