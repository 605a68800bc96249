"""Pages from the templates beside this file, and figures as a page shows them: inside its own file."""

import base64
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import jinja2

from analysis.figures.picture import Picture


def render(template: str, **values: Any) -> str:
    """The page that ``template`` makes of ``values``, which are escaped; a value that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["unbroken"] = _unbroken
    return environment.get_template(template).render(**values)


def _unbroken(title: str) -> str:
    """``title`` for a browser, which would break "speed-up" at its hyphen and leave an "s" alone on a line."""
    return re.sub(" s$", "\u00a0s", title.replace("-", "\u2011"))


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
