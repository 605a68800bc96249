"""The picture of a model set's overlap, from the file that ``alsatian overlap`` writes."""

import json
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alsatian.records.reading import ResultsError
from alsatian.units import format_bytes
from analysis.figures import style

BINS = 10
WIDTH_INCHES = 7.2
HEIGHT_INCHES = 3.5
# Kinds of models in the histogram, bottom first: whether something small keeps them from sharing more.
PLAIN, NEAR = "no near miss", "near miss"


def draw(path: Path) -> list[Path]:
    """Write the picture of ``path`` (``overlap.json``) and its data beside it as .png, .pdf and .csv.

    Raises:
        ResultsError: the file cannot be read or is not of this form.
    """
    found = load(path)
    with style.drawing():
        return style.save(figure(found), table(found), path.with_suffix(""))


def load(path: Path) -> dict[str, Any]:
    """The content of ``overlap.json``.

    Raises:
        ResultsError: the file cannot be read or is not of this form.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
        table(found)
        format_bytes(found["total_bytes"] + found["distinct_bytes"])
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ResultsError(f"{path}: is no result of alsatian overlap ({reason})") from None
    if not found["models"]:
        raise ResultsError(f"{path}: holds no models")
    return found


def table(found: dict[str, Any]) -> pd.DataFrame:
    """One row for each model: what it shares, and what keeps it from sharing more."""
    rows = []
    for model in found["models"]:
        miss = model["near_miss"] or {}
        rows.append(
            {
                "model": model["id"],
                "family": model["family"],
                "blocks": model["blocks"],
                "shared_blocks": model["shared_blocks"],
                "shared_fraction": model["shared_fraction"],
                "shared_bytes_fraction": model["shared_bytes_fraction"],
                "common_blocks": model["common_blocks"],
                "partner": model["partner"],
                "parameter_bytes": model["parameter_bytes"],
                "near_miss": bool(miss.get("near", False)),
                "most_similar": miss.get("partner"),
                "reason": miss.get("reason"),
                "rank": miss.get("rank"),
                "lost_blocks": miss.get("lost_blocks", 0),
                "lost_bytes": miss.get("lost_bytes", 0),
                "detail": miss.get("detail"),
            }
        )
    return pd.DataFrame(rows).astype({"rank": "Int64"}) if rows else pd.DataFrame(rows)


def figure(found: dict[str, Any]) -> Figure:
    """Left, how long shared prefixes are; right, distinct and total bytes. Call inside ``style.drawing()``."""
    drawn = Figure(figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=style.DPI, layout="constrained")
    FigureCanvasAgg(drawn)
    left, right = drawn.subplots(1, 2, width_ratios=(2.1, 1))
    data = table(found)
    _prefixes(left, data)
    _sizes(right, found)
    near = int(data["near_miss"].sum())
    drawn.suptitle(f"Overlap of {_counted(len(data), 'model')}", x=0.01, ha="left", fontweight="bold")
    caption = (
        f"{found['share_with_prefix']:.0%} of the models share their first block with another one and "
        f"{found['share_with_common_blocks']:.0%} some block, wherever it stands. "
        f"{_counted(near, 'model')} would share more but for a small difference (near miss)."
    )
    lines = textwrap.fill(caption, int(WIDTH_INCHES * style.INCH / (style.SMALL * 0.54)))
    drawn.supxlabel(lines, x=0.01, ha="left", fontsize=style.SMALL, color="#444444")
    return drawn


def bins(fractions: pd.Series) -> np.ndarray:
    """For each of ``fractions``, its bin: 0 for none, ``BINS + 1`` for all, tenths in between."""
    values = fractions.to_numpy(float)
    # A hair over a bound is a rounding error, not another bin.
    inner = np.clip(np.ceil(values * BINS - 1e-9), 1, BINS)
    return np.where(values <= 0, 0, np.where(values >= 1, BINS + 1, inner)).astype(int)


def _prefixes(axes: Axes, data: pd.DataFrame) -> None:
    bottom = np.zeros(BINS + 2)
    for name, colour, rows in (
        (PLAIN, style.GREEN, data[~data["near_miss"]]),
        (NEAR, style.ORANGE, data[data["near_miss"]]),
    ):
        heights = np.bincount(bins(rows["shared_fraction"]), minlength=BINS + 2)
        if heights.any():
            axes.bar(range(BINS + 2), heights, 0.8, bottom, color=colour, label=name)
        bottom += heights
    labels = ["none", *(f"≤{100 * i // BINS}" for i in range(1, BINS)), "<100", "all"]
    axes.set_xticks(range(BINS + 2), labels, fontsize=style.SMALL)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, max(1.0, 1.08 * float(bottom.max())))
    axes.set_xlabel("longest shared prefix (% of a model's blocks)")
    axes.set_ylabel("models")
    if data["near_miss"].any():
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), ncols=2, frameon=False, fontsize=style.SMALL)


def _sizes(axes: Axes, found: dict[str, Any]) -> None:
    total, distinct = found["total_bytes"], found["distinct_bytes"]
    axes.bar([0, 1], [total, distinct], 0.7, color=[style.GREY, style.GREEN])
    for place, size in enumerate((total, distinct)):
        axes.annotate(format_bytes(size), (place, size), (0, 3), textcoords="offset points", ha="center")
    axes.set_xticks([0, 1], ["all models", "distinct\nblocks"])
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylim(0, 1.12 * total or 1)
    axes.set_title("parameters", fontsize=style.FONT)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
