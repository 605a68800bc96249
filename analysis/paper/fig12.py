"""Figure 12: parameters and inference time over the depth of a model, ours filled, the published as marks.

Records are ``<folder>/<id>/blocks.json``, one file a model::

    {"schema": 1, "config": {…, "paper": {"workload": "ViT-L-32"}}, "environment": {…}, "blocks": [
        {"name": "encoder_layer_0", "parameters": 12596224, "inference_s": [0.0031, …]}, …]}

Blocks stand in execution order; parameters are a number of values, inference is seconds a batch in each repeat.

Models are cut into different numbers of blocks here and in the paper, so both are drawn over the depth (0 to 100%
of the blocks) and relative to an even spread: 1 is what a block would have if all had the same. Finer blocks are
joined to as many stretches of equal depth as the paper has blocks.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from alsatian.records import Layers
from analysis.comparing.measurements import Spread
from analysis.figures import layout, style
from analysis.paper.evidence import published, thresholds
from analysis.paper.evidence.claims import Case, Tested, Verdict
from analysis.paper.evidence.sources import Source
from analysis.paper.evidence.spreads import Answer, below, every, exactly, within
from analysis.paper.evidence.thresholds import shares
from analysis.paper.kinds import bars
from analysis.paper.kinds.figure import PaperFigure

# Inches of a panel, and of the narrowest.
WIDTH, HEIGHT, LEAST = 3.9, 2.2, 1.6
KINDS = {"params": "parameters", "inference": "inference time"}
COLOURS = {"params": style.BLUE, "inference": style.VERMILLION}
HALVES = ("first", "second")
SIDES = (("inference", "computes early", 0), ("params", "has its parameters late", 1))
DEFINED = "the architecture has these parameters wherever it runs"


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
                    values = np.median(_values(blocks[model], kind), axis=0)
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
        """Flat or skewed, over the whole depth."""
        low, high = (100 * (1 / 4 + sign * thresholds.even()) for sign in (-1, 1))
        verdicts = []
        for kind, words in (("params", "parameters are"), ("inference", "inference time is")):
            claim = f"ViT-L-32's {words} flat: each quarter of the depth holds {low:.0f} to {high:.0f}%."
            quarters = self._percent("ViT-L-32", kind, 4)
            ok = every(within(share, low, high) for share in quarters)
            verdicts.append(self._verdict(kind, claim, ok, quarters))
        for kind, name, side in SIDES:
            least = 100 * thresholds.skewed(kind)
            halves = self._percent("ResNet-152", kind, 2)[side : side + 1]
            what = f"at least {least:.0f}% of its {KINDS[kind]} in the {HALVES[side]} half of the depth"
            ok = every(below(exactly(least), share) for share in halves)
            verdicts.append(self._verdict(kind, f"ResNet-152 {name}: {what}.", ok, halves))
        return verdicts

    def _percent(self, model: str, kind: str, stretches: int) -> list[Spread]:
        """What each of so many stretches of the depth holds, over the repeats; empty if it was not measured."""
        if model not in self.sources.models:
            return []
        repeats = _values(self.sources.models[model], kind)
        found = 100 * np.array([shares(np.array(values), stretches) for values in repeats])
        return [Spread.of(own) for own in found.T.tolist()]

    def _verdict(self, kind: str, claim: str, ok: Answer, found: Sequence[Spread]) -> Verdict:
        """On a share in percent; parameters are the architecture's own."""
        fixed = kind == "params"
        numbers = ", ".join(f"{s.median:.0f}%" + ("" if fixed else f" ({s.low:.0f}–{s.high:.0f})") for s in found)
        case = Case("", ok, numbers, math.nan, None if fixed else found[0].count) if found else None
        return self.verdict(claim, Tested.of([case]), construction=DEFINED if fixed else "")


def _values(layers: Layers, kind: str) -> list[list[float]]:
    """A value for each layer, and of inference this in every repeat: (repeats, layers)."""
    if kind == "params":
        return [[float(layer.parameters) for layer in layers.blocks]]
    return [list(repeat) for repeat in zip(*(layer.inference_s for layer in layers.blocks), strict=False)]


def spread(values: Sequence[float] | np.ndarray, stretches: int) -> np.ndarray:
    """``values`` of blocks in execution order as ``stretches`` of equal depth, relative to an even spread.

    A block that reaches over a border counts for both sides by depth. The mean of the result is 1.
    """
    return stretches * shares(np.asarray(values, float), stretches)


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
