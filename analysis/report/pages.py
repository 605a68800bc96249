"""Pages from the templates beside this file, and figures as a page shows them: inside its own file."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from alsatian import pages
from analysis.figures.picture import Picture


def render(template: str, **values: Any) -> str:
    """The page that ``template`` beside this file makes of ``values``."""
    return pages.render(Path(__file__).parent, template, **values)


@dataclass(frozen=True)
class Plate:
    """A figure of the page: texts, image as a data URI, width in inches, and whether it takes a whole row."""

    title: str
    caption: str
    image: str
    inches: float
    wide: bool

    @classmethod
    def of(cls, picture: Picture, wide: bool) -> Self:
        """``picture`` without its texts, which the page shows itself."""
        svg, inches = picture.page_image()
        image = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
        return cls(picture.title, picture.caption, image, inches, wide)
