"""Pages of results: one look, one file, no code but our own.

What is shown comes from records of anybody's making, so it is escaped; the content security policy lets run nothing
but the scripts that are given here, by their digests, and nothing is fetched.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

# Makes tables sortable and filterable, on all pages.
TABLES = "tables.js"


def render(folder: Path, template: str, scripts: Sequence[str] = (), **values: Any) -> str:
    """The page that ``template`` in ``folder`` makes of ``values``, which are escaped; one that is missing is an
    error. ``page.html`` is what all pages extend. ``scripts`` run in this order.

    Raises:
        ValueError: a script would end before its end, as the browser reads it.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, Path(__file__).parent]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"unbroken": _unbroken, "json": embedded}
    sources = [script(Path(__file__).with_name(TABLES)), *scripts]
    if any(re.search(r"<(/?script|!--)", source, re.IGNORECASE) for source in sources):
        raise ValueError("a script holds what ends or opens one")
    return environment.get_template(template).render(
        **values,
        scripts=sources,
        allowed=" ".join(f"'sha256-{_digest(source)}'" for source in sources),
    )


def script(path: Path) -> str:
    """A script of ours that lies beside the code."""
    return path.read_text(encoding="utf-8")


def embedded(value: Any) -> str:
    """``value`` as JSON that may stand inside a script element: no text in it ends that or opens another.

    Raises:
        ValueError: it holds NaN or infinity, which JSON lacks.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _digest(source: str) -> str:
    return base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _unbroken(title: str) -> str:
    """``title`` for a browser, which would break "speed-up" at its hyphen and leave an "s" alone on a line."""
    return re.sub(" s$", "\u00a0s", title.replace("-", "\u2011"))
