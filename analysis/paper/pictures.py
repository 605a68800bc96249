"""A paper figure as a picture: its texts, the numbers that it shows, and the drawing."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure as Drawing

from alsatian.files import write_bytes
from alsatian.units import count_text
from analysis.figures import style
from analysis.paper import cells, parts, profiles, shares, sharing, totals, vector
from analysis.paper.arrangement import BEST, CURVES, FAMILIES, PARTS, SHARES, TOTALS
from analysis.paper.cells import Cell
from analysis.paper.sources import Sources

MARKS = {
    TOTALS: "Bars are median wall times relative to base's in the same cell, whiskers the fastest and the "
    "slowest repeat; above them are base's seconds, else the speed-up over base. A diamond is where a bar would "
    "end at the published speed-up.",
    PARTS: "Bars are medians, whiskers the fastest and the slowest repeat; above them are seconds, and the "
    "speed-up over base. Diamonds are the published times, relative in the same way. The total also holds "
    "planning, caching and whatever else a search does.",
    SHARES: "Medians of the four parts; outlined bars are the published shares.",
    CURVES: "Bars and diamonds are relative to an even spread over the blocks; finer blocks are joined to as many "
    "stretches of equal depth as the paper has blocks.",
    FAMILIES: "Above the bars is the number of models; triangles are published as upper bounds.",
}


@dataclass(frozen=True)
class Picture:
    """A figure of the paper, from records.

    Attributes:
        stem: name of its files without a suffix, e.g. ``"fig10"``.
        title: with the figure's number.
        caption: the claim to look for, what the marks are, what was scaled and what is missing.
        data: exactly the numbers that it shows.
    """

    stem: str
    title: str
    caption: str
    data: pd.DataFrame
    _draw: Callable[[str, str], Drawing]

    def save(self, folder: Path) -> list[Path]:
        """Write it to ``folder`` as .png, .pdf, .csv and .svg."""
        with style.drawing():
            drawing = self._draw(self.title, self.caption)
            files = style.save(drawing, self.data, folder / self.stem)
            return [*files, write_bytes(folder / f"{self.stem}.svg", vector.svg(drawing))]

    def page_image(self) -> tuple[bytes, float]:
        """The figure without title and caption as SVG, and its width in inches."""
        with style.drawing():
            drawing = self._draw("", "")
            return style.svg(drawing), drawing.get_figwidth()


def picture(sources: Sources) -> Picture:
    """The figure that ``sources`` belong to."""
    figure = sources.figure
    stem = f"fig{int(figure.number):02d}" if figure.number.isdigit() else figure.number
    named = f"Figure {figure.number}" if figure.number.isdigit() else "Section 6.3"
    scale = "" if sources.scale == "paper" else f" ({sources.scale} scale)"
    title = f"{named}{scale}: {figure.title}"
    if figure.kind == CURVES:
        spread = profiles.profiles(figure, sources.blocks)
        missing = sum(profile.ours is None for profile in spread)
        caption = _caption(sources, _missing(missing, len(spread), "not run"))
        return Picture(stem, title, caption, profiles.table(spread), partial(profiles.draw, figure, spread))
    if figure.kind == FAMILIES:
        found = sharing.shares(figure, sources.families)
        missing = sum(share.ours is None for share in found)
        caption = _caption(sources, _missing(missing, len(found), "not run"))
        return Picture(stem, title, caption, sharing.table(found), partial(sharing.draw, figure, found))
    bars = cells.cells(figure, sources.runs)
    draw = {TOTALS: totals.draw, PARTS: parts.draw, SHARES: shares.draw}[figure.kind]
    caption = _caption(sources, _missing_cells(bars))
    return Picture(stem, title, caption, cells.table(bars), partial(draw, figure, bars))


def _caption(sources: Sources, missing: str) -> str:
    figure = sources.figure
    best = (
        f" {BEST} is ours at its best and not in the paper."
        if any(k.approach == BEST for k in sources.runs)
        else ""
    )
    lines = [f"Claim to look for: {figure.claim} {MARKS[figure.kind]}{best}"]
    if sources.scaled:
        lines.append(f"Scaled: {'; '.join(line.rstrip('.') for line in sources.scaled)}.")
    return "\n".join([*lines, *([missing] if missing else [])])


def _missing(number: int, total: int, why: str) -> str:
    return f"Missing: {number} of {total}: {why}." if number else ""


def _missing_cells(bars: list[Cell]) -> str:
    """Runs, not components, that are not there."""
    states = {(cell.workload, cell.items, cell.distribution, cell.approach): cell.status for cell in bars}
    bad = [status for status in states.values() if status != "ok"]
    reasons = ", ".join(f"{bad.count(status)} {status}" for status in dict.fromkeys(bad))
    return f"Missing: {len(bad)} of {count_text(len(states), 'run')}: {reasons}." if bad else ""
