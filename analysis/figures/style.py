"""How figures look: colours, fonts and markers, the same in every figure and whatever the user's own settings."""

import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib

# Okabe and Ito, https://jfly.uni-koeln.de/color/: safe for the common kinds of colour blindness.
GREY, ORANGE, SKY, GREEN = "#999999", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
_COLOURS = (BLUE, VERMILLION, PURPLE, GREEN, ORANGE, SKY, GREY, "#000000")
_MARKERS = "osD^vPX*<>hdp8"
SOLID = "-"
_DASHED = ("--", "-.", ":")
# Choices have a look of their own; what belongs together in one figure differs. Ours are green or blue.
_KNOWN = {
    "base": (GREY, "o"), "shift": (ORANGE, "s"), "shift_adaptive": (ORANGE, "h"), "shared_prefix": (SKY, "D"),
    "alsatian": (GREEN, "^"), "alsatian_published": (PURPLE, "v"), "auto": (BLUE, "*"),
    "none": (GREY, "8"), "fifo": (ORANGE, "d"), "lru": (SKY, "v"), "lfu": (PURPLE, "^"), "gdsf": (BLUE, "D"),
    "belady": (VERMILLION, "P"), "planned": (GREEN, "X"),
    "given": (GREY, "p"), "random": (ORANGE, ">"), "bfs": (PURPLE, "<"), "dfs": (BLUE, "s"), "dfs_min": (SKY, "h"),
    "dfs_plus": (GREEN, "d"), "optimal": (VERMILLION, "o"),
}  # fmt: skip
PARTS = {
    "prepare model": BLUE,
    "prepare data": YELLOW,
    "inference": VERMILLION,
    "proxy scoring": PURPLE,
    "everything else": "#BBBBBB",
}

DPI = 200
FONT = 9.0
SMALL = 8.0
# Points of an inch.
INCH = 72
GRID: Any = {"color": "#DDDDDD", "linewidth": 0.6}
# Behind texts, so that grid lines do not cross them.
PAPER: Any = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}

_SETTINGS: Any = {  # matplotlib's type for the keys is new in 3.11
    "font.size": FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # TrueType: fonts are embedded and text stays text
    "svg.fonttype": "path",  # looks the same whatever fonts a reader has
    "svg.hashsalt": "analysis",  # else the ids in an SVG are random
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}


@contextmanager
def drawing() -> Iterator[None]:
    """Inside, figures look as this module says, whatever the user's own matplotlib settings."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


class Look(NamedTuple):
    """How a choice looks in every figure."""

    colour: str
    marker: str
    line: str


def colour(strategy: str) -> str:
    """The colour of a strategy, the same in every figure. ``strategy`` is a label or a name."""
    return look(strategy.partition(" ")[0]).colour


def look(name: str) -> Look:
    """The look of a curve, by its ``name`` alone, so that any two figures agree.

    A choice of the menu has its own. A name that ends in one (``shared_prefix cache=lru``, ``shared_prefix_lru``)
    has its colour and marker in a broken line, one that begins with it (``auto seed=1``) its colour; all else is
    drawn from 336 looks by a digest.
    """
    if name in _KNOWN:
        return Look(*_KNOWN[name], SOLID)
    first, _, rest = name.partition(" ")
    turn, place = divmod(zlib.crc32(name.encode()) // len(_COLOURS), len(_MARKERS))
    line = _DASHED[turn % len(_DASHED)]
    if end := max((known for known in _KNOWN if name.endswith((f"={known}", f"_{known}"))), key=len, default=""):
        return Look(*_KNOWN[end], line)
    if rest:
        return Look(look(first).colour, _MARKERS[place], line)
    return Look(_COLOURS[zlib.crc32(name.encode()) % len(_COLOURS)], _MARKERS[place], line)


def looks(names: Iterable[str]) -> dict[str, Look]:
    """The look of each of ``names``; of two that have the same one, the later by name has another marker."""
    found: dict[str, Look] = {}
    for name in sorted(set(names)):
        own = look(name)
        first = _MARKERS.index(own.marker)
        in_turn = (own._replace(marker=marker) for marker in _MARKERS[first:] + _MARKERS[:first])
        found[name] = next((one for one in in_turn if one not in found.values()), own)
    return found
