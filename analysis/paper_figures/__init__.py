"""The figures of the paper in the paper's arrangement, ours beside the published, and what became of its claims.

:func:`draw` and :func:`verdicts` take the folder of an experiment, e.g. ``results/fig10``, and only read records.
"""

from pathlib import Path

import pandas as pd

from analysis import grid
from analysis.files import write
from analysis.paper_figures import pictures, sources
from analysis.paper_figures import verdicts as judging
from analysis.paper_figures.claims import FAILS, HOLDS, UNTESTABLE, Verdict
from analysis.paper_figures.pictures import Picture
from analysis.paper_figures.sources import Sources

__all__ = ["FAILS", "HOLDS", "UNTESTABLE", "Picture", "Sources", "Verdict", "draw", "load", "picture", "verdicts"]

HEADER = (("claim", False), ("verdict", False), ("numbers", False))

load = sources.load
picture = pictures.picture


def verdicts(folder: Path) -> list[Verdict]:
    """The paper's claims about the figure in ``folder``; empty if its records belong to no figure of the paper.

    Raises:
        ResultsError: there is no such folder.
    """
    found = load(folder)
    return [] if found is None else judging.verdicts(found, folder.parent)


def draw(folder: Path) -> list[Path]:
    """Write the figure to ``<folder>/figures`` (.png, .pdf, .csv, .svg) and ``verdict.csv`` and ``verdict.md``.

    Returns the files; none if the records belong to no figure of the paper. What was not run is drawn as missing.

    Raises:
        ResultsError: there is no such folder.
        OSError: a file cannot be written.
    """
    found = load(folder)
    if found is None:
        return []
    shown = picture(found)
    judged = judging.verdicts(found, folder.parent)
    table = pd.DataFrame([[v.figure, v.claim, v.result, v.numbers] for v in judged])
    table.columns = ["figure", "claim", "verdict", "numbers"]
    return [
        *shown.save(folder / "figures"),
        write(folder / "verdict.csv", table.to_csv(index=False, lineterminator="\n")),
        write(folder / "verdict.md", _markdown(shown, found, judged)),
    ]


def rows(judged: list[Verdict]) -> list[list[str]]:
    """The texts of the table of verdicts, in the order of ``HEADER``."""
    return [[v.claim, v.result, v.numbers] for v in judged]


def _markdown(shown: Picture, found: Sources, judged: list[Verdict]) -> str:
    lines = [f"# {grid.escape(shown.title)}", "", grid.markdown(HEADER, rows(judged)), ""]
    lines += [f"- scaled: {grid.escape(line)}" for line in found.scaled]
    lines += [f"- not used: {grid.escape(line)}" for line in found.problems]
    return "\n".join(lines).rstrip() + "\n"
