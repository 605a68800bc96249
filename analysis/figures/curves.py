"""Line plots over the cache budget: wall time, block executions and hit ratio side by side."""

from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator, StrMethodFormatter

from analysis.comparing.sweeps import Sweep
from analysis.figures import picture, style
from analysis.figures.picture import Picture

# What is drawn, with the axis' name.
PANELS = {
    "wall_s": "wall time (s)",
    "block_executions": "block executions",
    "hit_ratio": "hit ratio (%)",
}
SIZE = (3.3, 3.0)
# Lines often coincide. Each is drawn thinner and with smaller markers than the one below it, so that all show.
WIDEST, THINNEST = 4.2, 1.1
LARGEST, SMALLEST = 10.5, 4.0
# Budgets that are written at the axis.
WRITTEN = 6


def sweep(found: Sweep, title: str, caption: str) -> Picture:
    """The lines of ``found``; the data are the drawn points."""
    return Picture(title, caption, found.points, partial(_draw, found))


def _draw(found: Sweep, title: str, caption: str) -> Figure:
    figure, panels = picture.panels(len(PANELS), len(PANELS), SIZE, title, caption)
    looks = style.line_looks(found.lines)
    last = max(1, len(found.lines) - 1)
    for axes, (column, label) in zip(panels, PANELS.items(), strict=True):
        scale = 100 if column == "hit_ratio" else 1
        for i, line in enumerate(found.lines):
            own = found.points[found.points["line"] == line]
            colour, marker = looks[line]
            axes.plot(
                own[found.axis], scale * own[column], label=line, color=colour, marker=marker, zorder=3 + i,
                linewidth=WIDEST - (WIDEST - THINNEST) * i / last,
                markersize=LARGEST - (LARGEST - SMALLEST) * i / last,
                markeredgecolor="white", markeredgewidth=0.6,
            )  # fmt: skip
            if column == "wall_s" and (own["repeats"] > 1).any():
                ends = own["wall_min"], own["wall_max"]
                axes.fill_between(own[found.axis], *ends, color=colour, alpha=0.18, linewidth=0, zorder=2)
        axes.set_ylabel(label)
        _budget_axis(axes, found)
    panels[0].set_ylim(0, 1.06 * found.points["wall_max"].max())
    panels[1].set_ylim(0, 1.06 * max(1, found.points["block_executions"].max()))
    for axes in panels:
        axes.yaxis.set_major_locator(MaxNLocator(6))
    panels[1].yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    panels[2].set_ylim(-4, 104)
    picture.legend(figure, panels[0].get_lines())
    return figure


def _budget_axis(axes: Axes, found: Sweep) -> None:
    """A log axis with a tick at each budget that was measured; of many, some are written, with both ends."""
    budgets = found.budgets
    axes.set_xscale("log")
    written = set(np.linspace(0, len(budgets) - 1, min(len(budgets), WRITTEN)).round().astype(int))
    texts = [found.text(budget) if i in written else "" for i, budget in enumerate(budgets)]
    axes.set_xticks(budgets, texts, fontsize=style.SMALL, rotation=45, ha="right", rotation_mode="anchor")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(**style.GRID)
    axes.set_xlabel("cache budget" + (" (share of the working set)" if found.axis == "budget_share" else ""))
