"""How figures look: colours, fonts, room for labels, and files that are the same byte for byte each time."""

import io
import math
import re
import textwrap
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alsatian.files import write_bytes, write_text
from analysis.tables.grid import NO_BREAK, wrapped

# Okabe and Ito, https://jfly.uni-koeln.de/color/: safe for the common kinds of colour blindness.
GREY, ORANGE, SKY, GREEN = "#999999", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
_STRATEGIES = {"base": GREY, "shift": ORANGE, "shared_prefix": SKY, "alsatian": GREEN, "auto": BLUE}
_OTHERS = (VERMILLION, PURPLE, YELLOW)
# Of lines; what belongs together in one figure differs.
_LINES = _STRATEGIES | {
    **{
        "none": GREY,
        "fifo": ORANGE,
        "lru": SKY,
        "lfu": PURPLE,
        "gdsf": BLUE,
        "belady": VERMILLION,
        "planned": GREEN,
    },
    **{"given": GREY, "random": ORANGE, "bfs": PURPLE, "dfs": BLUE, "dfs_min": SKY},
    **{"dfs_plus": GREEN, "optimal": VERMILLION},
}
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
# Bold letters are so much wider.
BOLD = 1.15
# Points from one line of small text to the next.
LINE = SMALL * 1.25
# Of labels that do not fit side by side.
ANGLE = 40
INCH = 72
# Width and height of one of several panels, in inches.
PANEL = (3.3, 2.9)
# Of a figure of panels: below, its caption would be taller than the panels.
NARROWEST = 4.6

