"""The room of a figure: its panels, and around them title, caption and legend."""

from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import Container
from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox

from analysis.figures import style

# Inches of a figure on a page: below, its caption would be taller than its panels.
NARROWEST = 4.6


def panels(
    count: int, across: int, size: tuple[float, float], title: str, caption: str, **grid: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels in rows of ``across``, each ``size`` (width, height) inches; see ``Style.fit``.

    Title above and caption below, if not empty, are wrapped, and the figure grows by what they take. ``grid`` are
    further settings of the panels' grid.
    """
    down = -(-count // across)
    width = across * size[0]
    if not style.now().paper:
        width = max(width, NARROWEST)
    figure = Figure((width, down * size[1]), dpi=style.DPI, layout="constrained")
    FigureCanvasAgg(figure)
    # The panels with their legend are a figure inside the one with title and caption.
    inside = figure.add_subfigure(figure.add_gridspec(1, 1)[0])
    axes = list(inside.subplots(down, across, squeeze=False, gridspec_kw=grid).flat)
    for spare in axes[count:]:
        spare.remove()
    place: Any = {"x": 0.01, "ha": "left", "wrap": True}
    if title:
        text = figure.suptitle(title, fontsize=style.now().font + 2, fontweight="bold", **place)
        _grow(figure, text.get_window_extent().height)
    if caption:
        text = figure.supxlabel(caption, fontsize=style.now().small, color="#444444", **place)
        _grow(figure, text.get_window_extent().height)
    return figure, axes[:count]


def legend(figure: Figure, handles: Sequence[Artist | Container]) -> None:
    """Explain ``handles``, which have labels, where a panel is missing in the last row of ``figure``, else above.

    Above, it has as many columns as have room.
    """
    (inside,) = figure.subfigs
    if _legend_in_hole(inside, handles):
        return
    for columns in range(len(handles), 0, -1):
        drawn = inside.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False)
        box = drawn.get_window_extent()
        if box.width <= figure.bbox.width or columns == 1:
            break
        drawn.remove()
    _grow(figure, box.height)


def _legend_in_hole(inside: SubFigure, handles: Sequence[Artist | Container]) -> bool:
    """Whether there are panels missing in the last row, with enough room for the legend, which is there then."""
    grid = inside.axes[0].get_gridspec()
    assert grid is not None
    missing = grid.nrows * grid.ncols - len(inside.axes)
    if not missing:
        return False
    hole = Bbox([[1 - missing / grid.ncols, 0], [1, 1 / grid.nrows]])
    look: Any = {"handles": handles, "loc": "center", "frameon": False, "bbox_to_anchor": hole}
    room = hole.transformed(inside.transSubfigure)
    for columns in (1, 2, 3):
        drawn = inside.legend(ncols=columns, **look)
        box = drawn.get_window_extent()
        if box.height <= 0.8 * room.height and box.width <= 0.8 * room.width:
            return True
        drawn.remove()
    return False


def legend_beside(figure: Figure, handles: Sequence[Artist | Container]) -> None:
    """Explain ``handles`` in one column on the right, in room that the panels give up."""
    (inside,) = figure.subfigs
    inside.legend(handles=handles, loc="outside right upper", frameon=False, handlelength=3.2, labelspacing=0.45)


def spread(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """Places for texts of such ``heights`` as near as possible to those ``wanted``, without overlap, from 0 to 1.

    Where they need more than there is, they go on above.
    """
    upwards = sorted(range(len(wanted)), key=lambda i: wanted[i])
    places = [0.0] * len(wanted)
    taken, free = 0.0, max(1.0, sum(heights))
    for i in upwards:
        places[i] = max(wanted[i], taken + heights[i] / 2)
        taken = places[i] + heights[i] / 2
    for i in reversed(upwards):
        places[i] = min(places[i], free - heights[i] / 2)
        free = places[i] - heights[i] / 2
    return places


def _grow(figure: Figure, pixels: float) -> None:
    """What stands around the panels makes the figure taller, not the panels shorter."""
    figure.set_figheight(figure.get_figheight() + pixels / figure.dpi + 0.08)
