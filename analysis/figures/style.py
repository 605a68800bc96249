"""How figures look: sizes, colours, fonts and markers, whatever the user's own settings. One place decides on all.

Figures are seen on a page (the report, the README), where each is as wide as it needs, or in a paper, which gives
them one or two columns and has captions of its own. Drawings ask :func:`now` for sizes.
"""

import textwrap
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import matplotlib

from alsatian.errors import ConfigError, nearest

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
# Points of an inch.
INCH = 72
# Of a letter, as a share of its size in points, at most; and inches of a panel beside its title.
_LETTER, _BESIDE = 0.6, 0.5
GRID: Any = {"color": "#DDDDDD", "linewidth": 0.6}
# Behind texts, so that grid lines do not cross them.
BEHIND: Any = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
# Inches of a paper's columns, by their number.
COLUMNS = {1: 3.33, 2: 7.0}


@dataclass(frozen=True)
class Style:
    """Where a figure is seen, and what follows from it.

    Attributes:
        name: ``"page"`` or ``"paper"``.
        font, small, tiny: points of titles of panels; of axes, legends and captions; of numbers beside marks.
        scale, tall: of widths and of heights in inches, relative to a page.
        columns: of the paper that a figure takes; None for one if its panels have room there, else two.
    """

    name: str
    font: float
    small: float
    tiny: float
    scale: float = 1.0
    tall: float = 1.0
    columns: int | None = None

    @property
    def paper(self) -> bool:
        """Whether widths are a paper's, and title and caption are beside the figure, not in it."""
        return self.name == "paper"

    def letters(self, inches: float, size: float = 0.0) -> int:
        """How many letters of so many points have room, of small text if nothing is said; at least one."""
        return max(1, int(inches * INCH / ((size or self.small) * _LETTER)))

    def wrapped(self, title: str, inches: float) -> str:
        """A panel's ``title`` in lines that have room in a panel of so many ``inches``."""
        letters = (inches - _BESIDE) * INCH / (self.font * 0.55)
        return textwrap.fill(title, max(10, int(letters)), break_long_words=False)

    def inches(self, letters: int) -> float:
        """Of so many letters of small text, about."""
        return letters * self.small * _LETTER / INCH

    def fit(self, across: int, inches: float, least: float, taken: float = 0.0) -> tuple[int, float]:
        """Panels side by side, and inches of each.

        On a page they are as many as asked for and as wide as asked for. In a paper they fill its columns but for
        the inches that are ``taken``, and are fewer if they would be narrower than ``least``.
        """
        if not self.paper:
            return across, inches
        single = across * least + taken <= COLUMNS[1]
        width = COLUMNS[self.columns or (1 if single else 2)] - taken
        across = max(1, min(across, int(width / least + 1e-9)))
        return across, width / across


PAGE = Style("page", 9.0, 8.0, 7.0)
PAPER = Style("paper", 8.0, 7.0, 7.0, 0.65, 0.85)
# What words about figures may say of it.
WORDS = ("style", "columns")


def named(written: Mapping[str, Any]) -> Style:
    """The style that words about figures ask for, ``style`` and ``columns`` among them; that of a page without.

    Raises:
        ConfigError: names the word.
    """
    style, columns = (written.get(word) for word in WORDS)
    known = {one.name: one for one in (PAGE, PAPER)}
    name = PAGE.name if style is None else str(style)
    if name not in known:
        raise ConfigError(f"figure.style={name}: there is no such style; {nearest(name, known)}")
    if columns is None:
        return known[name]
    if isinstance(columns, bool | list) or columns not in COLUMNS:
        raise ConfigError(f"figure.columns={columns}: a figure takes 1 or 2 columns of a paper; null chooses")
    if name != PAPER.name:
        raise ConfigError(f"figure.columns={columns}: only figure.style=paper has columns")
    return replace(PAPER, columns=columns)


_SETTINGS: Any = {  # matplotlib's type for the keys is new in 3.11
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # TrueType: fonts are embedded and text stays text
    "svg.fonttype": "path",  # looks the same whatever fonts a reader has
    "svg.hashsalt": "analysis",  # else the ids in an SVG are random
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}
_SMALL: Any = ("axes.labelsize", "xtick.labelsize", "ytick.labelsize", "legend.fontsize")


_now = ContextVar("style", default=PAGE)


def now() -> Style:
    """The style that is drawn in."""
    return _now.get()


@contextmanager
def drawing(style: Style = PAGE) -> Iterator[None]:
    """Inside, figures look as this module says, whatever the user's own matplotlib settings."""
    before = _now.set(style)
    try:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_SETTINGS | {"font.size": style.font, "axes.titlesize": style.font})
            matplotlib.rcParams.update(dict.fromkeys(_SMALL, style.small))
            yield
    finally:
        _now.reset(before)


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
