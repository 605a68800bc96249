"""How figures look: colours, fonts and markers, the same in every figure and whatever the user's own settings."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib

# Okabe and Ito, https://jfly.uni-koeln.de/color/: safe for the common kinds of colour blindness.
GREY, ORANGE, SKY, GREEN = "#999999", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
_STRATEGIES = {"base": GREY, "shift": ORANGE, "shared_prefix": SKY, "alsatian": GREEN, "auto": BLUE}
_OTHERS = (VERMILLION, PURPLE, YELLOW)
# Of lines; what belongs together in one figure differs.
_POLICIES = {"none": GREY, "fifo": ORANGE, "lru": SKY, "lfu": PURPLE, "gdsf": BLUE, "belady": VERMILLION}
_ORDERS = {"given": GREY, "random": ORANGE, "bfs": PURPLE, "dfs": BLUE, "dfs_min": SKY, "optimal": VERMILLION}
_LINES = _STRATEGIES | _POLICIES | _ORDERS | {"planned": GREEN, "dfs_plus": GREEN}
_SHADES = (BLUE, VERMILLION, PURPLE, GREEN, ORANGE, SKY, GREY, "#000000")
_MARKERS = "osD^vPX*<>hd"
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


def colour(strategy: str) -> str:
    """The colour of a strategy, the same in every figure. ``strategy`` is a label or a name."""
    name = strategy.partition(" ")[0]
    return _STRATEGIES.get(name) or _OTHERS[zlib.crc32(name.encode()) % len(_OTHERS)]


def line_looks(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and marker of each line of a figure; no two lines share both, and few the colour."""
    looks: dict[str, tuple[str, str]] = {}
    for i, name in enumerate(names):
        taken = [shade for shade, _ in looks.values()]
        own = _LINES.get(name.partition(" ")[0])
        free = [shade for shade in _SHADES if shade not in taken and shade not in _reserved(names[i + 1 :])]
        shade = own if own and own not in taken else (free or [_SHADES[i % len(_SHADES)]])[0]
        in_turn = _MARKERS[i % len(_MARKERS) :] + _MARKERS
        looks[name] = shade, next((m for m in in_turn if (shade, m) not in looks.values()), in_turn[0])
    return looks


def _reserved(names: Sequence[str]) -> set[str | None]:
    """Colours that names to come have of their own."""
    return {_LINES.get(name.partition(" ")[0]) for name in names}
