"""The figure of :mod:`experiments.studies.internet_scale`."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from alsatian.files import write_bytes
from analysis.figures import style

if TYPE_CHECKING:
    from experiments.studies.internet_scale import Found

LOOKS = {
    "all data, nothing shared": (style.GREY, "o"),
    "halving, nothing shared": (style.ORANGE, "s"),
    "all data, shared": (style.SKY, "D"),
    "halving, shared": (style.GREEN, "^"),
}
DASHES = ("-", "--")
HOUR, MEGABYTE = 3600, 1e6


def draw(found: "Sequence[Found]", workers: Sequence[int], path: Path) -> None:
    """Write the figure of ``found`` as PNG to ``path``."""
    shares = list(dict.fromkeys(f.shared for f in found))
    names = [name if "nothing" in name else f"{name}, {s} share" for name in LOOKS for s in shares]
    names = list(dict.fromkeys(names))
    with style.drawing():
        title = "Searching whole hubs: predicted time, bytes and workers"
        figure, (time, size, scale), above, columns = style.row(3, names, title, _caption(found))
        for share, dash in zip(shares, DASHES, strict=False):
            rows = [f for f in found if f.shared == share]
            counts = [f.models for f in rows]
            for name, (colour, marker) in LOOKS.items():
                if "nothing" in name and dash != DASHES[0]:
                    continue  # what models share makes no difference
                label = name if "nothing" in name else f"{name}, {share} share"
                hours = [seconds / HOUR for seconds in rows[-1].workers_s[name]]
                for axes, x, y in (
                    (time, counts, [f.seconds[name] / HOUR for f in rows]),
                    (scale, list(workers), hours),
                ):
                    axes.plot(x, y, color=colour, marker=marker, linestyle=dash, markersize=5, label=label)
                if name == "halving, shared":
                    scale.plot(workers, [hours[0] / n for n in workers], color="black", linewidth=0.6, zorder=1)
            _bytes(size, rows, share, dash)
        handles = time.get_legend_handles_labels()
        above.legend(*handles, loc="center", ncols=columns, handlelength=4, fontsize=style.SMALL, frameon=False)
        _label(time, "models", "time on one worker (h)")
        _label(size, "models", "parameters for each model (MB)")
        size.set_yscale("linear")
        size.set_ylim(bottom=0)
        _label(scale, "workers", f"time for {max(f.models for f in found):,} models (h)")
        size.legend(fontsize=style.SMALL - 1.5, handlelength=4, frameon=False, loc="lower right")
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=style.DPI, metadata={"Software": None})
    write_bytes(path, out.getvalue())


def _caption(found: "Sequence[Found]") -> str:
    gains = [f.seconds["all data, nothing shared"] / f.seconds["halving, shared"] for f in found]
    return (
        f"Claim to look for: halving with sharing is {min(gains):.1f} to {max(gains):.1f} times faster than all "
        "data with nothing shared, at every size, and more so the more models share blocks. Left: one worker. "
        "Middle: bytes of the models' parameters, as files and as distinct blocks, and what halving with sharing "
        "reads, all over the number of models. Right: the largest sets over the number of workers; the thin lines "
        "are perfect scaling."
    )


def _bytes(axes: Axes, rows: "Sequence[Found]", share: str, dash: str) -> None:
    """Megabytes a model: totals would all lie on one line."""
    counts = [f.models for f in rows]
    lines = [
        (f"as blocks, {share} share", style.BLUE, "v", 3.5, [f.distinct_bytes for f in rows]),
        (f"read, {share} share", style.GREEN, "^", 1.2, [f.read_bytes["halving, shared"] for f in rows]),
    ]
    if dash == DASHES[0]:
        lines.insert(0, ("as files", style.GREY, "o", 1.5, [f.whole_bytes for f in rows]))
    for label, colour, marker, wide, values in lines:  # what is nearly the same is thinner than what is below it
        each = [value / count / MEGABYTE for value, count in zip(values, counts, strict=True)]
        axes.plot(
            counts, each, label=label, color=colour, marker=marker, linestyle=dash, linewidth=wide,
            markersize=3.5 + wide,
        )  # fmt: skip


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(10, numticks=12))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(_number))
    axes.grid(color="#DDDDDD", linewidth=0.6)


def _number(value: float, position: object = None) -> str:
    """Short, without an exponent."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
