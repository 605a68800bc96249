"""Figures: each is a PNG, a PDF and a CSV with exactly the numbers that it shows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from alsatian.units import factor_text, seconds_text
from analysis.figures import style

WIDTH = 0.7
# Behind texts, so that grid lines do not cross them.
PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
MEASURED_PARTS = ("prepare model", "prepare data", "inference", "proxy scoring")


def speedup(summary: pd.DataFrame, path_stem: Path, title: str, caption: str) -> list[Path]:
    """Write the speed-up over base of each row of ``summary`` as a bar to ``path_stem`` + .png/.pdf/.csv.

    Whiskers reach from the factor of the slowest to that of the fastest repeat.

    Raises:
        ValueError: the rows are of several model sets or data; such rows are never drawn together.
    """
    with style.drawing():
        return style.save(draw_speedup(summary, title, caption), speedup_data(summary), path_stem)


def breakdown(summary: pd.DataFrame, path_stem: Path, title: str, caption: str) -> list[Path]:
    """Write where each row's time went as stacked bars to ``path_stem`` + .png/.pdf/.csv.

    Raises:
        ValueError: the rows are of several model sets or data; such rows are never drawn together.
    """
    with style.drawing():
        return style.save(draw_breakdown(summary, title, caption), breakdown_data(summary), path_stem)


def page_image(draw: Callable[[pd.DataFrame, str, str], Figure], summary: pd.DataFrame) -> tuple[bytes, float]:
    """What ``draw`` (one of the ``draw_`` functions) makes of ``summary``, for a page that has its own texts.

    Returns the figure without title and caption as SVG, and its width in inches.
    """
    with style.drawing():
        figure = draw(summary, "", "")
        return style.svg(figure), figure.get_figwidth()


def speedup_data(summary: pd.DataFrame) -> pd.DataFrame:
    """Columns ``strategy``, ``speedup``, and ``speedup_min`` and ``speedup_max``: the ends of the whiskers."""
    base = summary["speedup"] * summary["wall_s"]
    return pd.DataFrame(
        {
            "strategy": summary["strategy"],
            "speedup": summary["speedup"],
            "speedup_min": base / summary["wall_max"],
            "speedup_max": base / summary["wall_min"],
        }
    )


def breakdown_data(summary: pd.DataFrame) -> pd.DataFrame:
    """Columns ``strategy``, seconds of each part, and ``wall_s``: the number above the bar.

    Rows whose parts were not measured are left out.
    """
    summary = summary[summary["inference_s"].notna()].reset_index(drop=True)
    parts = {f"{name.replace(' ', '_')}_s": summary[f"{name.replace(' ', '_')}_s"] for name in MEASURED_PARTS}
    rest = summary[["planning_s", "cache_io_s", "other_s"]].sum(axis=1)
    return pd.DataFrame(
        {"strategy": summary["strategy"], **parts, "everything_else_s": rest, "wall_s": summary["wall_s"]}
    )


def draw_speedup(summary: pd.DataFrame, title: str, caption: str) -> Figure:
    """The figure of :func:`speedup`. Call inside ``style.drawing()``."""
    _refuse_mixture(summary)
    data = speedup_data(summary)
    names = list(data["strategy"])
    values, low, high = (data[column].to_numpy(float) for column in ("speedup", "speedup_min", "speedup_max"))
    known = ~np.isnan(values)
    printed = [factor_text(value) if there else "n/a" for value, there in zip(values, known, strict=True)]
    figure, axes = style.bars(style.short(names), printed, title, caption)
    places = np.arange(len(names))
    axes.bar(places[known], values[known], WIDTH, color=[style.colour(n) for n in data["strategy"][known]])
    spread = known & (summary["repeats"] > 1).to_numpy()
    # A median of two equal repeats may be a hair outside of them.
    ends = np.maximum(0, np.stack([values - low, high - values])[:, spread])
    axes.errorbar(places[spread], values[spread], ends, fmt="none", ecolor="black", elinewidth=0.9, capsize=2.5)
    axes.axhline(1, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    if known.any():
        _print_above(axes, np.where(known, high, 0), printed)
    else:
        axes.text(0.5, 0.5, "no run of base to compare with", transform=axes.transAxes, ha="center", bbox=PAPER)
    axes.set_ylim(0, 1.12 * max(1.0, np.max(high[known], initial=0)))
    axes.set_ylabel("speed-up over base (×)")
    return figure


def draw_breakdown(summary: pd.DataFrame, title: str, caption: str) -> Figure:
    """The figure of :func:`breakdown`. Call inside ``style.drawing()``."""
    _refuse_mixture(summary)
    data = breakdown_data(summary)
    printed = [seconds_text(wall) for wall in data["wall_s"]]
    figure, axes = style.bars(style.short(list(data["strategy"])), printed, title, caption)
    top = np.zeros(len(data))
    for part, colour in style.PARTS.items():
        seconds = data[f"{part.replace(' ', '_')}_s"].to_numpy(float)
        axes.bar(range(len(data)), seconds, WIDTH, top, label=part, color=colour, edgecolor="white", linewidth=0.5)
        top += seconds
    _print_above(axes, top, printed)
    axes.set_ylim(0, 1.12 * float(top.max()) or 1)
    axes.set_ylabel("time (s)")
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=3, frameon=False, fontsize=style.SMALL)
    return figure


def _print_above(axes: Axes, heights: np.ndarray, texts: Sequence[str]) -> None:
    for place, (height, text) in enumerate(zip(heights, texts, strict=True)):
        axes.annotate(text, (place, height), (0, 3), textcoords="offset points", ha="center", bbox=PAPER)


def _refuse_mixture(summary: pd.DataFrame) -> None:
    if summary["workload"].nunique() > 1:
        raise ValueError("summary: rows of several model sets or data are never drawn together; draw each alone")
