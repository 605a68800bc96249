"""The figures of the paper in the paper's arrangement, ours beside the published, and what became of its claims.

:func:`draw` and :func:`verdicts` take the folder of an experiment, e.g. ``results/fig10``, and only read records.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from alsatian.files import write_text
from analysis.paper import pictures, sources
from analysis.paper import verdicts as judging
from analysis.paper.claims import FAILS, HOLDS, UNTESTABLE, Verdict
from analysis.paper.pictures import Picture
from analysis.paper.sources import Sources
from analysis.tables import grid

__all__ = ["FAILS", "HEADER", "HOLDS", "UNTESTABLE", "Section", "Verdict", "draw", "section", "verdicts"]

HEADER = (("claim", False), ("verdict", False), ("numbers", False))


@dataclass(frozen=True)
class Section:
    """A paper figure and its verdicts, for a report or a terminal.

    Attributes:
        sources: the records behind it.
        picture: the figure with its texts.
        verdicts: on the paper's claims.
    """

    sources: Sources
    picture: Picture
    verdicts: list[Verdict]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """The texts of the table of verdicts, in the order of ``HEADER``."""
        return [(v.claim, v.result, v.numbers) for v in self.verdicts]

    @property
    def text(self) -> str:
        """Title, verdicts and what was scaled, for a terminal."""
        lines = [f"{v.result}: {v.claim} ({v.numbers})" for v in self.verdicts]
        return "\n".join([self.picture.title, *lines, *(f"scaled: {line}" for line in self.sources.scaled)])

    @property
    def markdown(self) -> str:
        """The same as Markdown, with what is not in the figure."""
        lines = [f"# {grid.escape(self.picture.title)}", "", grid.markdown(HEADER, self.rows), ""]
        lines += [f"- scaled: {grid.escape(line)}" for line in self.sources.scaled]
        lines += [f"- not used: {grid.escape(line)}" for line in self.sources.problems]
        return "\n".join(lines).rstrip() + "\n"

    def save(self, folder: Path) -> list[Path]:
        """Write the figure to ``<folder>/figures`` and ``verdict.csv`` and ``verdict.md`` to ``folder``."""
        table = pd.DataFrame(
            [(v.figure, v.claim, v.result, v.numbers) for v in self.verdicts],
            columns=["figure", "claim", "verdict", "numbers"],
        )
        return [
            *self.picture.save(folder / "figures"),
            write_text(folder / "verdict.csv", table.to_csv(index=False, lineterminator="\n")),
            write_text(folder / "verdict.md", self.markdown),
        ]


def section(folder: Path) -> Section | None:
    """Everything about the paper figure that the records in ``folder`` belong to; None if they belong to none.

    Raises:
        ResultsError: there is no such folder.
    """
    found = sources.load(folder)
    if found is None:
        return None
    return Section(found, pictures.picture(found), judging.verdicts(found, folder.parent))


def verdicts(folder: Path) -> list[Verdict]:
    """The paper's claims about the figure in ``folder``; empty if its records belong to no figure of the paper.

    Raises:
        ResultsError: there is no such folder.
    """
    found = section(folder)
    return [] if found is None else found.verdicts


def draw(folder: Path) -> list[Path]:
    """Write the figure to ``<folder>/figures`` (.png, .pdf, .csv, .svg) and ``verdict.csv`` and ``verdict.md``.

    Returns the files; none if the records belong to no figure of the paper. What was not run is drawn as missing.

    Raises:
        ResultsError: there is no such folder.
        OSError: a file cannot be written.
    """
    found = section(folder)
    return [] if found is None else found.save(folder)
