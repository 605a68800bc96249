"""The figure of :mod:`experiments.studies.paper_bars`."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from alsatian.files import write_bytes
from analysis.figures import style
from experiments.studies.published_bars import APPROACHES, Compared

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


def draw(found: Sequence[Compared], path: Path) -> None:
    """Write the figure of ``found`` as PNG to ``path``: a panel for each of the paper's."""
    panels: dict[str, list[Compared]] = {}
    for one in found:
        panels.setdefault("16" if one.bar.figure.startswith("16") else one.bar.figure, []).append(one)
    with style.drawing():
        rows = -(-len(panels) // COLUMNS)
        figure, axes = style.panels(rows, 3.0 * COLUMNS, 2.5, "The paper's bars, predicted and published", CAPTION)
        for axis in axes:
            axis.remove()
        grid = figure.add_gridspec(rows, COLUMNS)
        for i, (name, some) in enumerate(panels.items()):
            axis = figure.add_subplot(grid[divmod(i, COLUMNS)])
            _panel(axis, name, some)
            if i == 0:
                axis.legend(fontsize=style.SMALL - 1, frameon=False, loc="upper left")
            if i % COLUMNS == 0:
                axis.set_ylabel("time (s)")
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=style.DPI, metadata={"Software": None})
    write_bytes(path, out.getvalue())


def _panel(axes: Axes, name: str, found: Sequence[Compared]) -> None:
    places = list(dict.fromkeys(_place(one) for one in found))
    for i, approach in enumerate(APPROACHES):
        own = [one for one in found if one.bar.approach == approach]
        at = np.array([places.index(_place(one)) for one in own]) + (i - 1) * WIDTH
        axes.bar(at, [one.predicted for one in own], WIDTH, color=style.colour(approach), label=approach)
        label = "published" if i == len(APPROACHES) - 1 else None
        height = [one.bar.published for one in own]
        axes.plot(at, height, "_", color="black", markersize=9, markeredgewidth=1.6, label=label)
    bar = found[0].bar
    axes.set_title(
        f"Fig {name}: {bar.items} items, {DISTRIBUTIONS[bar.distribution]}"
        + (", trained" if name == "13" else f", {bar.workload}" if name == "16" else ""),
        fontsize=style.SMALL,
    )
    axes.set_xticks(range(len(places)), places, fontsize=style.SMALL)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)


def _place(one: Compared) -> str:
    """Where a bar stands on its panel's axis."""
    if one.bar.figure.startswith("16"):
        return f"{one.bar.memory // 10**9} GB"
    return SHORT[one.bar.workload]
