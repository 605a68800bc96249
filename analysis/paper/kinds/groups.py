"""Figures about searches whose panels hold groups of bars, with marks where the published ones end."""

from abc import abstractmethod
from collections.abc import Sequence

from matplotlib.artist import Artist
from matplotlib.axes import Axes

from analysis.paper.evidence.cells import Cell
from analysis.paper.kinds import bars
from analysis.paper.kinds.searches import SearchFigure


class GroupedFigure(SearchFigure):
    """A figure of groups of bars."""

    @abstractmethod
    def looks(self, inside: Sequence[Cell]) -> dict[str, str]:
        """Colours of a panel's bars by name."""

    @abstractmethod
    def groups(self, inside: Sequence[Cell]) -> list[bars.Group]:
        """The bars of a panel."""

    def width(self, inside: Sequence[Cell]) -> float:
        """Inches that a panel needs."""
        return bars.width(self.groups(inside))

    def draw_panel(self, axes: Axes, inside: Sequence[Cell], inches: float) -> None:
        """Draw the bars of a panel of so many ``inches``."""
        bars.draw(axes, self.groups(inside), inches)

    def legend(self) -> list[Artist]:
        """What explains colours and marks."""
        looks = dict(item for inside in self.panels.values() for item in self.looks(inside).items())
        return [*bars.patches(looks), bars.mark("published")]
