"""Bars of the strategies of one workload: speed-up over base, and where the time goes."""

import textwrap
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alsatian.units import factor_text, seconds_text
from analysis.comparing.disturbances import MARK
from analysis.comparing.labels import short
from analysis.comparing.measurements import PAPER_PARTS
from analysis.figures import layout, style
from analysis.figures.picture import Picture

# Inches of the figure, and of a line of a label; share of the width that labels take at most.
WIDTH, LEAST, LINE, LABELS = 5.6, 3.3, 0.16, 0.43
THICK = 0.7


def speedup(summary: pd.DataFrame, title: str, caption: str) -> Picture:
    """The speed-up over base of each row of ``summary``.

    Whiskers reach from the factor of the slowest to that of the fastest repeat.

    Raises:
        ValueError: the rows are of several model sets or data; such rows are never drawn together.
    """
    _refuse_mixture(summary)
    return Picture(title, caption, speedup_data(summary), partial(_draw_speedup, summary))


def breakdown(summary: pd.DataFrame, title: str, caption: str) -> Picture:
    """Where each row's time went, as stacked bars.

    Raises:
        ValueError: the rows are of several model sets or data; such rows are never drawn together.
    """
    _refuse_mixture(summary)
    return Picture(title, caption, breakdown_data(summary), partial(_draw_breakdown, summary))


def speedup_data(summary: pd.DataFrame) -> pd.DataFrame:
    """Columns ``strategy``, ``speedup``, and ``speedup_min`` and ``speedup_max``: the ends of the whiskers."""
    base = summary["speedup"] * summary["wall_s"]
    ends = {"speedup_min": base / summary["wall_max"], "speedup_max": base / summary["wall_min"]}
    return summary[["strategy", "speedup"]].assign(**ends)


def breakdown_data(summary: pd.DataFrame) -> pd.DataFrame:
    """Columns ``strategy``, seconds of each part, and ``wall_s``: the number beside the bar.

    Rows whose parts were not measured are left out.
    """
    summary = summary[summary["inference_s"].notna()].reset_index(drop=True)
    rest = summary[["planning_s", "cache_io_s", "other_s"]].sum(axis=1)
    parts = summary[["strategy", *(f"{part}_s" for part in PAPER_PARTS)]]
    return parts.assign(everything_else_s=rest, wall_s=summary["wall_s"])


def _draw_speedup(summary: pd.DataFrame, title: str, caption: str) -> Figure:
    data = speedup_data(summary)
    figure, axes = _rows(list(data["strategy"]), title, caption)
    values, low, high = (data[column].to_numpy(float) for column in ("speedup", "speedup_min", "speedup_max"))
    known = ~np.isnan(values)
    places = np.arange(len(data))
    axes.barh(places[known], values[known], THICK, color=[style.colour(n) for n in data["strategy"][known]])
    spread = known & (summary["repeats"] > 1).to_numpy()
    # A median of two equal repeats may be a hair outside of them.
    ends = np.maximum(0, np.stack([values - low, high - values])[:, spread])
    axes.errorbar(
        values[spread], places[spread], xerr=ends, fmt="none", ecolor="black", elinewidth=0.9, capsize=2.5
    )
    axes.axvline(1, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    if known.any():
        texts = [factor_text(value) if there else "n/a" for value, there in zip(values, known, strict=True)]
        texts = [text + MARK * disturbed for text, disturbed in zip(texts, summary["disturbed"], strict=True)]
        _print_beside(axes, np.where(known, high, 0), texts)
    else:
        text = "no run of base to compare with"
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", bbox=style.BEHIND)
    axes.set_xlim(0, max(1.0, np.max(high[known], initial=0)) * _beyond(figure))
    axes.set_xlabel("speed-up over base (×)")
    return figure


def _draw_breakdown(summary: pd.DataFrame, title: str, caption: str) -> Figure:
    data = breakdown_data(summary)
    figure, axes = _rows(list(data["strategy"]), title, caption)
    reached = np.zeros(len(data))
    drawn = []
    for part, colour in style.PARTS.items():
        seconds = data[f"{part.replace(' ', '_')}_s"].to_numpy(float)
        look: Any = {"label": part, "color": colour, "edgecolor": "white", "linewidth": 0.5}
        drawn.append(axes.barh(range(len(data)), seconds, THICK, reached, **look))
        reached += seconds
    marks = [MARK * disturbed for disturbed in summary.loc[summary["inference_s"].notna(), "disturbed"]]
    texts = [seconds_text(wall) + mark for wall, mark in zip(data["wall_s"], marks, strict=True)]
    _print_beside(axes, reached, texts)
    axes.set_xlim(0, float(reached.max()) * _beyond(figure) or 1)
    axes.set_xlabel("time (s)")
    layout.legend(figure, drawn)
    return figure


def _rows(names: Sequence[str], title: str, caption: str) -> tuple[Figure, Axes]:
    """A figure with a row for each of ``names``, the first on top; it grows with their labels."""
    now = style.now()
    _, width = now.fit(1, WIDTH, LEAST)
    labels = [textwrap.fill(label, now.letters(LABELS * width)) for label in short(names)]
    row = now.tall * max(0.28, LINE * max(label.count("\n") + 1 for label in labels) + 0.05)
    figure, (axes,) = layout.panels(1, 1, (width, 0.7 + row * len(labels)), title, caption)
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.grid(axis="x", **style.GRID)
    return figure, axes


def _print_beside(axes: Axes, ends: np.ndarray, texts: Sequence[str]) -> None:
    for place, (end, text) in enumerate(zip(ends, texts, strict=True)):
        look: Any = {"textcoords": "offset points", "va": "center", "bbox": style.BEHIND}
        axes.annotate(text, (end, place), (4, 0), fontsize=style.now().small, **look)


def _beyond(figure: Figure) -> float:
    """How far an axis goes on behind the longest bar, for its number."""
    return 1 + 0.63 / figure.get_figwidth()


def _refuse_mixture(summary: pd.DataFrame) -> None:
    if summary["workload"].nunique() > 1:
        raise ValueError("summary: rows of several model sets or data are never drawn together; draw each alone")
