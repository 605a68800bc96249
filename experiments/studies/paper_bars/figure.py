"""The figure of the paper's bars, predicted and published."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures import picture, style
from experiments.studies.paper_bars.bars import APPROACHES, Compared

WIDTH = 0.26
"""Of a bar, where workloads are 1 apart."""
COLUMNS = 4
CAPTION = (
    "Bars: predicted; markers: published. Claim to look for: the order of the approaches is right in every cell, "
    "Alsatian's lead grows with overlap (a to f), and it stays ahead in less memory (16)."
)
SHORT = {
    "ResNet-18": "ResNet\n18",
    "ResNet-152": "ResNet\n152",
    "EffNetV2-L": "EffNet\nV2-L",
    "ViT-L-32": "ViT\nL-32",
}
DISTRIBUTIONS = {"FIFTY_PERCENT": "Top 50%", "TWENTY_FIVE_PERCENT": "Top 25%", "TOP_LAYERS": "Top Layers"}


def draw(found: Sequence[Compared]) -> Figure:
    """A panel for each of the paper's."""
    panels: dict[str, list[Compared]] = {}
    for one in found:
        panels.setdefault("16" if one.bar.figure.startswith("16") else one.bar.figure, []).append(one)
    with style.drawing():
        title = "The paper's bars, predicted and published"
        figure, axes = picture.panels(len(panels), COLUMNS, (3.0, 2.5), title, CAPTION)
        for i, (axis, (name, some)) in enumerate(zip(axes, panels.items(), strict=True)):
            _panel(axis, name, some)
            if i == 0:
                axis.legend(fontsize=style.SMALL - 1, frameon=False, loc="upper left")
            if i % COLUMNS == 0:
                axis.set_ylabel("time (s)")
    return figure


def _panel(axes: Axes, name: str, found: Sequence[Compared]) -> None:
    small = name == "16"
    places = [f"{one.bar.memory // 10**9} GB" if small else SHORT[one.bar.workload] for one in found]
    ticks = list(dict.fromkeys(places))
    for i, approach in enumerate(APPROACHES):
        own = [
            (ticks.index(place), one)
            for place, one in zip(places, found, strict=True)
            if one.bar.approach == approach
        ]
        at = np.array([place for place, _ in own]) + (i - 1) * WIDTH
        axes.bar(at, [one.predicted for _, one in own], WIDTH, color=style.colour(approach), label=approach)
        label = "published" if i == len(APPROACHES) - 1 else None
        height = [one.bar.published for _, one in own]
        axes.plot(at, height, "_", color="black", markersize=9, markeredgewidth=1.6, label=label)
    bar = found[0].bar
    kind = ", trained" if name == "13" else f", {bar.workload}" if small else ""
    axes.set_title(f"Fig {name}: {bar.items} items, {DISTRIBUTIONS[bar.distribution]}{kind}", fontsize=style.SMALL)
    axes.set_xticks(range(len(ticks)), ticks, fontsize=style.SMALL)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
