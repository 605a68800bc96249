"""Groups of bars, ours filled, the published as outlined marks on them: most of the paper's figures."""

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from analysis.figures import style

# Inches of a bar with the gap to the next one, of the gap between groups, and of a group at least.
SLOT, GAP, GROUP = 0.165, 0.2, 0.62
# Times as thick as that bars are at most.
THICKER = 1.5
# Axis and its numbers and name, beside the bars, in inches; and of the part of a panel that holds bars, at least.
BESIDE, HEIGHT = 0.75, 1.75
# Points from a bar and from a mark to a number, which stands upright so that any number of bars has room for them.
ABOVE_BAR, ABOVE_MARK = 4.0, 7.0
QUIET = "#666666"
# Of what is published: outlined.
MARK: dict[str, Any] = {
    "marker": "D", "markersize": 4.2, "markerfacecolor": "none", "markeredgecolor": "black", "linestyle": "none",
}  # fmt: skip
BOUND = MARK | {"marker": "v", "markersize": 5.2}
# On a bar, a rim of white so that it shows on any colour; beside a low bar it would hide that.
RIM: dict[str, Any] = {"path_effects": [withStroke(linewidth=2.4, foreground="white")]}


T = TypeVar("T")


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
        """Where the highest of it ends."""
        return max(self.top, 0.0 if math.isnan(self.mark) else self.mark)

    @property
    def top(self) -> float:
        """Where the bar and its whisker end; 0 if it is missing."""
        return max((value for value in (self.height, self.high) if not math.isnan(value)), default=0.0)


@dataclass(frozen=True)
class Group:
    """Bars side by side over one label."""

    label: str
    bars: Sequence[Bar]

    @property
    def inches(self) -> float:
        """Its width, with the gap to the next one."""
        longest = max(map(len, self.words), default=0)
        return max(style.now().scale * max(len(self.bars) * SLOT + GAP, GROUP), style.now().inches(longest))

    @property
    def words(self) -> list[str]:
        """Of its label, which stay whole."""
        return self.label.replace("@", " ").split()


def rows(things: Sequence[T], width: Callable[[Sequence[T]], float], inches: float) -> list[list[T]]:
    """``things`` of a panel in as many panels of so many ``inches`` as they need; ``width`` is what some need."""
    found: list[list[T]] = [[]]
    for thing in things:
        if found[-1] and width([*found[-1], thing]) > inches + 0.01:
            found.append([])
        found[-1].append(thing)
    return found


def width(groups: Sequence[Group]) -> float:
    """Inches of a panel that has room for ``groups``."""
    return style.now().scale * BESIDE + sum(group.inches for group in groups)


def draw(axes: Axes, groups: Sequence[Group], inches: float, others: Sequence[Group] = ()) -> None:
    """Draw ``groups`` into a panel of ``inches`` width.

    The ordinate goes from 0 to the highest bar or mark, also of ``others`` that are drawn beside it on the same
    one; above there is room for the bars' own numbers.
    """
    left, centres, scale = 0.0, [], style.now().scale
    all_bars = [bar for group in (*groups, *others) for bar in group.bars]
    limit = _limit(all_bars)
    axes.set_ylim(0, limit)
    _end_at(axes, max(bar.peak for bar in all_bars))
    points = limit / (style.INCH * style.now().tall * HEIGHT)
    for group in groups:
        centre = left + group.inches / 2
        centres.append(centre)
        left += group.inches
        reasons = {bar.text for bar in group.bars}
        if len(reasons) == 1 and all(bar.missing for bar in group.bars):
            _number(axes, centre, 0, reasons.pop(), QUIET)
            continue
        for i, bar in enumerate(group.bars):
            _bar(axes, bar, centre + (i - (len(group.bars) - 1) / 2) * SLOT * scale, points)
    # Where the panel is wider than they need, bars become thicker, to a degree.
    stretched = min(THICKER, max(1.0, (inches - scale * BESIDE) / left))
    spare = max(0.0, (inches - scale * BESIDE) / stretched - left) / 2
    axes.set_xlim(-spare, left + spare)
    label(axes, centres, [group.label for group in groups], stretched * min(group.inches for group in groups))


def label(axes: Axes, places: Sequence[float], texts: Sequence[str], inches: float) -> None:
    """Labels below groups of bars of so many ``inches``, and what all panels have in common."""
    letters = style.now().letters(inches)
    whole: Any = {"break_long_words": False, "break_on_hyphens": False}
    labels = [textwrap.fill(text.replace("@", " "), letters, **whole) for text in texts]
    axes.set_xticks(places, labels)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", **style.GRID)


def patches(looks: Mapping[str, str]) -> list[Patch]:
    """Of a legend, the colours of ``looks``, by name."""
    return [Patch(facecolor=colour, label=name) for name, colour in looks.items()]


def mark(name: str, look: Mapping[str, Any] = MARK) -> Line2D:
    """Of a legend, the mark of what is published."""
    return Line2D([], [], label=name, **look)


def _bar(axes: Axes, bar: Bar, x: float, points: float) -> None:
    """A bar of a panel where a point is ``points`` of the ordinate."""
    wide = SLOT * style.now().scale
    if not math.isnan(bar.mark):
        look = BOUND if bar.bound else MARK
        inside = not bar.missing and bar.height > bar.mark + ABOVE_BAR * points
        axes.plot([x], [bar.mark], zorder=4, clip_on=False, **look, **(RIM if inside else {}))
    if not bar.missing:
        axes.bar([x], [bar.height], wide * 0.86, color=bar.colour)
    if bar.high > bar.low:
        ends = [[max(0.0, bar.height - bar.low)], [max(0.0, bar.high - bar.height)]]
        axes.errorbar([x], [bar.height], ends, fmt="none", ecolor="black", elinewidth=0.8, capsize=1.5)
    above_mark = 0.0 if math.isnan(bar.mark) else bar.mark + (ABOVE_MARK - ABOVE_BAR) * points
    _number(axes, x, max(bar.top, above_mark), bar.text, QUIET if bar.missing else "black")


def _number(axes: Axes, x: float, y: float, text: str, colour: str) -> None:
    axes.annotate(
        text, (x, y), (0, ABOVE_BAR), textcoords="offset points", ha="center", va="bottom", rotation=90,
        fontsize=style.now().tiny, color=colour, bbox=style.BEHIND,
    )  # fmt: skip


def _end_at(axes: Axes, top: float) -> None:
    """The axis and its numbers end at ``top``, where the data end."""
    top = top or 100.0
    ticks = MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, top)
    axes.set_yticks([tick for tick in ticks if 0 <= tick <= top * (1 + 1e-9)])
    axes.spines["left"].set_bounds(0, top)


def _limit(bars: Sequence[Bar]) -> float:
    """Where the panel ends, so that the numbers above the bars are inside."""
    now = style.now()
    inside = style.INCH * now.tall * HEIGHT
    tops = [bar.peak / (1 - (len(bar.text) * now.tiny * 0.58 + ABOVE_MARK) / inside) for bar in bars]
    return max(tops, default=0.0) or 100.0
