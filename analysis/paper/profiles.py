"""Parameters and inference time over the depth of a model (Fig 12): ours filled, the published outlined.

Models are cut into different numbers of blocks here and in the paper, so both are drawn over the depth (0 to 100%
of the blocks) and relative to an even spread: 1 is what a block would have if all had the same. Finer blocks are
joined to as many stretches of equal depth as the paper has blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.paper import groups, published
from analysis.paper.arrangement import Figure
from analysis.paper.block_files import Blocks

PANEL = (3.9, 2.2)
KINDS = {"params": "parameters", "inference": "inference time"}
COLOURS = {"params": style.BLUE, "inference": style.VERMILLION}
OURS, PUBLISHED = "ours", "published"


@dataclass(frozen=True)
class Profile:
    """How one quantity is spread over a model's depth.

    Attributes:
        panel: letter.
        workload: the model.
        kind: ``"params"`` or ``"inference"``.
        ours: relative to an even spread, (stretches,); None if it was not measured.
        paper: the same as published; None for a model that the paper has not.
        blocks: number of blocks that ours were measured in.
    """

    panel: str
    workload: str
    kind: str
    ours: np.ndarray | None
    paper: np.ndarray | None
    blocks: int


def profiles(figure: Figure, blocks: Mapping[str, Blocks]) -> list[Profile]:
    """Both quantities of every model, those of the paper first."""
    rows = published.values(figure.number)
    rows = rows.assign(model=rows["workload"].str.partition("/")[0])
    panels = dict(zip(rows["model"], rows["panel"], strict=True))
    letters = iter("cdefghijklmnopqrstuvwxyz")
    found = []
    for model in [*panels, *(name for name in blocks if name not in panels)]:
        letter = panels.get(model) or next(letters, "")
        for kind in KINDS:
            heights = rows.loc[(rows["model"] == model) & (rows["component"] == kind), "value"].to_numpy(float)
            paper = heights / heights.mean() if heights.size else None
            own = blocks.get(model)
            ours = None
            if own is not None:
                values = own.parameters if kind == "params" else own.inference_s
                ours = spread(values, min(len(heights), len(values)) or len(values))
            found.append(Profile(letter, model, kind, ours, paper, len(own.names) if own else 0))
    return found


def spread(values: Sequence[float] | np.ndarray, stretches: int) -> np.ndarray:
    """``values`` of blocks in execution order as ``stretches`` of equal depth, relative to an even spread.

    A block that reaches over a border counts for both sides by depth. The mean of the result is 1.
    """
    reached = np.concatenate([[0.0], np.cumsum(values)])
    edges = np.linspace(0, len(values), stretches + 1)
    sums = np.diff(np.interp(edges, np.arange(len(values) + 1), reached))
    total = sums.sum()
    return sums / total * stretches if total > 0 else np.ones(stretches)


def half(profile: np.ndarray, last: bool) -> float:
    """Share, 0 to 1, of the first or the last half of the depth."""
    return float(spread(profile, 2)[int(last)] / 2)


def quarters(profile: np.ndarray) -> np.ndarray:
    """Shares, 0 to 1, of four equal stretches of the depth without its first and last tenth, (4,).

    At its ends a model prepares its input and its features; the paper's blocks are those between.
    """
    reached = np.concatenate([[0.0], np.cumsum(profile)])
    depth = np.linspace(0, 1, len(reached))
    sums = np.diff(np.interp(np.linspace(0.1, 0.9, 5), depth, reached))
    total = float(sums.sum())
    return sums / total if total > 0 else np.full(4, 0.25)


def table(found: Sequence[Profile]) -> pd.DataFrame:
    """A row for each stretch: how deep its middle lies, and its value relative to an even spread."""
    rows = [
        {
            "panel": profile.panel,
            "workload": profile.workload,
            "component": profile.kind,
            "source": source,
            "depth_percent": 100 * (i + 0.5) / len(values),
            "relative": value,
        }
        for profile in found
        for source, values in ((OURS, profile.ours), (PUBLISHED, profile.paper))
        if values is not None
        for i, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["panel", "workload", "component", "source", "depth_percent", "relative"])


def draw(figure: Figure, found: Sequence[Profile], title: str, caption: str) -> Drawing:
    """The figure of ``found``: a column for each model. Call inside ``style.drawing()``."""
    models = list(dict.fromkeys(profile.workload for profile in found))
    in_rows = [profile for kind in KINDS for profile in found if profile.kind == kind]
    drawing, axes, above, columns = style.lattice(
        len(in_rows), len(models), PANEL, [*KINDS.values(), OURS, PUBLISHED], title, caption
    )
    for i, (one, profile) in enumerate(zip(axes, in_rows, strict=True)):
        _panel(one, profile)
        if i % len(models) == 0:
            one.set_ylabel(f"{KINDS[profile.kind]}\n(mean block = 1)", fontsize=style.SMALL)
        if i < len(models):
            one.set_title(f"({profile.panel}) {profile.workload}", fontsize=style.FONT, loc="left")
        if i >= len(in_rows) - len(models):
            one.set_xlabel("depth (% of the blocks)", fontsize=style.SMALL)
    handles: list[Patch | Line2D] = [Patch(facecolor=COLOURS[kind], label=name) for kind, name in KINDS.items()]
    handles.append(Patch(facecolor=groups.QUIET, label=OURS))
    handles.append(Line2D([], [], linestyle="none", label=PUBLISHED, **groups.MARK))
    above.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0, 0.5), borderaxespad=0, ncols=columns, frameon=False,
        fontsize=style.SMALL,
    )  # fmt: skip
    return drawing


def _panel(axes: Axes, profile: Profile) -> None:
    tops = [1.0]
    if profile.ours is not None:
        width = 100 / len(profile.ours)
        places = (np.arange(len(profile.ours)) + 0.5) * width
        axes.bar(places, profile.ours, width * 0.9, color=COLOURS[profile.kind], alpha=0.85)
        tops.append(float(profile.ours.max()))
    else:
        axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", color=groups.QUIET, bbox=groups.PAPER)
    if profile.paper is not None:
        places = (np.arange(len(profile.paper)) + 0.5) * 100 / len(profile.paper)
        axes.plot(places, profile.paper, linestyle="none", **(groups.MARK | {"markersize": 2.8}))
        tops.append(float(profile.paper.max()))
    axes.axhline(1, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.08 * max(tops))
    axes.tick_params(labelsize=style.SMALL)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6)
