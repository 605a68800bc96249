"""Line plots over the cache budget: wall time, block executions and hit ratio side by side."""

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from analysis.comparing.sweeps import Sweep
from analysis.figures import style

# What is drawn, with the axis' name.
PANELS = {
    "wall_s": "wall time (s)",
    "block_executions": "block executions",
    "hit_ratio": "hit ratio (%)",
}
# Lines often coincide. Each is drawn thinner and with smaller markers than the one below it, so that all show.
WIDEST, THINNEST = 4.2, 1.1
LARGEST, SMALLEST = 10.5, 4.0


def save(sweep: Sweep, path_stem: Path, title: str, caption: str) -> list[Path]:
    """Write the lines of ``sweep`` to ``path_stem`` + .png/.pdf/.csv; the CSV holds the drawn points."""
    with style.drawing():
        return style.save(draw(sweep, title, caption), data(sweep), path_stem)


def page_image(sweep: Sweep) -> tuple[bytes, float]:
    """The figure without title and caption as SVG, for a page that has its own, and its width in inches."""
    with style.drawing():
        figure = draw(sweep, "", "")
        return style.svg(figure), figure.get_figwidth()


def data(sweep: Sweep) -> pd.DataFrame:
    """The drawn points; see :class:`~analysis.comparing.sweeps.Sweep`."""
    return sweep.points


def draw(sweep: Sweep, title: str, caption: str) -> Figure:
    """The figure of :func:`save`. Call inside ``style.drawing()``."""
    figure, panels, above, columns = style.row(len(PANELS), sweep.lines, title, caption)
    looks = style.line_looks(sweep.lines)
    last = max(1, len(sweep.lines) - 1)
    for axes, (column, label) in zip(panels, PANELS.items(), strict=True):
        scale = 100 if column == "hit_ratio" else 1
        for i, line in enumerate(sweep.lines):
            own = sweep.points[sweep.points["line"] == line]
            colour, marker = looks[line]
            axes.plot(
                own[sweep.axis], scale * own[column], label=line, color=colour, marker=marker, zorder=3 + i,
                linewidth=WIDEST - (WIDEST - THINNEST) * i / last,
                markersize=LARGEST - (LARGEST - SMALLEST) * i / last,
                markeredgecolor="white", markeredgewidth=0.6,
            )  # fmt: skip
            if column == "wall_s" and (own["repeats"] > 1).any():
                ends = own["wall_min"], own["wall_max"]
                axes.fill_between(own[sweep.axis], *ends, color=colour, alpha=0.18, linewidth=0, zorder=2)
        axes.set_ylabel(label)
        _budget_axis(axes, sweep)
    panels[0].set_ylim(0, 1.06 * sweep.points["wall_max"].max())
    panels[1].set_ylim(0, 1.06 * max(1, sweep.points["block_executions"].max()))
    for axes in panels:
        axes.yaxis.set_major_locator(MaxNLocator(6))
    panels[1].yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panels[2].set_ylim(-4, 104)
    handles, names = panels[0].get_legend_handles_labels()
    above.legend(
        handles, names, loc="center left", bbox_to_anchor=(0, 0.5), borderaxespad=0, ncols=columns, frameon=False,
        fontsize=style.SMALL,
    )  # fmt: skip
    return figure


def _budget_axis(axes: Axes, sweep: Sweep) -> None:
    """A log axis with a tick at each budget that was measured, labelled where there is room."""
    axes.set_xscale("log")
    budgets = sweep.budgets
    low, high = budgets[0], budgets[-1]
    margin = (high / low) ** 0.05
    axes.set_xlim(low / margin, high * margin)
    places = [math.log(budget / low * margin) / math.log(high / low * margin**2) for budget in budgets]
    axes.set_xticks(budgets, _with_room([sweep.text(budget) for budget in budgets], places), fontsize=style.SMALL)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_xlabel("cache budget" + (" (share of the working set)" if sweep.axis == "budget_share" else ""))


def _with_room(texts: Sequence[str], places: Sequence[float]) -> list[str]:
    """``texts`` at ``places`` from 0 to 1 along a panel; some are left empty so that none runs into another.

    The last and the first come before those between.
    """
    axis = 0.75 * style.PANEL[0] * style.INCH  # the rest is for the other axis' numbers and name
    shown: dict[int, tuple[float, float]] = {}
    for i in (len(texts) - 1, *range(len(texts) - 1)):
        half = (len(texts[i]) + 1) * style.SMALL * 0.31
        left, right = places[i] * axis - half, places[i] * axis + half
        if all(right <= other[0] or other[1] <= left for other in shown.values()):
            shown[i] = (left, right)
    return [text if i in shown else "" for i, text in enumerate(texts)]
