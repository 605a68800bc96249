"""Figure 5: where the time of scoring one model goes. Ours is a filled bar, the published an outlined one."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Case, Tested, Verdict
from analysis.paper.evidence.comparisons import COMPONENTS, seconds_range
from analysis.paper.evidence.slots import PARTS
from analysis.paper.evidence.spreads import below, every
from analysis.paper.kinds import bars
from analysis.paper.kinds.searches import SearchFigure
from analysis.paper.kinds.stand_ins import items
from analysis.paper.kinds.totals import panel_title

# Bars of ours and of the published, where models are 1 apart; inches of a model.
THICK, THIN = 0.42, 0.2
INCHES = 0.78
LARGE, SMALL = ("ViT-L-32", "EffNetV2-L", "ResNet-152"), "ResNet-18"


class Figure(SearchFigure):
    """Shares of the four parts, as stacked bars."""

    number = "5"
    title = "Where the time of scoring one model goes"
    claim = (
        "inference rules on many items; preparing the model rules on few items and where the input of the "
        "last three blocks is cached; for ResNet-18 preparing the data rules."
    )
    marks = "Medians of the four parts; outlined bars are the published shares."
    reference = PARTS
    ordinate = "share of the four parts (%)"

    def panel_title(self, letter: str, inside: Sequence[Cell]) -> str:
        """How many items, and what was cached."""
        cached = ", cached before the last 3 blocks" if inside[0].distribution.startswith("cache") else ""
        return panel_title(letter, items(inside), "") + cached

    def group(self, cell: Cell) -> str:
        """Two bars for each model."""
        return self.stand_in(cell.workload)

    def width(self, inside: Sequence[Cell]) -> float:
        """Inches that a panel needs."""
        return style.now().scale * (bars.BESIDE + INCHES * len(_models(inside)))

    def draw_panel(self, axes: Axes, inside: Sequence[Cell], inches: float) -> None:
        """Two bars for each model."""
        models = _models(inside)
        for place, parts in enumerate(models.values()):
            _draw_ours(axes, place - THIN / 2 - 0.03, parts)
            _draw_published(axes, place + THICK / 2 + 0.03, parts)
        names = [self.group(parts[0]) for parts in models.values()]
        bars.label(axes, range(len(models)), names, (inches - style.now().scale * bars.BESIDE) / len(models))
        axes.set_xlim(-0.6, len(models) - 0.4)
        axes.set_ylim(0, 100)

    def legend(self) -> list[Artist]:
        """The parts, and what is ours."""
        names = dict.fromkeys(COMPONENTS[cell.component] for cell in self.cells)
        return [
            *bars.patches({name: style.PARTS[name] for name in names} | {"ours": bars.QUIET}),
            Patch(facecolor="white", edgecolor=bars.QUIET, label="published"),
        ]

    def verdicts(self) -> list[Verdict]:
        """Which part is the largest."""
        cached = "the input of the last three blocks cached"
        largest = "preparing the model is the largest part."
        return [
            self.verdict(
                "With 9,216 items, inference is the largest part.", self._largest("a", LARGE, "inference")
            ),
            self.verdict(f"With 96 items, {largest}", self._largest("c", LARGE, "prepare_model")),
            self.verdict(f"With {cached}, {largest}", self._largest("d", (*LARGE, SMALL), "prepare_model")),
            self.verdict(
                f"For {SMALL}, preparing the data is the largest part.",
                *(self._largest(panel, (SMALL,), "prepare_data") for panel in "abc"),
            ),
        ]

    def _largest(self, panel: str, workloads: Sequence[str], part: str) -> Tested:
        """Whether ``part`` is the largest of every model in a panel."""
        cases: list[Case | None] = []
        models = _models(self.panels[panel])
        for workload in workloads:
            own = models[workload]
            (claimed,) = [cell for cell in own if cell.component == part]
            if math.isnan(claimed.percent):
                cases.append(None)
                continue
            first, second, *_ = sorted(own, key=lambda cell: -cell.percent)
            numbers = ", ".join(_told(cell) for cell in (first, second))
            ok = every(below(cell.time, claimed.time) for cell in own if cell is not claimed)
            margin = first.percent - second.percent
            cases.append(Case(f"{workload}, {claimed.items:,} items", ok, numbers, margin, claimed.time.count))
        return Tested.of(cases)


def _told(cell: Cell) -> str:
    return f"{COMPONENTS[cell.component]} {cell.percent:.0f}%, {seconds_range(cell.time)}"


def _models(inside: Sequence[Cell]) -> dict[str, list[Cell]]:
    found: dict[str, list[Cell]] = {}
    for cell in inside:
        found.setdefault(cell.workload, []).append(cell)
    return found


def _draw_ours(axes: Axes, x: float, parts: Sequence[Cell]) -> None:
    """One bar, or why it is missing."""
    if any(math.isnan(cell.percent) for cell in parts):
        status = parts[0].status if parts[0].status != "ok" else "not measured"
        look: Any = {
            "rotation": 90,
            "ha": "center",
            "va": "bottom",
            "fontsize": style.now().tiny,
            "color": bars.QUIET,
        }
        axes.text(x, 3, status, **look)
        return
    bottom = 0.0
    for cell in parts:
        colour = style.PARTS[COMPONENTS[cell.component]]
        axes.bar([x], [cell.percent], THICK, [bottom], color=colour, edgecolor="white", linewidth=0.5)
        bottom += cell.percent


def _draw_published(axes: Axes, x: float, parts: Sequence[Cell]) -> None:
    bottom = 0.0
    for cell in (cell for cell in parts if not math.isnan(cell.published_percent)):
        look: Any = {"facecolor": "white", "edgecolor": style.PARTS[COMPONENTS[cell.component]], "linewidth": 1.3}
        axes.bar([x], [cell.published_percent], THIN, [bottom], **look)
        bottom += cell.published_percent
