"""Figures about searches: groups of bars in panels, and claims about who is faster."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import ClassVar

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from alsatian.units import count_text, factor_text
from analysis.figures import layout, style
from analysis.paper.evidence import cells, comparisons, thresholds
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Verdict
from analysis.paper.evidence.slots import CELL
from analysis.paper.kinds import bars
from analysis.paper.kinds.figure import PaperFigure

# Inches of a panel, which has room for a line of its title, and of each further line.
WIDTH, HEIGHT, LINE = 2.7, 2.6, 0.15
NAMES = {"alsatian": "Alsatian", "shift": "SHiFT", "base": "Base"}


class SearchFigure(PaperFigure):
    """A figure about searches.

    Attributes:
        columns: panels side by side.
        reference: what times are relative to, see ``slots.CELL`` and the like.
        ordinate: what the bars' height is.
        counted: scales with the published numbers of models, on which factors depend.
    """

    columns: ClassVar[int] = 2
    reference: ClassVar[str] = CELL
    ordinate: ClassVar[str]
    counted: ClassVar[tuple[str, ...]] = ("paper",)

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

    @abstractmethod
    def group(self, cell: Cell) -> str:
        """The label of what stands side by side in a panel."""

    @cached_property
    def shown(self) -> dict[str, list[Cell]]:
        """The panels that are drawn: those of which anything was measured; all, if nothing was."""
        return {letter: own for letter, own in self.panels.items() if any(map(_measured, own))} or self.panels

    def draw(self, title: str, caption: str) -> Drawing:
        """The figure. Call inside ``style.drawing()``."""
        now = style.now()
        widths = [self.width(inside) for inside in self.shown.values()]
        across = min(self.columns, len(self.shown))
        natural = max(WIDTH, layout.NARROWEST / across, *widths)
        across, inches = now.fit(across, natural, max(now.scale * WIDTH, *widths))
        drawn = [
            (f"{self.panel_title(letter, inside)}{', continued' if i else ''}", piece)
            for letter, inside in self.shown.items()
            for i, piece in enumerate(self._pieces(inside, inches))
        ]
        headings = [now.wrapped(heading, inches) for heading, _ in drawn]
        high = now.tall * HEIGHT + max(heading.count("\n") for heading in headings) * LINE
        drawing, axes = layout.panels(len(drawn), across, (inches, high), title, caption)
        for i, (one, heading, (_, inside)) in enumerate(zip(axes, headings, drawn, strict=True)):
            self.draw_panel(one, inside, inches)
            one.set_title(heading, loc="left")
            if i % across == 0:
                one.set_ylabel(self.ordinate)
        layout.legend(drawing, self.legend())
        return drawing

    def _pieces(self, inside: Sequence[Cell], inches: float) -> list[list[Cell]]:
        """A panel's groups in as many panels as they need."""
        groups: dict[str, list[Cell]] = {}
        for cell in inside:
            groups.setdefault(self.group(cell), []).append(cell)
        pieces = bars.rows(list(groups.values()), lambda some: self.width([*chain.from_iterable(some)]), inches)
        return [[*chain.from_iterable(piece)] for piece in pieces]

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
        both = comparisons.published(self.cells, fast, slow)
        paper = [b.published_seconds / a.published_seconds for a, b in both]
        here = [b.seconds / a.seconds for a, b in both if comparisons.comparable(a, b)]
        reached = thresholds.reached()
        claim = (
            f"{NAMES[fast]} is {min(paper):.1f} to {factor_text(max(paper))} faster than {NAMES[slow]}, in each "
            f"cell at least {100 * reached:.0f}% of the published factor."
        )
        scaled = ""
        if self.sources.scale not in self.counted and here:
            scaled = "the published factors are those of the published numbers of models, here they are "
            scaled += f"{factor_text(min(here))} to {factor_text(max(here))}"
        return self.verdict(claim, comparisons.factors(self.cells, fast, slow, reached), untestable=scaled)


def _measured(cell: Cell) -> bool:
    return cell.run_id is not None
