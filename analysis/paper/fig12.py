"""Figure 12: parameters and inference time over the depth of a model, ours filled, the published as marks.

Records are ``<folder>/<id>/blocks.json``, one file a model::

    {"schema": 1, "config": {…, "paper": {"workload": "ViT-L-32"}}, "environment": {…}, "blocks": [
        {"name": "encoder_layer_0", "parameters": 12596224, "inference_s": [0.0031, …]}, …]}

Blocks stand in execution order; parameters are a number of values, inference is seconds a batch in each repeat.

Models are cut into different numbers of blocks here and in the paper, so both are drawn over the depth (0 to 100%
of the blocks) and relative to an even spread: 1 is what a block would have if all had the same. Finer blocks are
joined to as many stretches of equal depth as the paper has blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from alsatian.records import Layers
from analysis.figures import layout, style
from analysis.paper.evidence import published
from analysis.paper.evidence.claims import Case, Tested, Verdict
from analysis.paper.evidence.sources import Source
from analysis.paper.kinds import bars
from analysis.paper.kinds.figure import PaperFigure

# Inches of a panel, and of the narrowest.
WIDTH, HEIGHT, LEAST = 3.9, 2.2, 1.6
KINDS = {"params": "parameters", "inference": "inference time"}
COLOURS = {"params": style.BLUE, "inference": style.VERMILLION}
# Of a quarter of the depth in percent; 25 is an even spread.
EVEN = (20, 30)
SIDES = (("inference", "computes early", "first"), ("params", "has its parameters late", "second"))
# Of half the depth; published are 0.59 of the inference time and 0.69 of the parameters.
SKEWED = 0.55


@dataclass(frozen=True)
class Profile:
    """How one quantity is spread over a model's depth.

    Attributes:
        panel: letter.
        workload: the model.
        kind: ``"params"`` or ``"inference"``.
        ours: relative to an even spread, (stretches,); None if it was not measured.
        paper: the same as published; None for a model that the paper has not.
    """

    panel: str
    workload: str
    kind: str
    ours: np.ndarray | None
    paper: np.ndarray | None


class Figure(PaperFigure):
    """A column for each model, a row for each kind."""

    number = "12"
    title = "Parameters and inference time by block"
    claim = "ViT-L-32 is flat; ResNet-152 computes early and has its parameters late."
    marks = (
        "Bars and diamonds are relative to an even spread over the blocks; finer blocks are joined to as many "
        "stretches of equal depth as the paper has blocks."
    )
    source = Source("blocks.json", Layers)

    @cached_property
    def profiles(self) -> list[Profile]:
        """Both quantities of every model, those of the paper first."""
        blocks = self.sources.models
        rows = published.values(self.number)
        rows = rows.assign(model=rows["workload"].str.partition("/")[0])
        panels = dict(zip(rows["model"], rows["panel"], strict=True))
        letters = iter("cdefghijklmnopqrstuvwxyz")
        found = []
        for model in [*panels, *(name for name in blocks if name not in panels)]:
            letter = panels.get(model) or next(letters, "")
            for kind in KINDS:
                heights = rows.loc[(rows["model"] == model) & (rows["component"] == kind), "value"].to_numpy(float)
                paper = heights / heights.mean() if heights.size else None
                ours = None
                if model in blocks:
                    values = _values(blocks[model], kind)
                    ours = spread(values, min(len(heights), len(values)) or len(values))
                found.append(Profile(letter, model, kind, ours, paper))
        return found

    @property
    def data(self) -> pd.DataFrame:
        """A row for each stretch: how deep its middle lies, and its value relative to an even spread."""
        rows = [
            (profile.panel, profile.workload, profile.kind, source, 100 * (i + 0.5) / len(values), value)
            for profile in self.profiles
            for source, values in (("ours", profile.ours), ("published", profile.paper))
            if values is not None
            for i, value in enumerate(values)
        ]
        return pd.DataFrame(rows, columns=["panel", "workload", "component", "source", "depth_percent", "relative"])

    @property
    def missing(self) -> str:
        """Panels without ours."""
        number = sum(profile.ours is None for profile in self.profiles)
        return f"{number} of {len(self.profiles)}: not run" if number else ""

    def draw(self, title: str, caption: str) -> Drawing:
        """The figure. Call inside ``style.drawing()``."""
        shown = [profile for profile in self.profiles if profile.ours is not None] or self.profiles
        models = list(dict.fromkeys(profile.workload for profile in shown))
        in_rows = [profile for kind in KINDS for profile in shown if profile.kind == kind]
        now = style.now()
        across, inches = now.fit(len(models), WIDTH, LEAST)
        drawing, axes = layout.panels(len(in_rows), across, (inches, now.tall * HEIGHT), title, caption)
        for i, (one, profile) in enumerate(zip(axes, in_rows, strict=True)):
            _draw_panel(one, profile)
            if i % across == 0:
                one.set_ylabel(f"{KINDS[profile.kind]}\n(mean block = 1)")
            if i < len(models):
                heading = f"({profile.panel}) {self.stand_in(profile.workload)}"
                one.set_title(now.wrapped(heading, inches), loc="left")
            if i >= len(in_rows) - across:
                one.set_xlabel("depth (% of the blocks)")
        looks = {name: COLOURS[kind] for kind, name in KINDS.items()} | {"ours": bars.QUIET}
        layout.legend(drawing, [*bars.patches(looks), bars.mark("published")])
        return drawing

    def verdicts(self) -> list[Verdict]:
        """Flat or skewed."""
        found = {(profile.workload, profile.kind): profile.ours for profile in self.profiles}
        even = f"without the first and the last tenth, each quarter of the depth holds {EVEN[0]} to {EVEN[1]}%"
        verdicts = []
        for kind, words in (("params", "parameters are"), ("inference", "inference time is")):
            case = None
            if (flat := found["ViT-L-32", kind]) is not None:
                shares = [100 * share for share in quarters(flat)]
                numbers = ", ".join(f"{share:.0f}%" for share in shares)
                case = Case("", all(EVEN[0] <= share <= EVEN[1] for share in shares), numbers, 0.0)
            verdicts.append(self._verdict(kind, f"ViT-L-32's {words} flat: {even}.", case))
        for kind, name, side in SIDES:
            case = None
            if (skewed := found["ResNet-152", kind]) is not None:
                share = half(skewed, last=side == "second")
                case = Case("", share >= SKEWED, f"{100 * share:.0f}%", share)
            what = f"at least {100 * SKEWED:.0f}% of its {KINDS[kind]} in the {side} half of the depth"
            verdicts.append(self._verdict(kind, f"ResNet-152 {name}: {what}.", case))
        return verdicts

    def _verdict(self, kind: str, claim: str, case: Case | None) -> Verdict:
        return self.verdict(claim, Tested.of([case]), untestable=self.untimed if kind == "inference" else "")


def _values(layers: Layers, kind: str) -> list[float]:
    """A value for each layer, of inference the median seconds."""
    if kind == "params":
        return [float(layer.parameters) for layer in layers.blocks]
    return [median(layer.inference_s) for layer in layers.blocks]


def spread(values: Sequence[float] | np.ndarray, stretches: int) -> np.ndarray:
    """``values`` of blocks in execution order as ``stretches`` of equal depth, relative to an even spread.

    A block that reaches over a border counts for both sides by depth. The mean of the result is 1.
    """
    return stretches * _shares(values, np.linspace(0, len(values), stretches + 1))


def half(profile: np.ndarray, last: bool) -> float:
    """Share, 0 to 1, of the first or the last half of the depth."""
    return float(_shares(profile, np.linspace(0, len(profile), 3))[int(last)])


def quarters(profile: np.ndarray) -> np.ndarray:
    """Shares, 0 to 1, of four equal stretches of the depth without its first and last tenth, (4,).

    At its ends a model prepares its input and its features; the paper's blocks are those between.
    """
    return _shares(profile, len(profile) * np.linspace(0.1, 0.9, 5))


def _shares(values: Sequence[float] | np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Shares, 0 to 1, of the stretches between ``edges``, which count blocks, in all of them."""
    reached = np.concatenate([[0.0], np.cumsum(values)])
    sums = np.diff(np.interp(edges, np.arange(len(reached)), reached))
    total = float(sums.sum())
    return sums / total if total > 0 else np.full(len(sums), 1 / len(sums))


def _draw_panel(axes: Axes, profile: Profile) -> None:
    tops = [1.0]
    if profile.ours is not None:
        width = 100 / len(profile.ours)
        places = (np.arange(len(profile.ours)) + 0.5) * width
        axes.bar(places, profile.ours, width * 0.9, color=COLOURS[profile.kind], alpha=0.85)
        tops.append(float(profile.ours.max()))
    else:
        look = {"ha": "center", "color": bars.QUIET, "bbox": style.BEHIND}
        axes.text(0.5, 0.5, "not run", transform=axes.transAxes, **look)
    if profile.paper is not None:
        places = (np.arange(len(profile.paper)) + 0.5) * 100 / len(profile.paper)
        axes.plot(places, profile.paper, **(bars.MARK | bars.RIM | {"markersize": 2.8}))
        tops.append(float(profile.paper.max()))
    axes.axhline(1, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1.08 * max(tops))
    axes.grid(axis="y", **style.GRID)
