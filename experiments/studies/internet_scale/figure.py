"""What searching a set takes, and the figure of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from analysis.figures import layout, style

ALL, HALVED = "all data, nothing shared", "halving, shared"
"""The two approaches that are compared."""
LOOKS = {
    ALL: (style.GREY, "o"),
    "halving, nothing shared": (style.ORANGE, "s"),
    "all data, shared": (style.SKY, "D"),
    HALVED: (style.GREEN, "^"),
}
DASHES = ("-", "--")
DAY, MEGABYTE = 86_400, 1e6


@dataclass(frozen=True)
class Forecast:
    """What one set takes, by approach.

    Attributes:
        models: in the set.
        shared: which share of them shares blocks, in words.
        workers_s: seconds by the number of workers.
        seconds, read_bytes: on one worker.
        whole_bytes, distinct_bytes: of all models' parameters, as files and as blocks.
        cache_bytes, chunks: of the first round of halving with sharing.
        simulator: time of the closed form over the simulator's; empty if it was not run.
    """

    models: int
    shared: str
    workers_s: dict[str, dict[int, float]]
    seconds: dict[str, float]
    read_bytes: dict[str, float]
    whole_bytes: float
    distinct_bytes: float
    cache_bytes: int
    chunks: int
    simulator: dict[str, float]


def draw(found: Sequence[Forecast]) -> Figure:
    """Time over models, bytes over models, and time of the largest sets over workers."""
    shares = list(dict.fromkeys(f.shared for f in found))
    lines = [
        (name, share, dash, name if "nothing" in name else f"{name}, {share} share")
        for share, dash in zip(shares, DASHES, strict=False)
        for name in LOOKS
        if dash == DASHES[0] or "nothing" not in name  # what models share makes no difference
    ]
    with style.drawing():
        title = "Searching whole hubs: predicted time, bytes and workers"
        figure, (time, size, scale) = layout.panels(3, 3, (3.3, 2.9), title, _caption(found))
        for name, share, dash, label in lines:
            rows = [f for f in found if f.shared == share]
            workers = rows[-1].workers_s[name]
            colour, marker = LOOKS[name]
            for axes, values in (
                (time, {f.models: f.seconds[name] for f in rows}),
                (scale, workers),
            ):
                days = [seconds / DAY for seconds in values.values()]
                axes.plot(list(values), days, color=colour, marker=marker, ls=dash, markersize=5, label=label)
            if name == HALVED:
                perfect = [workers[1] / DAY / n for n in workers]
                scale.plot(list(workers), perfect, color="black", linewidth=0.6, zorder=1)
                _bytes(size, rows, share, dash)
        layout.legend(figure, time.get_lines())
        _label(time, "models", "time on one worker (days)")
        _label(size, "models", "parameters for each model (MB)")
        size.set_yscale("linear")
        size.set_ylim(bottom=0)
        _label(scale, "workers", f"time for {max(f.models for f in found):,} models (days)")
        size.legend(fontsize=style.now().tiny, handlelength=4, frameon=False, loc="lower right")
    return figure


def _caption(found: Sequence[Forecast]) -> str:
    gains = [f.seconds[ALL] / f.seconds[HALVED] for f in found]
    return (
        f"Claim to look for: halving with sharing is {min(gains):.1f} to {max(gains):.1f} times faster than all "
        "data with nothing shared, at every size, and more so the more models share blocks. Left: one worker. "
        "Middle: bytes of the models' parameters, as files and as distinct blocks, and what halving with sharing "
        "reads, all over the number of models. Right: the largest sets over the number of workers; the thin lines "
        "are perfect scaling."
    )


def _bytes(axes: Axes, rows: Sequence[Forecast], share: str, dash: str) -> None:
    """Megabytes a model: totals would all lie on one line."""
    lines = [
        (f"as blocks, {share} share", style.BLUE, "v", 3.5, [f.distinct_bytes for f in rows]),
        (f"read, {share} share", style.GREEN, "^", 1.2, [f.read_bytes[HALVED] for f in rows]),
    ]
    if dash == DASHES[0]:
        lines.insert(0, ("as files", style.GREY, "o", 1.5, [f.whole_bytes for f in rows]))
    counts = [f.models for f in rows]
    for label, colour, marker, wide, values in lines:  # what is nearly the same is thinner than what is below it
        each = [value / count / MEGABYTE for value, count in zip(values, counts, strict=True)]
        look: dict[str, Any] = {
            "color": colour,
            "marker": marker,
            "linestyle": dash,
            "linewidth": wide,
            "markersize": 3.5 + wide,
        }
        axes.plot(counts, each, label=label, **look)


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, numticks=12))
        axis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(color="#DDDDDD", linewidth=0.6)
