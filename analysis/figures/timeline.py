"""The figure of a timeline: a lane for every thread, in colours of the parts."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from alsatian.records.trace import Trace
from analysis.figures import layout, style
from analysis.figures.picture import Picture

# Inches of the figure, at least in a paper, of a lane, and of a panel beside its lanes.
WIDTH, LEAST, LANE, BESIDE = 8.2, 5.0, 0.42, 0.7
# Of a lane, whose neighbours are 1 apart.
THICK = 0.78
# Into so many steps the whole run is divided.
STEPS = 240
# A slice is long enough to be seen from this share of a panel's width on.
VISIBLE = 1 / 400
# A run up to this long is drawn slice by slice; of a longer one, a stretch is.
SHORT_S = 1.0
_REST = "everything else"


def timeline(trace: Trace, title: str, caption: str) -> Picture:
    """What every thread of ``trace`` did when."""
    return Picture(title, caption, timeline_data(trace), partial(_draw, trace))


def timeline_data(trace: Trace) -> pd.DataFrame:
    """Columns ``panel``, ``lane``, ``part``, ``stalled``, ``start_s``, ``end_s``, ``share``.

    Rows of the panel ``"whole"`` are steps of time, with the share of a step that the lane spent on the part;
    those of ``"detail"`` are single slices.
    """
    start, end = detail(trace)
    parts = [between(trace, start, end).assign(panel="detail", share=1.0)]
    if end - start < trace.end_s:
        whole = shares(trace, _edges(trace))
        parts.insert(0, whole[whole["share"] > 0].assign(panel="whole"))
    data = pd.concat(parts, ignore_index=True)
    return data[["panel", "lane", "part", "stalled", "start_s", "end_s", "share"]]


def detail(trace: Trace) -> tuple[float, float]:
    """From when to when single slices are drawn: all of a short run, or half a second to a second of it."""
    if trace.end_s <= SHORT_S:
        return 0.0, trace.end_s
    length = 0.5 if trace.end_s < 10 else 1.0
    start = _richest(trace, length)
    return start, min(start + length, trace.end_s)


def between(trace: Trace, start: float, end: float) -> pd.DataFrame:
    """The slices from ``start`` to ``end`` seconds, cut off there."""
    inside = trace.slices[(trace.slices["end_s"] > start) & (trace.slices["start_s"] < end)]
    return inside.assign(start_s=inside["start_s"].clip(lower=start), end_s=inside["end_s"].clip(upper=end))


def shares(trace: Trace, edges: np.ndarray) -> pd.DataFrame:
    """How much of the time between each two of ``edges`` (N + 1,) every lane spent on every part.

    Columns ``lane``, ``part``, ``stalled``, ``start_s``, ``end_s`` and ``share`` (0 to 1), N rows for each
    lane, part and kind of work that occurs.
    """
    spent = []
    for key, rows in trace.slices.groupby(["lane", "part", "stalled"], sort=False):
        knots = rows[["start_s", "end_s"]].to_numpy().ravel()
        done = np.repeat(np.concatenate([[0.0], np.cumsum(rows["end_s"] - rows["start_s"])]), 2)[1:-1]
        share = np.diff(np.interp(edges, knots, done)) / np.diff(edges)
        what = dict(zip(("lane", "part", "stalled"), key, strict=True))
        times = {"start_s": edges[:-1], "end_s": edges[1:], "share": np.clip(share, 0, 1)}
        spent.append(pd.DataFrame({**what, **times}))
    return pd.concat(spent, ignore_index=True)


def _richest(trace: Trace, seconds: float) -> float:
    """Start of the stretch of ``seconds`` in which the most slices are long enough to be seen.

    Of equal stretches it is the first.
    """
    starts = np.arange(0, max(trace.end_s - seconds, 0) + 1e-9, seconds / 8)
    long = trace.slices["end_s"] - trace.slices["start_s"] >= seconds * VISIBLE
    middles = np.sort(trace.slices[["start_s", "end_s"]].mean(axis=1)[long])
    count = np.searchsorted(middles, starts + seconds) - np.searchsorted(middles, starts)
    return float(starts[int(np.argmax(count))])


def _draw(trace: Trace, title: str, caption: str) -> Figure:
    start, end = detail(trace)
    panels = 2 if end - start < trace.end_s else 1
    lanes = len(trace.lanes)
    now = style.now()
    _, width = now.fit(1, WIDTH, LEAST)
    size = (width, now.tall * (BESIDE + LANE * lanes))
    figure, axes = layout.panels(panels, 1, size, title, caption)
    if panels == 2:
        _draw_shares(axes[0], trace)
        axes[0].axvspan(start, end, facecolor="none", edgecolor="black", linewidth=0.9, zorder=3)
        axes[0].set_xlabel("time (s), whole run")
    _draw_slices(axes[-1], between(trace, start, end), trace.lanes)
    axes[-1].set_xlim(start, end)
    for one in axes:
        one.set_yticks(range(lanes), [lane if len(lane) <= 16 else f"{lane[:15]}…" for lane in trace.lanes])
        one.set_ylim(lanes - 0.5, -0.5)
        one.tick_params(axis="y", length=0)
        one.spines["left"].set_visible(False)
    axes[-1].set_xlabel("time (s)" + ", what is framed above" * (panels - 1))
    layout.legend(figure, [Patch(facecolor=colour, label=label) for label, colour in _legend(trace)])
    return figure


def _draw_shares(axes: Axes, trace: Trace) -> None:
    """In every step of time, each lane is filled from below with the shares of its parts."""
    edges = _edges(trace)
    spent = shares(trace, edges)
    for place, lane in enumerate(trace.lanes):
        rows = spent[spent["lane"] == lane]
        level = np.full(len(edges) - 1, place + THICK / 2)
        for part, stalled, colour in _kinds():
            own = rows[(_drawn_as(rows["part"]) == part) & (rows["stalled"] == stalled)]
            if own.empty:
                continue
            share = own.groupby("start_s")["share"].sum().to_numpy()
            top = level - share * THICK
            axes.fill_between(edges, [*level, level[-1]], [*top, top[-1]], step="post", color=colour, linewidth=0)
            level = top
    axes.set_xlim(0, trace.end_s)


def _draw_slices(axes: Axes, slices: pd.DataFrame, lanes: tuple[str, ...]) -> None:
    for place, lane in enumerate(lanes):
        for part, stalled, colour in _kinds():
            chosen = (slices["lane"] == lane) & (_drawn_as(slices["part"]) == part) & (slices["stalled"] == stalled)
            own = slices[chosen]
            spans = list(zip(own["start_s"], own["end_s"] - own["start_s"], strict=True))
            # Smoothed edges of thin slices would mix into colours of other parts.
            axes.broken_barh(spans, (place - THICK / 2, THICK), facecolors=colour, linewidth=0, antialiased=False)


def _legend(trace: Trace) -> Iterator[tuple[str, str]]:
    """Label and colour of every kind of work that occurs."""
    there = set(zip(_drawn_as(trace.slices["part"]), trace.slices["stalled"], strict=True))
    for part, stalled, colour in _kinds():
        if (part, stalled) in there:
            yield f"{part}: waiting" if stalled else part, colour


def _kinds() -> Iterator[tuple[str, bool, str]]:
    """Every part with and without waiting, and its colour; waiting is paler."""
    for part, colour in style.PARTS.items():
        yield part, False, colour
        yield part, True, _pale(colour)


def _pale(colour: str) -> str:
    red, green, blue = (0.35 * channel + 0.65 for channel in to_rgb(colour))
    return to_hex((red, green, blue))


def _drawn_as(parts: pd.Series) -> pd.Series:
    """The names under which ``parts`` are drawn."""
    names = parts.str.replace("_", " ")
    return names.where(names.isin(list(style.PARTS)), _REST)


def _edges(trace: Trace) -> np.ndarray:
    return np.linspace(0, trace.end_s, STEPS + 1)
