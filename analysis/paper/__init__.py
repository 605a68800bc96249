"""The figures of the paper in the paper's arrangement, ours beside the published, and what became of its claims.

Every module directly in this folder is a figure: title, claim, drawing and verdicts. A new one is a file with a
class ``Figure`` (see :class:`~analysis.paper.kinds.figure.PaperFigure`), and an experiment's YAML with its number.
:func:`section` takes the folder of an experiment, e.g. ``results/fig10``, and only reads records.
"""

import pkgutil
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pandas as pd

from alsatian.files import write_text
from analysis.figures.picture import Picture
from analysis.figures.style import PAGE, Style
from analysis.paper.evidence import sources
from analysis.paper.evidence.claims import CLOSE, FAILS, GIVEN, HOLDS, UNTESTABLE, Verdict
from analysis.paper.evidence.sources import Sources
from analysis.paper.kinds.figure import PaperFigure
from analysis.tables import formats
from analysis.tables.formats import Table

__all__ = ["CLOSE", "FAILS", "GIVEN", "HOLDS", "UNTESTABLE", "Section", "Verdict", "figures", "section"]


@dataclass(frozen=True)
class Section:
    """A paper figure and its verdicts, for a report or a terminal.

    Attributes:
        figure: with its numbers and drawing.
        sources: the records behind it.
        picture: the figure with its texts.
        verdicts: on the paper's claims.
    """

    figure: PaperFigure
    sources: Sources
    picture: Picture
    verdicts: list[Verdict]

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each claim: ``figure``, ``claim``, ``verdict`` and its ``numbers``."""
        return pd.DataFrame(
            [(v.figure, v.claim, v.result, v.numbers) for v in self.verdicts],
            columns=["figure", "claim", "verdict", "numbers"],
        )

    @property
    def table(self) -> Table:
        """The same for people."""
        return Table.of(self.frame.drop(columns="figure"))

    @property
    def text(self) -> str:
        """Title, verdicts and what was scaled, for a terminal."""
        lines = [f"{v.result}: {v.claim} ({v.numbers})" for v in self.verdicts]
        lines += [table.title for table in self.figure.tables]
        return "\n".join([self.picture.title, *lines, *(f"scaled: {line}" for line in self.sources.scaled)])

    @property
    def markdown(self) -> str:
        """The same as Markdown, with what is not in the figure."""
        lines = [f"# {formats.escape(self.picture.title)}", "", formats.markdown(self.table), ""]
        for table in self.figure.tables:
            lines += [formats.escape(table.title), "", formats.markdown(table), ""]
        lines += [f"- scaled: {formats.escape(line)}" for line in self.sources.scaled]
        lines += [f"- not used: {formats.escape(line)}" for line in self.sources.problems]
        return "\n".join(lines).rstrip() + "\n"

    def save(self, folder: Path, look: Style = PAGE) -> list[Path]:
        """Write the figure to ``<folder>/figures`` (.png, .pdf, .svg, .csv), ``verdict.csv`` and ``verdict.md``.

        With the ``look`` of a paper also what is for that, see ``Picture.save``. What was not run is drawn as
        missing. Returns the files.

        Raises:
            OSError: a file cannot be written.
        """
        return [
            *self.picture.save(folder / "figures" / self.figure.stem, ("png", "pdf", "svg"), look),
            write_text(folder / "verdict.csv", formats.csv(self.frame)),
            write_text(folder / "verdict.md", self.markdown),
        ]


def figures() -> dict[str, type[PaperFigure]]:
    """The paper's figures by number, in its order: one for every module in this folder."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)
    found: list[type[PaperFigure]] = [import_module(f"{__name__}.{name}").Figure for name in names]
    return {figure.number: figure for figure in found}


def section(folder: Path) -> Section | None:
    """Everything about the paper figure that the records in ``folder`` belong to; None if they belong to none.

    Raises:
        ResultsError: there is no such folder.
    """
    known = figures()
    found = sources.load(folder, {number: figure.source for number, figure in known.items()})
    if found is None:
        return None
    figure = known[found.number](found)
    return Section(figure, found, figure.picture, figure.verdicts())
