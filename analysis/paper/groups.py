"""Groups of bars, ours filled, the published as outlined marks on them: most of the paper's figures."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from analysis.figures import style
from analysis.tables.grid import wrapped

# Inches of a bar with the gap to the next one, and of the gap between groups.
SLOT, GAP = 0.165, 0.2
MARKED, BOUNDED = "published", "published, at most"
# Points of the numbers above bars, which stand upright so that any number of bars has room for them.
NUMBER = 7.0
QUIET = "#666666"
# Of what is published: outlined, with a rim of white so that it shows on any colour.
MARK: dict[str, Any] = {
    "marker": "D", "markersize": 4.2, "markerfacecolor": "none", "markeredgecolor": "black",
    "path_effects": [withStroke(linewidth=2.4, foreground="white")],
}  # fmt: skip
BOUND = MARK | {"marker": "v", "markersize": 5.2}
# Behind numbers, so that grid lines do not cross them.
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
# Axis and its numbers and name, beside the bars, in inches.
BESIDE = 0.75
# Inches of the part of a panel that holds bars, at least.
HEIGHT = 1.75


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        colour: of the filled bar.
        height, low, high: of ours, and where the whisker ends; NaN if it is missing.
        text: what stands above it; of a missing one, why.
        mark: height of the published mark; NaN for none.
        bound: whether the published value is an upper bound.
    """

    colour: str
    height: float
    low: float
    high: float
    text: str
    mark: float
    bound: bool = False

    @property
    def missing(self) -> bool:
        """Whether there is nothing to draw but the reason."""
        return math.isnan(self.height)


@dataclass(frozen=True)
class Group:
    """Bars side by side over one label."""

    label: str
    bars: Sequence[Bar]


def width(groups: Sequence[Group]) -> float:
    """Inches of a panel that has room for ``groups``."""
    return BESIDE + sum(_inches(group) for group in groups)


def title_width(title: str) -> float:
    """Inches of a panel that has room for ``title``."""
    return len(title) * style.FONT * 0.58 / style.INCH + BESIDE


def draw(axes: Axes, groups: Sequence[Group], inches: float, title: str) -> None:
    """Draw ``groups`` into a panel of ``inches`` (width, height is what it is); the ordinate starts at 0."""
    left, places = 0.0, []
    for group in groups:
        own = _inches(group)
        start = left + (own - SLOT * (len(group.bars) - 1)) / 2
        places.append([start + i * SLOT for i in range(len(group.bars))])
        left += own
    top = _limit(groups)
    axes.set_ylim(0, top)
    # Bars keep their thickness where the panel is wider than they need.
    spare = max(0.0, inches - BESIDE - left) / 2
    axes.set_xlim(-spare, left + spare)
    for group, xs in zip(groups, places, strict=True):
        reasons = {bar.text for bar in group.bars}
        if len(reasons) == 1 and all(bar.missing for bar in group.bars):
            _number(axes, sum(xs) / len(xs), 0, reasons.pop(), QUIET)
            continue
        for bar, x in zip(group.bars, xs, strict=True):
            _bar(axes, bar, x)
    centres = [sum(xs) / len(xs) for xs in places]
    labels = [_label(group.label, _inches(group)) for group in groups]
    axes.set_xticks(centres, labels, fontsize=style.SMALL)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", labelsize=style.SMALL)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.set_title(title, fontsize=style.FONT, loc="left")


def legend(above: Axes, names: Sequence[tuple[str, str]], columns: int, bounds: bool = False) -> None:
    """Explain the colours, ``(name, colour)``, and the mark, with ``bounds`` the one for upper bounds too."""
    handles: list[Patch | Line2D] = [Patch(facecolor=colour, label=name) for name, colour in names]
    handles.append(Line2D([], [], linestyle="none", label=MARKED, **MARK))
    if bounds:
        handles.append(Line2D([], [], linestyle="none", label=BOUNDED, **BOUND))
    above.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0, 0.5), borderaxespad=0, ncols=columns, frameon=False,
        fontsize=style.SMALL,
    )  # fmt: skip


def shades(colour: str, count: int) -> list[str]:
    """``count`` shades of one colour, the darkest last."""
    red, green, blue = to_rgb(colour)
    weights = [1 - 0.62 * (count - 1 - i) / max(1, count - 1) for i in range(count)]
    return [to_hex((1 - w * (1 - red), 1 - w * (1 - green), 1 - w * (1 - blue))) for w in weights]


def _bar(axes: Axes, bar: Bar, x: float) -> None:
    if not math.isnan(bar.mark):
        axes.plot([x], [bar.mark], zorder=4, clip_on=False, **(BOUND if bar.bound else MARK))
    if not bar.missing:
        axes.bar([x], [bar.height], SLOT * 0.86, color=bar.colour)
    if bar.high > bar.low:
        ends = [[max(0.0, bar.height - bar.low)], [max(0.0, bar.high - bar.height)]]
        axes.errorbar([x], [bar.height], ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
    peak = _peak(bar)
    _number(axes, x, peak, bar.text, QUIET if bar.missing else "black", 6 if peak == bar.mark else 4)


def _number(axes: Axes, x: float, y: float, text: str, colour: str, gap: float = 4) -> None:
    axes.annotate(
        text, (x, y), (0, gap), textcoords="offset points", ha="center", va="bottom", rotation=90,
        fontsize=NUMBER, color=colour, bbox=PAPER,
    )  # fmt: skip


def _peak(bar: Bar) -> float:
    return max((value for value in (bar.height, bar.high, bar.mark) if not math.isnan(value)), default=0.0)


def _limit(groups: Sequence[Group]) -> float:
    """Where the ordinate ends, so that the numbers above the bars are inside."""
    bars = [bar for group in groups for bar in group.bars]
    tops = [_peak(bar) / (1 - (len(bar.text) * NUMBER * 0.62 + 8) / (style.INCH * HEIGHT)) for bar in bars]
    return max(tops, default=0.0) or 100.0


def _inches(group: Group) -> float:
    longest = max(len(word) for word in group.label.split(" ")) if group.label else 0
    return max(len(group.bars) * SLOT + GAP, min(longest, 12) * style.SMALL * 0.62 / style.INCH + 0.1)


def _label(text: str, inches: float) -> str:
    return "\n".join(wrapped(text.replace("@", " "), max(4, int(inches * style.INCH / (style.SMALL * 0.6)))))
