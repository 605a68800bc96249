"""End-to-end times: groups of base, shift, alsatian and ours at its best, a group for each workload."""

import math
from collections.abc import Sequence
from typing import ClassVar

from alsatian.units import factor_text, seconds_text
from analysis.comparing.labels import DISTRIBUTIONS
from analysis.figures import style
from analysis.paper.evidence.cells import Cell
from analysis.paper.kinds.bars import Bar, Group
from analysis.paper.kinds.groups import GroupedFigure


class Totals(GroupedFigure):
    """A figure of end-to-end times."""

    marks = (
        "Bars are median wall times relative to base's in the same cell, whiskers the fastest and the slowest "
        "repeat; above them are base's seconds, else the speed-up over base. A diamond is where a bar would end "
        "at the published speed-up."
    )
    ordinate: ClassVar[str] = "time relative to base (%)"

    def looks(self, inside: Sequence[Cell]) -> dict[str, str]:
        """Every strategy has its colour."""
        return {cell.approach: style.colour(cell.approach) for cell in inside}

    def groups(self, inside: Sequence[Cell]) -> list[Group]:
        """A group for each workload."""
        workloads: dict[str, list[Bar]] = {}
        for cell in inside:
            workloads.setdefault(cell.workload, []).append(_bar(cell))
        return [Group(name, own) for name, own in workloads.items()]

    def panel_title(self, letter: str, inside: Sequence[Cell]) -> str:
        """E.g. ``"(a) Top 50%, 2,000 items"``."""
        return panel_title(letter, inside[0].items, inside[0].distribution)


def panel_title(letter: str, items: int | None, distribution: str) -> str:
    """E.g. ``"(a) Top 50%, 2,000 items"``."""
    told = [DISTRIBUTIONS.get(distribution, ""), "" if items is None else f"{items:,} items"]
    return f"{f'({letter}) ' if letter else ''}{', '.join(word for word in told if word)}"


def _bar(cell: Cell) -> Bar:
    scale = cell.percent / cell.seconds if cell.ok else math.nan
    return Bar(
        colour=style.colour(cell.approach),
        height=cell.percent,
        low=cell.seconds_min * scale,
        high=cell.seconds_max * scale,
        text=_text(cell),
        # Base is 100% by definition, the published one too.
        mark=math.nan if cell.approach == "base" else cell.published_percent,
    )


def _text(cell: Cell) -> str:
    if not cell.ok:
        return cell.status
    if cell.approach == "base":
        return seconds_text(cell.seconds)
    return f"{seconds_text(cell.seconds)}, no base" if math.isnan(cell.speedup) else factor_text(cell.speedup)