_SETTINGS: Any = {  # matplotlib's type for the keys is new in 3.11
    "font.size": FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # TrueType: fonts are embedded and text stays text
    "svg.fonttype": "path",
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


def short(labels: Sequence[str]) -> list[str]:
    """``labels`` of one workload without what goes without saying.

    That is any setting that all of them share, and which models and data they are of.
    """
    words = [label.split(" ") for label in labels]
    shared = set.intersection(*(set(parts[1:]) for parts in words)) if len(words) > 1 else set()
    settings = {word for parts in words for word in parts[1:] if word.startswith(("model_set.", "dataset."))}
    keys = [word.partition("=")[0] for word in settings]
    shared |= {word for word in settings if keys.count(word.partition("=")[0]) == 1}
    return [" ".join([parts[0], *(w for w in parts[1:] if w not in shared)]) for parts in words]


def bars(labels: Sequence[str], printed: Sequence[str], title: str, caption: str) -> tuple[Figure, Axes]:
    """A figure with room for a bar at 0, 1, … for each label; title above and caption below if not empty.

    Labels stand side by side, wrapped, if they fit, and slanted if not; the figure grows with them and
    with the texts ``printed`` above the bars.
    """
    level = _wrap_all(labels, 13)
    number = max(len(text) for text in printed) * FONT * 0.64 + 4
    slot = max(number, max(0.62, min(0.98, 5.5 / len(labels))) * INCH)
    widest = max(len(line) for lines in level for line in lines) * SMALL * 0.62
    lines = level
    slanted = widest > slot - 4
    if slanted:
        lines = [_one_setting_a_line(label) for label in labels]
        slot = max(number, 0.42 * INCH, max(len(x) for x in lines) * LINE * 1.1 / math.sin(math.radians(ANGLE)))
    reach = [max(map(len, x)) * SMALL * 0.6 if slanted else 0.0 for x in lines]
    drop = max(reach) * math.sin(math.radians(ANGLE))
    # The first labels may stick out to the left of the bars.
    left = max(across * math.cos(math.radians(ANGLE)) - (i + 0.5) * slot for i, across in enumerate(reach))
    width = max(4.6, 0.95 + len(labels) * slot / INCH) + max(0, left / INCH - 0.5)
    head, foot = _fill(title, width, (FONT + 2) * BOLD), _fill(caption, width, SMALL)
    # Text around the bars makes the figure taller, not the bars shorter.
    height = (drop + head.count("\n") * LINE * 1.4 + (foot.count("\n") + 1) * LINE) / INCH + 3.3
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlim(-0.5 - max(0, 3 - len(labels)) / 2, len(labels) - 0.5 + max(0, 3 - len(labels)) / 2)
    axes.set_xticks(range(len(labels)), ["\n".join(x) for x in lines], fontsize=SMALL)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    if slanted:
        for tick in axes.get_xticklabels():
            tick.set(rotation=ANGLE, ha="right", va="top", rotation_mode="anchor")
    _write_around(figure, head, foot)
    return figure, axes


def panels(count: int, width: float, height: float, title: str, caption: str) -> tuple[Figure, list[Axes]]:
    """A figure of ``count`` panels, one above the other, ``width`` and each ``height`` inches; texts as above."""
    head, foot = _fill(title, width, (FONT + 2) * BOLD), _fill(caption, width, SMALL)
    texts = (head.count("\n") * LINE * 1.4 + (foot.count("\n") + 1) * LINE) / INCH
    figure = Figure(figsize=(width, count * height + texts + 0.9), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(count, 1, i + 1) for i in range(count)]
    _write_around(figure, head, foot)
    return figure, axes


def row(count: int, names: Sequence[str], title: str, caption: str) -> tuple[Figure, list[Axes], Axes, int]:
    """A figure of ``count`` panels side by side, texts as above, and room between for a legend of ``names``.

    Returns the panels, the axes for the legend, which show nothing else, and the legend's columns.
    """
    return lattice(count, count, PANEL, names, title, caption)


def lattice(
    count: int, across: int, panel: tuple[float, float], names: Sequence[str], title: str, caption: str
) -> tuple[Figure, list[Axes], Axes, int]:
    """The same with ``count`` panels in rows of ``across``, each ``panel`` (width, height) inches."""
    width = max(across * panel[0], NARROWEST)
    # Wide lines average out less than they add up: a little is kept free.
    head, foot = (_fill(text, 0.93 * width, size) for text, size in ((title, (FONT + 2) * BOLD), (caption, SMALL)))
    columns = _columns(names, (width - 0.4) * INCH)
    legend = -(-len(names) // columns) * SMALL * 1.9 / INCH + 0.05
    texts = (head.count("\n") * LINE * 1.4 + (foot.count("\n") + 1) * LINE) / INCH + (0.3 if head else 0)
    down = -(-count // across)
    figure = Figure(figsize=(width, down * panel[1] + legend + texts), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(1 + down, across, height_ratios=(legend, *([panel[1]] * down)))
    above = figure.add_subplot(grid[0, :])
    above.axis("off")
    _write_around(figure, head, foot)
    axes = [figure.add_subplot(grid[1 + i // across, i % across]) for i in range(count)]
    return figure, axes, above, columns


def _columns(names: Sequence[str], points: float) -> int:
    """The most columns of a legend that ``points`` hold; a legend fills them one after the other."""
    # A name, its line and the gap behind it.
    widths = [len(name) * SMALL * 0.6 + 48 for name in names]
    for columns in range(len(names), 1, -1):
        high, longer = divmod(len(names), columns)
        ends = [i * high + min(i, longer) for i in range(columns + 1)]
        if sum(max(widths[a:b]) for a, b in pairwise(ends)) <= points:
            return columns
    return 1


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


def save(figure: Figure, data: pd.DataFrame, stem: Path) -> list[Path]:
    """Write ``figure`` as PNG and PDF and the ``data`` it shows as CSV to ``stem`` + suffix."""
    png, pdf = io.BytesIO(), io.BytesIO()
    # Without dates and versions the same data gives the same bytes.
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "ModDate": None})
    return [
        write_bytes(stem.with_name(f"{stem.name}.png"), png.getvalue()),
        write_bytes(stem.with_name(f"{stem.name}.pdf"), pdf.getvalue()),
        write_text(stem.with_name(f"{stem.name}.csv"), data.to_csv(index=False, lineterminator="\n")),
    ]


def svg(figure: Figure) -> bytes:
    """``figure`` as SVG, for a page."""
    content = io.BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()


def _write_around(figure: Figure, head: str, foot: str) -> None:
    if head:
        figure.suptitle(head, x=0.01, ha="left", fontsize=FONT + 2, fontweight="bold")
    if foot:
        figure.supxlabel(foot, x=0.01, ha="left", fontsize=SMALL, color="#444444")


def _one_setting_a_line(label: str) -> list[str]:
    lines = [line for word in label.split(" ") for line in wrapped(word, 26)]
    return lines if len(lines) <= 4 else wrapped(label, 26)


def _wrap_all(labels: Sequence[str], width: int) -> list[list[str]]:
    return [wrapped(label, width) for label in labels]


def _fill(text: str, inches: float, size: float) -> str:
    # A number stays with its unit.
    text = re.sub(r"(?<=\d) (?=[kMGT]?B|s\b)", NO_BREAK, text)
    width = max(20, int(inches * INCH / (size * 0.54)))
    return "\n".join(textwrap.fill(line, width) for line in text.split("\n"))
