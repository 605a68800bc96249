"""Figures as a page shows them: inside the page's own file."""

import base64
from dataclasses import dataclass


@dataclass(frozen=True)
class Plate:
    """A figure of the page: texts, image as a data URI, width in inches, and whether it takes a whole row."""

    title: str
    caption: str
    image: str
    inches: float
    wide: bool


def plate(title: str, caption: str, drawn: tuple[bytes, float], wide: bool) -> Plate:
    """``drawn`` (SVG, and its width in inches) for the page."""
    svg, inches = drawn
    return Plate(title, caption, f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}", inches, wide)
