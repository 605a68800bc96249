"""Pages of results: one look, one file, no scripts."""

import re
from pathlib import Path
from typing import Any

import jinja2


def render(folder: Path, template: str, **values: Any) -> str:
    """The page that ``template`` in ``folder`` makes of ``values``, which are escaped; one that is missing is an
    error. ``page.html`` is what all pages extend."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
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
