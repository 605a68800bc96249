"""The figure of :mod:`experiments.benchmarks.internet_scale`."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.axes import Axes

from alsatian.files import write_bytes
from analysis import style

if TYPE_CHECKING:
    from experiments.benchmarks.internet_scale import Found

LOOKS = {
    "all data, nothing shared": (style.GREY, "o"),
    "halving, nothing shared": (style.ORANGE, "s"),
    "all data, shared": (style.SKY, "D"),
    "halving, shared": (style.GREEN, "^"),
}
DASHES = ("-", "--")
HOUR, TERABYTE = 3600, 1e12
CAPTION = (
    "Claim to look for: halving with sharing stays an order of magnitude below searching all models over all data "
    "at every size, and keeps that lead on many workers. Left: one worker. Middle: bytes of the models' parameters "
    "as files and as distinct blocks, and what halving with sharing reads. Right: the largest set, over the number "
    "of workers; the thin line is perfect scaling."
)


def draw(found: "Sequence[Found]", workers: Sequence[int], path: Path) -> None:
    """Write the figure of ``found`` as PNG to ``path``."""
    shares = list(dict.fromkeys(f.shared for f in found))
    names = [f"{name}, {share} share" for name in LOOKS for share in shares]
    with style.drawing():
        title = "Searching whole hubs: predicted time, bytes and workers"
        figure, (time, size, scale), above, columns = style.row(3, names, title, CAPTION)
        for share, dash in zip(shares, DASHES, strict=False):
            rows = [f for f in found if f.shared == share]
            counts = [f.models for f in rows]
            for name, (colour, marker) in LOOKS.items():
                label, line = f"{name}, {share} share", {"color": colour, "marker": marker, "linestyle": dash}
                time.plot(counts, [f.seconds[name] / HOUR for f in rows], label=label, **line)
                hours = [seconds / HOUR for seconds in rows[-1].workers_s[name]]
                scale.plot(workers, hours, **line)
                if name == "halving, shared":
                    scale.plot(workers, [hours[0] / n for n in workers], color="black", linewidth=0.6, zorder=1)
            _bytes(size, rows, share, dash)
        above.legend(
            *time.get_legend_handles_labels(), loc="center", ncols=columns, fontsize=style.SMALL, frameon=False
        )
        _label(time, "models", "time on one worker (h)")
        _label(size, "models", "parameters (TB)")
        _label(scale, "workers", f"time for {max(f.models for f in found):,} models (h)")
        size.legend(fontsize=style.SMALL - 1.5, frameon=False)
        out = io.BytesIO()
        figure.savefig(out, format="png", dpi=style.DPI, metadata={"Software": None})
    write_bytes(path, out.getvalue())


def _bytes(axes: Axes, rows: "Sequence[Found]", share: str, dash: str) -> None:
    counts = [f.models for f in rows]
    if dash == DASHES[0]:
        files = [f.whole_bytes / TERABYTE for f in rows]
        axes.plot(counts, files, color=style.GREY, marker="o", label="as files")
    blocks = [f.distinct_bytes / TERABYTE for f in rows]
    read = [f.read_bytes["halving, shared"] / TERABYTE for f in rows]
    axes.plot(counts, blocks, color=style.BLUE, marker="v", linestyle=dash, label=f"as blocks, {share} share")
    axes.plot(counts, read, color=style.GREEN, marker="^", linestyle=dash, label=f"read, {share} share")


def _label(axes: Axes, across: str, up: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=across, ylabel=up)
    axes.grid(color="#DDDDDD", linewidth=0.6)
