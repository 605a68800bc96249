"""End-to-end times (Figs 10, 13, 14, 15, 17): groups of base, shift, alsatian and ours at its best."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from alsatian.units import factor_text, seconds_text
from analysis.figures import style
from analysis.paper import groups
from analysis.paper.arrangement import Figure, panel_title
from analysis.paper.cells import Cell

PANEL_HEIGHT = 2.6


def draw(figure: Figure, found: Sequence[Cell], title: str, caption: str) -> Drawing:
    """The figure of ``found``. Call inside ``style.drawing()``."""
    panels: dict[str, list[Cell]] = {}
    for cell in found:
        panels.setdefault(cell.panel, []).append(cell)
    approaches = list(dict.fromkeys(cell.approach for cell in found))
    rows = {letter: _groups(inside) for letter, inside in panels.items()}
    titles = [panel_title(letter, own[0].items, own[0].distribution) for letter, own in panels.items()]
    across = min(figure.columns, len(panels))
    inches = max(style.NARROWEST / across, *map(groups.width, rows.values()), *map(groups.title_width, titles))
    drawing, axes, above, columns = style.lattice(
        len(panels), across, (inches, PANEL_HEIGHT), [*approaches, groups.MARKED], title, caption
    )
    for i, (one, bars, name) in enumerate(zip(axes, rows.values(), titles, strict=True)):
        groups.draw(one, bars, inches, name)
        if i % across == 0:
            one.set_ylabel("time relative to base (%)", fontsize=style.SMALL)
    groups.legend(above, [(name, style.colour(name)) for name in approaches], columns)
    return drawing


def _groups(inside: Sequence[Cell]) -> list[groups.Group]:
    workloads: dict[str, list[Cell]] = {}
    for cell in inside:
        workloads.setdefault(cell.workload, []).append(cell)
    return [groups.Group(name, [_bar(cell) for cell in own]) for name, own in workloads.items()]


def _bar(cell: Cell) -> groups.Bar:
    scale = cell.percent / cell.seconds if cell.ok else math.nan
    return groups.Bar(
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
