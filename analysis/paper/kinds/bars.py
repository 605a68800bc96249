"""Groups of bars, ours filled, the published as outlined marks on them: most of the paper's figures."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke

from analysis.figures import style

# Inches of a bar with the gap to the next one, of the gap between groups, and of a group at least.
SLOT, GAP, GROUP = 0.165, 0.2, 0.62
# Axis and its numbers and name, beside the bars, in inches; and of the part of a panel that holds bars, at least.
BESIDE, HEIGHT = 0.75, 1.75
# Points of the numbers above bars, which stand upright so that any number of bars has room for them.
NUMBER = 7.0
QUIET = "#666666"
# Of what is published: outlined, with a rim of white so that it shows on any colour.
MARK: dict[str, Any] = {
    "marker": "D", "markersize": 4.2, "markerfacecolor": "none", "markeredgecolor": "black", "linestyle": "none",
    "path_effects": [withStroke(linewidth=2.4, foreground="white")],
}  # fmt: skip
BOUND = MARK | {"marker": "v", "markersize": 5.2}


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

    @property
    def peak(self) -> float:
        """Where its number stands."""
        return max((value for value in (self.height, self.high, self.mark) if not math.isnan(value)), default=0.0)


@dataclass(frozen=True)
class Group:
    """Bars side by side over one label."""

    label: str
    bars: Sequence[Bar]

    @property
    def inches(self) -> float:
        """Its width, with the gap to the next one."""
        return max(len(self.bars) * SLOT + GAP, GROUP)


def width(groups: Sequence[Group]) -> float:
    """Inches of a panel that has room for ``groups``."""
    return BESIDE + sum(group.inches for group in groups)


def draw(axes: Axes, groups: Sequence[Group], inches: float) -> None:
    """Draw ``groups`` into a panel of ``inches`` width; the ordinate starts at 0."""
    left, centres = 0.0, []
    axes.set_ylim(0, _limit(groups))
    for group in groups:
        centre = left + group.inches / 2
        centres.append(centre)
        left += group.inches
        reasons = {bar.text for bar in group.bars}
        if len(reasons) == 1 and all(bar.missing for bar in group.bars):
            _number(axes, centre, 0, reasons.pop(), QUIET)
            continue
        for i, bar in enumerate(group.bars):
            _bar(axes, bar, centre + (i - (len(group.bars) - 1) / 2) * SLOT)
    # Bars keep their thickness where the panel is wider than they need.
    spare = max(0.0, inches - BESIDE - left) / 2
    axes.set_xlim(-spare, left + spare)
    label(axes, centres, [group.label for group in groups], min(group.inches for group in groups))


def label(axes: Axes, places: Sequence[float], texts: Sequence[str], inches: float) -> None:
    """Labels below groups of bars of so many ``inches``, and what all panels have in common."""
    letters = int(inches * style.INCH / (style.SMALL * 0.6))
    labels = [textwrap.fill(text.replace("@", " "), letters) for text in texts]
    axes.set_xticks(places, labels, fontsize=style.SMALL)
    axes.tick_params(axis="x", length=0)
    axes.tick_params(axis="y", labelsize=style.SMALL)
    axes.grid(axis="y", **style.GRID)


def patches(looks: Mapping[str, str]) -> list[Patch]:
    """Of a legend, the colours of ``looks``, by name."""
    return [Patch(facecolor=colour, label=name) for name, colour in looks.items()]


def mark(name: str, look: Mapping[str, Any] = MARK) -> Line2D:
    """Of a legend, the mark of what is published."""
    return Line2D([], [], label=name, **look)


def _bar(axes: Axes, bar: Bar, x: float) -> None:
    if not math.isnan(bar.mark):
        axes.plot([x], [bar.mark], zorder=4, clip_on=False, **(BOUND if bar.bound else MARK))
    if not bar.missing:
        axes.bar([x], [bar.height], SLOT * 0.86, color=bar.colour)
    if bar.high > bar.low:
        ends = [[max(0.0, bar.height - bar.low)], [max(0.0, bar.high - bar.height)]]
        axes.errorbar([x], [bar.height], ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
    _number(axes, x, bar.peak, bar.text, QUIET if bar.missing else "black", 6 if bar.peak == bar.mark else 4)


def _number(axes: Axes, x: float, y: float, text: str, colour: str, gap: float = 4) -> None:
    axes.annotate(
        text, (x, y), (0, gap), textcoords="offset points", ha="center", va="bottom", rotation=90,
        fontsize=NUMBER, color=colour, bbox=style.PAPER,
    )  # fmt: skip


def _limit(groups: Sequence[Group]) -> float:
    """Where the ordinate ends, so that the numbers above the bars are inside."""
    bars = [bar for group in groups for bar in group.bars]
    tops = [bar.peak / (1 - (len(bar.text) * NUMBER * 0.62 + 8) / (style.INCH * HEIGHT)) for bar in bars]
    return max(tops, default=0.0) or 100.0
