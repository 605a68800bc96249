"""A figure with its texts and data, and its files: byte for byte the same each time."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from alsatian.files import write_bytes, write_text
from analysis.figures import latex, style

# The folder of what is for a paper, beside the files for pages.
PAPER = "paper"
# Without dates and versions the same data gives the same bytes.
_METADATA: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "ModDate": None},
    "svg": {"Date": None, "Creator": None},
}


@dataclass(frozen=True)
class Spot:
    """A place of a figure that answers when it is pointed at.

    Attributes:
        x, y: shares of the figure's width, from the left, and of its height, from the top.
        tip: texts by what they are about.
    """

    x: float
    y: float
    tip: Mapping[str, str]


@dataclass(frozen=True)
class Picture:
    """A figure to draw: into files with its texts, or onto a page that has texts of its own.

    Attributes:
        title: stands above it.
        caption: stands below it: what to look for and what the marks are.
        data: exactly the numbers that it shows.
        draw: makes the figure with a title and a caption, none if empty; to be called inside ``style.drawing()``.
        spots: of the figure that was drawn, what answers on a page.
    """

    title: str
    caption: str
    data: pd.DataFrame
    draw: Callable[[str, str], Figure]
    spots: Callable[[Figure], Sequence[Spot]] = lambda figure: ()

    def save(self, stem: Path, kinds: Sequence[str] = ("png", "pdf"), look: style.Style = style.PAGE) -> list[Path]:
        """Write the figure and its data to ``stem`` + .png, .pdf and .csv, or the ``kinds`` named and .csv.

        With the ``look`` of a paper also, in the folder ``paper`` beside them, the figure without texts as .pdf,
        title and caption as .txt, and .tex, a LaTeX figure of both.
        """
        with style.drawing():
            figure = self._settled(self.title, self.caption)
            files = [write_bytes(stem.with_name(f"{stem.name}.{kind}"), _bytes(figure, kind)) for kind in kinds]
        table = self.data.to_csv(index=False, lineterminator="\n")
        files.append(write_text(stem.with_name(f"{stem.name}.csv"), table))
        return [*files, *self._save_for_paper(stem.parent / PAPER / stem.name, look)] if look.paper else files

    def content(self, kind: str, look: style.Style = style.PAGE) -> bytes:
        """The figure as a file of ``kind``: png, pdf or svg. With the ``look`` of a paper it has no texts."""
        with style.drawing(look):
            figure = self._settled("", "") if look.paper else self._settled(self.title, self.caption)
            return _bytes(figure, kind)

    def _save_for_paper(self, stem: Path, look: style.Style) -> list[Path]:
        with style.drawing(look):
            figure = self._settled("", "")
            written = write_bytes(stem.with_name(f"{stem.name}.pdf"), _bytes(figure, "pdf"))
        text, tex = stem.with_name(f"{stem.name}.txt"), stem.with_name(f"{stem.name}.tex")
        floating = latex.figure(stem.name, figure.get_figwidth(), self.title, self.caption)
        return [written, write_text(text, f"{self.title}\n\n{self.caption}\n"), write_text(tex, floating)]

    def page_image(self) -> tuple[bytes, float, Sequence[Spot]]:
        """The figure without title and caption as SVG, its width in inches, and what answers in it."""
        with style.drawing():
            figure = self._settled("", "")
            return _bytes(figure, "svg"), figure.get_figwidth(), self.spots(figure)

    def _settled(self, title: str, caption: str) -> Figure:
        """The figure with all its parts in their places, which takes longer than writing it to a file."""
        figure = self.draw(title, caption)
        figure.draw_without_rendering()
        figure.set_layout_engine(None)
        return figure


def _bytes(figure: Figure, kind: str) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=style.DPI, metadata=_METADATA[kind])
    return content.getvalue()
