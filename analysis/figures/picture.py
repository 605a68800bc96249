"""A figure with its texts and data, the room around its panels, and its files: byte for byte the same each time."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.container import Container
from matplotlib.figure import Figure

from alsatian.files import write_bytes, write_text
from analysis.figures import style

# Inches of a figure: below, its caption would be taller than its panels.
NARROWEST = 4.6
# Without dates and versions the same data gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "ModDate": None},
    "svg": {"Date": None, "Creator": None},
}


@dataclass(frozen=True)
class Picture:
    """A figure to draw: into files with its texts, or onto a page that has texts of its own.

    Attributes:
        title: stands above it.
        caption: stands below it: what to look for and what the marks are.
        data: exactly the numbers that it shows.
        draw: makes the figure with a title and a caption, none if empty; to be called inside ``style.drawing()``.
    """

    title: str
    caption: str
    data: pd.DataFrame
    draw: Callable[[str, str], Figure]

    def save(self, stem: Path, kinds: Sequence[str] = ("png", "pdf")) -> list[Path]:
        """Write the figure and its data to ``stem`` + .png, .pdf and .csv, or the ``kinds`` named and .csv."""
        with style.drawing():
            figure = self._settled(self.title, self.caption)
            files = [write_bytes(stem.with_name(f"{stem.name}.{kind}"), _bytes(figure, kind)) for kind in kinds]
        table = self.data.to_csv(index=False, lineterminator="\n")
        return [*files, write_text(stem.with_name(f"{stem.name}.csv"), table)]

    def content(self, kind: str) -> bytes:
        """The figure as a file of ``kind``: png, pdf or svg."""
        with style.drawing():
            return _bytes(self._settled(self.title, self.caption), kind)

    def page_image(self) -> tuple[bytes, float]:
        """The figure without title and caption as SVG, and its width in inches."""
        with style.drawing():
            figure = self._settled("", "")
            return _bytes(figure, "svg"), figure.get_figwidth()

    def _settled(self, title: str, caption: str) -> Figure:
        """The figure with all its parts in their places, which takes longer than writing it to a file."""
        figure = self.draw(title, caption)
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
        return figure


def panels(
    count: int, across: int, size: tuple[float, float], title: str, caption: str, **grid: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels in rows of ``across``, each ``size`` (width, height) inches.

    Title above and caption below, if not empty, are wrapped, and the figure grows by what they take. ``grid`` are
    further settings of the panels' grid.
    """
    down = -(-count // across)
    figure = Figure((max(across * size[0], NARROWEST), down * size[1]), dpi=style.DPI, layout="constrained")
    FigureCanvasAgg(figure)
    # The panels with their legend are a figure inside the one with title and caption.
    inside = figure.add_subfigure(figure.add_gridspec(1, 1)[0])
    axes = list(inside.subplots(down, across, squeeze=False, gridspec_kw=grid).flat)
    for spare in axes[count:]:
        spare.remove()
    place: Any = {"x": 0.01, "ha": "left", "wrap": True}
    if title:
        text = figure.suptitle(title, fontsize=style.FONT + 2, fontweight="bold", **place)
        _grow(figure, text.get_window_extent().height)
    if caption:
        text = figure.supxlabel(caption, fontsize=style.SMALL, color="#444444", **place)
        _grow(figure, text.get_window_extent().height)
    return figure, axes[:count]


def legend(figure: Figure, handles: Sequence[Artist | Container]) -> None:
    """Explain ``handles``, which have labels, above the panels of ``figure``, in as many columns as have room."""
    (inside,) = figure.subfigs
    for columns in range(len(handles), 0, -1):
        drawn = inside.legend(
            handles=handles, loc="outside upper left", ncols=columns, frameon=False, fontsize=style.SMALL
        )
        box = drawn.get_window_extent()
        if box.width <= figure.bbox.width or columns == 1:
            break
        drawn.remove()
    _grow(figure, box.height)


def legend_beside(figure: Figure, handles: Sequence[Artist | Container]) -> None:
    """Explain ``handles`` in one column on the right, in room that the panels give up."""
    (inside,) = figure.subfigs
    inside.legend(
        handles=handles, loc="outside right upper", frameon=False, fontsize=style.SMALL, handlelength=3.2,
        labelspacing=0.45,
    )  # fmt: skip


def _grow(figure: Figure, pixels: float) -> None:
    """What stands around the panels makes the figure taller, not the panels shorter."""
    figure.set_figheight(figure.get_figheight() + pixels / figure.dpi + 0.08)


def _bytes(figure: Figure, kind: str) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=style.DPI, metadata=_METADATA[kind])
    return content.getvalue()
