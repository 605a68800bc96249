"""Figures about searches: groups of bars in panels, and claims about who is faster."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from alsatian.units import count_text, factor_text
from analysis.figures import picture, style
from analysis.paper.evidence import cells, comparisons, thresholds
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Verdict
from analysis.paper.evidence.slots import CELL
from analysis.paper.kinds.figure import PaperFigure

# Inches of a panel, which has room for its title.
WIDTH, HEIGHT = 2.7, 2.6
NAMES = {"alsatian": "Alsatian", "shift": "SHiFT", "base": "Base"}
# Scales with the published numbers of models, which factors depend on.
WHOLE = ("paper", "desktop")


class SearchFigure(PaperFigure):
    """A figure about searches.

    Attributes:
        columns: panels side by side.
        reference: what times are relative to, see ``slots.CELL`` and the like.
        ordinate: what the bars' height is.
    """

    columns: ClassVar[int] = 2
    reference: ClassVar[str] = CELL
    ordinate: ClassVar[str]

    @cached_property
    def cells(self) -> list[Cell]:
        """The bars, panel by panel."""
        return cells.cells(self.number, self.reference, self.sources.runs)

    @cached_property
    def panels(self) -> dict[str, list[Cell]]:
        """The same by the panel's letter."""
        found: dict[str, list[Cell]] = {}
        for cell in self.cells:
            found.setdefault(cell.panel, []).append(cell)
        return found

    @property
    def data(self) -> pd.DataFrame:
        """A row for each cell."""
        return cells.table(self.cells)

    @property
    def missing(self) -> str:
        """Runs, not components, that are not there."""
        states = {(c.workload, c.items, c.distribution, c.approach): c.status for c in self.cells}
        bad = [status for status in states.values() if status != "ok"]
        reasons = ", ".join(f"{bad.count(status)} {status}" for status in dict.fromkeys(bad))
        return f"{len(bad)} of {count_text(len(states), 'run')}: {reasons}" if bad else ""

    @abstractmethod
    def width(self, inside: Sequence[Cell]) -> float:
        """Inches that a panel needs."""

    @abstractmethod
    def draw_panel(self, axes: Axes, inside: Sequence[Cell], inches: float) -> None:
        """Draw the bars of a panel of so many ``inches``."""

    @abstractmethod
    def legend(self) -> list[Artist]:
        """What explains colours and marks."""

    @abstractmethod
    def panel_title(self, letter: str, inside: Sequence[Cell]) -> str:
        """What a panel is about."""

    def draw(self, title: str, caption: str) -> Drawing:
        """The figure. Call inside ``style.drawing()``."""
        across = min(self.columns, len(self.panels))
        inches = max(WIDTH, picture.NARROWEST / across, *map(self.width, self.panels.values()))
        drawing, axes = picture.panels(len(self.panels), across, (inches, HEIGHT), title, caption)
        for i, (one, (letter, inside)) in enumerate(zip(axes, self.panels.items(), strict=True)):
            self.draw_panel(one, inside, inches)
            one.set_title(self.panel_title(letter, inside), fontsize=style.FONT, loc="left")
            if i % across == 0:
                one.set_ylabel(self.ordinate, fontsize=style.SMALL)
        picture.legend(drawing, self.legend())
        return drawing

    def faster(self, fast: str, slow: str, claim: str = "") -> Verdict:
        """Whether one strategy is faster than another, wherever it is in the paper."""
        claim = claim or f"{NAMES[fast]} is faster than {NAMES[slow]}."
        return self.verdict(claim, comparisons.ahead(self.cells, fast, slow))

    def order(self) -> list[Verdict]:
        """Who is faster than whom."""
        both = comparisons.pairs(self.cells, "base", "shift")
        places = "; ".join(comparisons.where(a) for a, b in both if a.published_seconds < b.published_seconds)
        slower = f"SHiFT is slower than Base where it is in the paper: {places}."
        return [
            self.faster("alsatian", "shift"),
            self.faster("shift", "base", "SHiFT is faster than Base wherever it is in the paper."),
            *([self.faster("base", "shift", slower)] if places else []),
            self.faster("alsatian", "base"),
        ]

    def distributions(self) -> list[Verdict]:
        """What more overlap changes."""
        grows = "Alsatian's speed-up over Base grows from Top 50% over Top 25% to Top Layers."
        tolerance = thresholds.flat()
        return [
            self.verdict(grows, comparisons.gain_grows(self.cells)),
            *(
                self.verdict(
                    f"{NAMES[name]} takes the same time whatever the overlap, within {100 * tolerance:.0f}%.",
                    comparisons.flat(self.cells, name, tolerance),
                )
                for name in ("base", "shift")
            ),
        ]

    def factors(self, fast: str, slow: str) -> Verdict:
        """Whether the published factors are reached: those of the published numbers of models and rounds."""
        both = [
            (a, b)
            for a, b in comparisons.pairs(self.cells, fast, slow)
            if not math.isnan(a.published_seconds + b.published_seconds)
        ]
        paper = [b.published_seconds / a.published_seconds for a, b in both]
        here = [b.seconds / a.seconds for a, b in both if comparisons.comparable(a, b)]
        reached = thresholds.reached()
        claim = (
            f"{NAMES[fast]} is {min(paper):.1f} to {factor_text(max(paper))} faster than {NAMES[slow]}, in each "
            f"cell at least {100 * reached:.0f}% of the published factor."
        )
        scaled = ""
        if self.sources.scale not in WHOLE and here:
            scaled = "the published factors are those of the published numbers of models, here they are "
            scaled += f"{factor_text(min(here))} to {factor_text(max(here))}"
        return self.verdict(claim, comparisons.factors(self.cells, fast, slow, reached), untestable=scaled)
