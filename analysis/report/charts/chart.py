"""Charts that answer when they are pointed at: Vega-Lite by Altair, drawn by scripts in the page.

https://altair-viz.github.io, https://vega.github.io/vega-lite: a specification is plain data. Panels stand side by
side where the page has room, one below the other where it has not, so each is a specification of its own.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import altair as alt

from alsatian.pages import script
from analysis.comparing.measurements import Spread

# What a folder's name may hold, so that a record cannot point elsewhere.
PLAIN = re.compile(r"[\w-]+")
RECORD = "run.json"
Row = Mapping[str, Any]
"""A mark: what it is drawn by, ``tip`` (texts by what they are about) and ``record`` (a link)."""
FIT: Any = {"type": "fit-x", "contains": "padding"}
TIP: Any = {"expr": "datum.tip"}
_BUNDLE = Path(__file__).with_name("bundle.py")
_FOLDER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Panel:
    """One set of axes: its title, and what Vega-Lite draws."""

    title: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class Chart:
    """A figure of the page.

    Attributes:
        panels: at least one.
        legend: colours by name.
        marks: signs that are no colours, by what they say.
        inches: a panel needs at least.
        hint: what people can do with it.
    """

    panels: Sequence[Panel]
    legend: Mapping[str, str]
    marks: Mapping[str, str]
    inches: float = 3.0
    hint: str = "Point at a mark for its numbers; a click keeps them, with a link to the record."


def panel(title: str, layers: Sequence[alt.Chart], rows: Iterable[Row], height: int) -> Panel:
    """``layers`` over the same ``rows``, as wide as the page lets it be and ``height`` pixels high.

    A layer that no row has a value for (whiskers of single repeats) is left out: its axis would have no end.
    """
    rows = list(rows)
    whole = alt.layer(*layers, data=alt.InlineData(values=rows))
    spec = whole.properties(width="container", height=height, autosize=FIT).to_dict(validate=False)
    spec["layer"] = [layer for layer in spec["layer"] if _has_values(layer, rows)]
    return Panel(title, spec)


def _has_values(layer: Mapping[str, Any], rows: Sequence[Row]) -> bool:
    """Whether any of ``rows`` has a place in ``layer``; one that takes none from rows has."""
    fields = [one["field"] for axis in "xy" if "field" in (one := layer["encoding"].get(axis, {}))]
    return not rows or any(all(row.get(field) is not None for field in fields) for row in rows)


def without_nan(row: Row) -> dict[str, Any]:
    """``row`` with null for NaN, which JSON lacks and charts leave out."""
    return {key: None if isinstance(value, float) and value != value else value for key, value in row.items()}


def record(run_id: str | None, folder: str = "") -> str | None:
    """The link from the page to a run's record in a ``folder`` beside the page; None if there is none."""
    return link(folder, run_id, RECORD) if run_id and PLAIN.fullmatch(run_id) else None


def link(*names: str) -> str:
    """A link from the page along folders to a file; empty names are left out."""
    return "/".join(quote(name, safe="") for name in names if name)


def spread_text(spread: Spread, texts: Sequence[str]) -> str:
    """The median with the range and N; ``texts`` are those of median, low and high."""
    middle, low, high = texts
    return f"{middle} ({low} to {high}, N={spread.count})" if spread.count > 1 else f"{middle} (N={spread.count})"


@cache
def begin() -> tuple["subprocess.Popen[bytes]", IO[bytes]]:
    """Begin to make the libraries that :func:`scripts` needs, while figures are drawn."""
    output = tempfile.TemporaryFile()  # noqa: SIM115  lives as long as the process
    return subprocess.Popen([sys.executable, "-P", str(_BUNDLE)], stdout=output), output


@cache
def scripts() -> tuple[str, ...]:
    """What draws charts: the libraries, and ours.

    Raises:
        CalledProcessError: the libraries could not be made; why stands on the error output.
    """
    process, output = begin()
    if status := process.wait():
        raise subprocess.CalledProcessError(status, process.args)
    output.seek(0)
    return output.read().decode(), script(_FOLDER / "charts.js")
