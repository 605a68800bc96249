"""The four parts of a search, and its end-to-end time (Figs 11, 16): a group of bars for each part."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure as Drawing

from alsatian.units import factor_text, seconds_text
from analysis.figures import style
from analysis.paper import groups
from analysis.paper.arrangement import COMPONENTS, DISTRIBUTIONS, Figure
from analysis.paper.cells import Cell

PANEL_HEIGHT = 2.6


def draw(figure: Figure, found: Sequence[Cell], title: str, caption: str) -> Drawing:
    """The figure of ``found``. Call inside ``style.drawing()``."""
    panels: dict[str, list[Cell]] = {}
    for cell in found:
        panels.setdefault(cell.panel, []).append(cell)
    looks = {letter: _looks(inside) for letter, inside in panels.items()}
    names = list(dict.fromkeys(look for own in looks.values() for look in own.items()))
    rows = {letter: _groups(inside, looks[letter]) for letter, inside in panels.items()}
    across = min(figure.columns, len(panels))
    titles = [f"({letter}) {_title(inside)}" for letter, inside in panels.items()]
    inches = max(style.NARROWEST / across, *map(groups.width, rows.values()), *map(groups.title_width, titles))
    drawing, axes, above, columns = style.lattice(
        len(panels), across, (inches, PANEL_HEIGHT), [*(name for name, _ in names), groups.MARKED], title, caption
    )
    for i, (one, bars, name) in enumerate(zip(axes, rows.values(), titles, strict=True)):
        groups.draw(one, bars, inches, name)
        if i % across == 0:
            one.set_ylabel(_ordinate(figure), fontsize=style.SMALL)
    if figure.reference == "figure":
        for one in axes:
            one.set_ylim(0, max(other.get_ylim()[1] for other in axes))
    groups.legend(above, names, columns)
    return drawing


def _looks(inside: Sequence[Cell]) -> dict[str, str]:
    """What the bars of a panel differ in, and their colours: strategies, or shades of one strategy's colour."""
    names = list(dict.fromkeys(_name(cell, inside) for cell in inside))
    approaches = list(dict.fromkeys(cell.approach for cell in inside))
    if len(approaches) > 1:
        return {name: style.colour(name) for name in names}
    # A hue that no strategy has, for panels of different strategies share the legend.
    return dict(zip(names, groups.shades("#4B3B78", len(names)), strict=True))


def _name(cell: Cell, inside: Sequence[Cell]) -> str:
    if len({other.approach for other in inside}) > 1:
        return cell.approach
    if len({other.distribution for other in inside}) > 1:
        return DISTRIBUTIONS.get(cell.distribution, cell.distribution)
    return cell.workload.partition("@")[2] or cell.workload


def _title(inside: Sequence[Cell]) -> str:
    first = inside[0]
    told = [first.workload.partition("@")[0], f"{first.items:,} items"]
    if len({cell.distribution for cell in inside}) == 1:
        told.insert(1, DISTRIBUTIONS.get(first.distribution, first.distribution))
    if len({cell.approach for cell in inside}) == 1:
        told.insert(0, first.approach)
    return ", ".join(told)


def _ordinate(figure: Figure) -> str:
    if figure.reference == "figure":
        return "time relative to base's total\nin the most memory (%)"
    return "time relative to the total\nof the first bar (%)"


def _groups(inside: Sequence[Cell], looks: dict[str, str]) -> list[groups.Group]:
    components: dict[str, list[Cell]] = {}
    for cell in inside:
        components.setdefault(cell.component, []).append(cell)
    return [
        groups.Group(COMPONENTS[name], [_bar(cell, looks[_name(cell, inside)]) for cell in own])
        for name, own in components.items()
    ]


def _bar(cell: Cell, colour: str) -> groups.Bar:
    scale = cell.percent / cell.seconds if cell.ok and cell.seconds else math.nan
    return groups.Bar(
        colour,
        cell.percent,
        cell.seconds_min * scale,
        cell.seconds_max * scale,
        _text(cell),
        cell.published_percent,
    )


def _text(cell: Cell) -> str:
    if not cell.ok:
        return cell.status if cell.status != "ok" else "not measured"
    if cell.component == "total" and cell.approach != "base" and not math.isnan(cell.speedup):
        return f"{seconds_text(cell.seconds)}, {factor_text(cell.speedup)}"
    return seconds_text(cell.seconds) + (", no base" if math.isnan(cell.percent) else "")
