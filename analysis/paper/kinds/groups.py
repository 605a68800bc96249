"""Figures about searches whose panels hold groups of bars, with marks where the published ones end."""

import math
from abc import abstractmethod
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from analysis.comparing.disturbances import MARK
from analysis.figures import style
from analysis.paper.evidence.cells import Cell
from analysis.paper.kinds import bars
from analysis.paper.kinds.searches import SearchFigure


class GroupedFigure(SearchFigure):
    """A figure of groups of bars."""

    @abstractmethod
    def text(self, cell: Cell) -> str:
        """What stands above the bar of a cell that was measured."""

    def name(self, cell: Cell, inside: Sequence[Cell]) -> str:
        """What a bar is called in the legend; the strategy if nothing else is said."""
        return cell.approach

    def looks(self, inside: Sequence[Cell]) -> dict[str, str]:
        """Colours of a panel's bars by name: those of the strategies if nothing else is said."""
        return {name: style.colour(name) for name in dict.fromkeys(self.name(cell, inside) for cell in inside)}

    def groups(self, inside: Sequence[Cell]) -> list[bars.Group]:
        """The bars of a panel."""
        looks = self.looks(inside)
        found: dict[str, list[bars.Bar]] = {}
        for cell in inside:
            found.setdefault(self.group(cell), []).append(self._bar(cell, looks[self.name(cell, inside)]))
        return [bars.Group(label, own) for label, own in found.items()]

    def width(self, inside: Sequence[Cell]) -> float:
        """Inches that a panel needs."""
        return bars.width(self.groups(inside))

    @property
    def beside(self) -> Sequence[bars.Group]:
        """Groups of all panels if they share one ordinate; none if each has its own."""
        return ()

    def draw_panel(self, axes: Axes, inside: Sequence[Cell], inches: float) -> None:
        """Draw the bars of a panel of so many ``inches``."""
        others = self.beside or self.groups(self.panels[inside[0].panel])
        bars.draw(axes, self.groups(inside), inches, others)

    def legend(self) -> list[Artist]:
        """What explains colours and marks."""
        looks = dict(item for inside in self.shown.values() for item in self.looks(inside).items())
        return [*bars.patches(looks), bars.mark("published")]

    def _bar(self, cell: Cell, colour: str) -> bars.Bar:
        text = self.text(cell) if cell.ok else cell.status if cell.status != "ok" else "not measured"
        scale = cell.percent / cell.seconds if cell.ok and cell.seconds else math.nan
        low, high = cell.seconds_min * scale, cell.seconds_max * scale
        return bars.Bar(colour, cell.percent, low, high, text + MARK * cell.disturbed, self.mark(cell))

    def mark(self, cell: Cell) -> float:
        """Height of the published mark."""
        return cell.published_percent
