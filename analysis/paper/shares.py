"""Where the time of scoring one model goes (Fig 5): for each model ours as a filled bar, the published outlined."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.patches import Patch

from analysis.figures import style
from analysis.paper import groups
from analysis.paper.arrangement import COMPONENTS, Figure, panel_title
from analysis.paper.cells import Cell
from analysis.tables.grid import wrapped

PANEL_HEIGHT = 2.7
THICK, THIN = 0.42, 0.2
INCHES = 0.78
OURS, PUBLISHED = "ours", "published"


def draw(figure: Figure, found: Sequence[Cell], title: str, caption: str) -> Drawing:
    """The figure of ``found``. Call inside ``style.drawing()``."""
    panels: dict[str, dict[str, list[Cell]]] = {}
    for cell in found:
        panels.setdefault(cell.panel, {}).setdefault(cell.workload, []).append(cell)
    inches = groups.BESIDE + INCHES * max(len(models) for models in panels.values())
    across = min(2, len(panels))
    inches = max(inches, style.NARROWEST / across)
    names = [*dict.fromkeys(COMPONENTS[cell.component] for cell in found), OURS, PUBLISHED]
    drawing, axes, above, columns = style.lattice(
        len(panels), across, (inches, PANEL_HEIGHT), names, title, caption
    )
    for i, (one, (letter, models)) in enumerate(zip(axes, panels.items(), strict=True)):
        first = next(iter(models.values()))[0]
        one.set_title(
            _wrapped(panel_title(letter, first.items, first.distribution), inches), fontsize=style.FONT, loc="left"
        )
        for place, (name, parts) in enumerate(models.items()):
            _model(one, place, name, parts)
        one.set_xticks(range(len(models)), ["\n".join(wrapped(name, 11)) for name in models], fontsize=style.SMALL)
        one.tick_params(axis="x", length=0)
        one.tick_params(axis="y", labelsize=style.SMALL)
        one.set_xlim(-0.6, len(models) - 0.4)
        one.set_ylim(0, 100)
        one.grid(axis="y", color="#DDDDDD", linewidth=0.6)
        if i % across == 0:
            one.set_ylabel("share of the four parts (%)", fontsize=style.SMALL)
    handles = [Patch(facecolor=style.PARTS[name], label=name) for name in names[:-2]]
    handles += [
        Patch(facecolor=groups.QUIET, label=OURS),
        Patch(facecolor="white", edgecolor=groups.QUIET, label=PUBLISHED),
    ]
    above.legend(
        handles=handles, loc="center left", bbox_to_anchor=(0, 0.5), borderaxespad=0, ncols=columns, frameon=False,
        fontsize=style.SMALL,
    )  # fmt: skip
    return drawing


def _wrapped(title: str, inches: float) -> str:
    return "\n".join(wrapped(title, int((inches - groups.BESIDE) * style.INCH / (style.FONT * 0.5))))


def _model(axes: Axes, place: int, name: str, parts: Sequence[Cell]) -> None:
    """Both bars of one model, or why ours is missing."""
    ours = place - THIN / 2 - 0.03
    bottom = 0.0
    if any(math.isnan(cell.percent) for cell in parts):
        status = parts[0].status if parts[0].status != "ok" else "not measured"
        axes.text(
            ours, 3, status, rotation=90, ha="center", va="bottom", fontsize=groups.NUMBER, color=groups.QUIET
        )
    else:
        for cell in parts:
            axes.bar(
                [ours], [cell.percent], THICK, [bottom], color=style.PARTS[COMPONENTS[cell.component]],
                edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            bottom += cell.percent
    bottom = 0.0
    for cell in parts:
        if math.isnan(cell.published_percent):
            continue
        axes.bar(
            [place + THICK / 2 + 0.03], [cell.published_percent], THIN, [bottom], facecolor="white",
            edgecolor=style.PARTS[COMPONENTS[cell.component]], linewidth=1.3,
        )  # fmt: skip
        bottom += cell.published_percent
