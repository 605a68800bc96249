"""The picture of a model set's overlap, from the file that ``alsatian overlap`` writes."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from alsatian.records import FieldError, Overlap, ResultsError, document
from alsatian.units import count_text, format_bytes
from analysis.figures import layout, style
from analysis.figures.picture import Picture

BINS = 10
# Inches of a panel, which are two together, and of a bin with its label.
WIDTH, HEIGHT, LEAST, BIN = 3.6, 2.7, 1.6, 0.3
# Of the histogram, as parts of the panel beside it.
WIDER = 2.1
# Kinds of models in the histogram, bottom first: whether something small keeps them from sharing more.
PLAIN, NEAR = "no near miss", "near miss"
# What of a near miss is in the data, by the name of its column there.
MISS = {
    "near": "near_miss",
    "partner": "most_similar",
    "reason": "reason",
    "rank": "rank",
    "lost_blocks": "lost_blocks",
    "lost_bytes": "lost_bytes",
    "detail": "detail",
}


def draw(path: Path, look: style.Style = style.PAGE) -> list[Path]:
    """Write the picture of ``path`` (``overlap.json``) and its data beside it; see ``Picture.save``.

    Raises:
        ResultsError: the file cannot be read or is not of this form.
    """
    return overlap(load(path)).save(path.with_suffix(""), look=look)


def overlap(found: Overlap) -> Picture:
    """Left, how long shared prefixes are; right, distinct and total bytes."""
    data = table(found)
    near = int(data["near_miss"].sum())
    caption = (
        f"{found.share_with_prefix:.0%} of the models share their first block with another one and "
        f"{found.share_with_common_blocks:.0%} some block, wherever it stands. "
        f"{count_text(near, 'model')} would share more but for a small difference (near miss)."
    )
    return Picture(f"Overlap of {count_text(len(data), 'model')}", caption, data, partial(_draw, found, data))


def load(path: Path) -> Overlap:
    """The content of ``overlap.json``.

    Raises:
        ResultsError: the file cannot be read or is not of this form.
    """
    try:
        return Overlap.of(document(path))
    except FieldError as error:
        raise ResultsError(f"{path}: is no result of alsatian overlap: {error}") from None


def table(found: Overlap) -> pd.DataFrame:
    """One row for each model: what it shares, and what keeps it from sharing more."""
    rows = []
    for model in found.models:
        miss = (
            model.near_miss.model_dump() if model.near_miss else {"near": False, "lost_blocks": 0, "lost_bytes": 0}
        )
        own = {"model": model.id, **model.model_dump(exclude={"id", "near_miss"})}
        rows.append({**own, **{column: miss.get(name) for name, column in MISS.items()}})
    return pd.DataFrame(rows).astype({"rank": "Int64"})


def bins(fractions: pd.Series) -> np.ndarray:
    """For each of ``fractions``, its bin: 0 for none, ``BINS + 1`` for all, tenths in between."""
    values = fractions.to_numpy(float)
    # A hair over a bound is a rounding error, not another bin.
    inner = np.clip(np.ceil(values * BINS - 1e-9), 1, BINS)
    return np.where(values <= 0, 0, np.where(values >= 1, BINS + 1, inner)).astype(int)


def _draw(found: Overlap, data: pd.DataFrame, title: str, caption: str) -> Figure:
    least = max(LEAST, (0.6 + BIN * len(_held(data))) * (1 + 1 / WIDER) / 2)
    across, inches = style.now().fit(2, WIDTH, least)
    size = (inches, style.now().tall * HEIGHT)
    ratios = {"width_ratios": (WIDER, 1)} if across == 2 else {}
    figure, (left, right) = layout.panels(2, across, size, title, caption, **ratios)
    _prefixes(left, data, inches * (2 * WIDER / (1 + WIDER) if across == 2 else 1))
    _sizes(right, found)
    if data["near_miss"].any():
        layout.legend(figure, left.containers)
    return figure


def _held(data: pd.DataFrame) -> range:
    """From the first to the last bin that holds a model."""
    held = bins(data["shared_fraction"])
    return range(held.min(), held.max() + 1)


def _prefixes(axes: Axes, data: pd.DataFrame, inches: float) -> None:
    """The histogram; bins have labels as far as so many ``inches`` have room for them."""
    counts = {near: np.bincount(bins(rows["shared_fraction"]), minlength=BINS + 2) for near, rows in _kinds(data)}
    shown = _held(data)
    bottom = np.zeros(len(shown))
    for near, heights in counts.items():
        if heights.any():
            name, colour = (NEAR, style.ORANGE) if near else (PLAIN, style.GREEN)
            axes.bar(shown, heights[shown], 0.8, bottom, color=colour, label=name)
        bottom += heights[shown]
    labels = ["none", *(f"≤{100 * i // BINS}" for i in range(1, BINS)), "<100", "all"]
    each = 1 if len(shown) * BIN * style.now().small / style.PAGE.small < inches else 2
    labelled = sorted(shown[::-1][::each])
    axes.set_xticks(labelled, [labels[i] for i in labelled])
    axes.set_xlim(shown[0] - max(0.5, 2 - len(shown) / 2), shown[-1] + max(0.5, 2 - len(shown) / 2))
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", **style.GRID)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, max(1.0, 1.08 * float(bottom.max())))
    axes.set_xlabel("longest shared prefix (% of a model's blocks)")
    axes.set_ylabel("models")


def _kinds(data: pd.DataFrame) -> Iterator[tuple[bool, pd.DataFrame]]:
    """Models without and with a near miss."""
    yield False, data[~data["near_miss"]]
    yield True, data[data["near_miss"]]


def _sizes(axes: Axes, found: Overlap) -> None:
    total, distinct = found.total_bytes, found.distinct_bytes
    axes.bar([0, 1], [total, distinct], 0.7, color=[style.GREY, style.GREEN])
    for place, size in enumerate((total, distinct)):
        above: Any = {"textcoords": "offset points", "ha": "center", "fontsize": style.now().small}
        axes.annotate(format_bytes(size), (place, size), (0, 3), **above)
    axes.set_xticks([0, 1], ["all models", "distinct\nblocks"])
    axes.tick_params(axis="x", length=0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlim(-0.6, 1.6)
    axes.set_ylim(0, 1.12 * total or 1)
    axes.set_title("parameters")
