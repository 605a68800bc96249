"""Pages from the templates beside this file, and figures as a page shows them: inside its own file."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from alsatian import pages
from analysis.figures.picture import Picture, Spot
from analysis.report.charts import chart
from analysis.report.charts.chart import Chart

_FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """The page that ``template`` beside this file makes of ``values``, with the scripts that charts need."""
    scripts = [*chart.scripts(), pages.script(_FOLDER / "compare.js")]
    return pages.render(_FOLDER, template, scripts, **values)


@dataclass(frozen=True)
class Plate:
    """A figure of the page.

    Attributes:
        title, caption: its texts.
        image: as a data URI; empty for one that is drawn as a ``chart``.
        inches: the image's width.
        wide: whether it takes a whole row.
        chart: what answers when it is pointed at.
        files: links to the same figure for print and to its numbers, by kind.
        spots: what answers in an image when it is pointed at.
        record: the link to the record of a run that the whole figure is of.
    """

    title: str
    caption: str
    image: str
    inches: float
    wide: bool
    chart: Chart | None = None
    files: Mapping[str, str] | None = None
    spots: Sequence[Spot] = ()
    record: str | None = None

    @classmethod
    def of(
        cls, picture: Picture, wide: bool, drawn: Chart | None = None, files: Sequence[str] = (), caption: str = ""
    ) -> Self:
        """``picture`` without its texts, which the page shows: as ``drawn`` if it is; ``files`` are links, and a
        ``caption`` takes the place of its own."""
        caption = caption or picture.caption
        links = {file.rpartition(".")[2].upper(): file for file in files}
        if drawn is not None:
            return cls(picture.title, caption, "", 0.0, wide, drawn, links)
        svg, inches, spots = picture.page_image()
        image = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
        return cls(picture.title, caption, image, inches, wide, None, links, spots)
