"""Figures of the paper: ours as bars, the published as diamonds, with all that is known of a bar."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from alsatian.units import seconds_text
from analysis.comparing.labels import DISTRIBUTIONS, named
from analysis.comparing.measurements import Spread
from analysis.figures import style
from analysis.paper import fig05, fig12, overlap
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.comparisons import COMPONENTS
from analysis.paper.kinds.figure import PaperFigure
from analysis.paper.kinds.groups import GroupedFigure
from analysis.paper.kinds.searches import SearchFigure
from analysis.report.charts.bars import seconds
from analysis.report.charts.chart import TIP, Chart, Panel, Row, panel, record, without_nan

HEIGHT = 240
# Pixels of a letter above a bar, and from what is drawn there to the first.
LETTER, GAP = 5.6, 8
PUBLISHED = {"published": "diamond"}
_OURS, _PAPER = "ours", "published"


def chart(figure: PaperFigure, folder: str = "") -> Chart | None:
    """``figure`` for a page beside which its records lie in ``folder``; None for one of another kind."""
    if isinstance(figure, fig05.Figure):
        looks = {COMPONENTS[part]: style.PARTS[COMPONENTS[part]] for part in COMPONENTS if part != "total"}
        panels = [_shares(figure, letter, inside, folder) for letter, inside in _measured(figure)]
        return Chart(panels, looks, {"published": "outlined"}, 3.4)
    if isinstance(figure, GroupedFigure):
        looks = {name: one for inside in figure.panels.values() for name, one in figure.looks(inside).items()}
        panels = [_groups(figure, letter, inside, folder) for letter, inside in _measured(figure)]
        return Chart(panels, looks, PUBLISHED, 3.4)
    if isinstance(figure, fig12.Figure):
        return Chart(list(_depths(figure)), {}, PUBLISHED, 4.6, _HINT)
    if isinstance(figure, overlap.Figure):
        return Chart([_families(figure)], {}, {**PUBLISHED, "published, at most": "triangle"}, 3.4, _HINT)
    return None


_HINT = "Point at a bar for its numbers; a click keeps them."


def _measured(figure: SearchFigure) -> list[tuple[str, list[Cell]]]:
    """The panels in which anything was measured, or all if that is none."""
    found = list(figure.panels.items())
    return [one for one in found if any(cell.ok for cell in one[1])] or found


def _groups(figure: GroupedFigure, letter: str, inside: Sequence[Cell], folder: str) -> Panel:
    looks = figure.looks(inside)
    names, groups = list(looks), list(dict.fromkeys(map(figure.group, inside)))
    rows = [
        {
            "group": figure.group(cell),
            "name": (name := figure.name(cell, inside)),
            "colour": looks[name],
            "value": cell.percent,
            "published": figure.mark(cell),
            "text": figure.text(cell) if cell.ok else cell.status if cell.status != "ok" else "not measured",
            "record": record(cell.run_id, folder),
            "tip": _tip(cell),
            **_ends(cell),
        }
        for cell in inside
    ]
    x = alt.X("group:N", sort=groups, axis=alt.Axis(title=None, labelAngle=0, labelExpr=_WRAPPED, ticks=False))
    offset = alt.XOffset("name:N", sort=names, scale=alt.Scale(paddingInner=0.1))
    return _standing(figure.panel_title(letter, inside), rows, x, offset, figure.ordinate.replace("\n", " "))


def _standing(title: str, rows: Sequence[Row], x: alt.X, offset: alt.XOffset | None, ordinate: str) -> Panel:
    """Bars that stand on ``x`` with whiskers, numbers and published marks."""
    # Room for the numbers, which stand upright.
    tops = [_top(row) / (1 - (LETTER * len(row["text"]) + GAP + 6) / HEIGHT) for row in rows]
    scale = alt.Scale(domain=[0, max(tops, default=0) or 100], nice=False)
    axis = alt.Axis(title=ordinate, tickCount=5)

    def at(made: alt.Chart, value: str, **more: Any) -> alt.Chart:
        place = {"x": x, "y": alt.Y(f"{value}:Q", scale=scale, axis=axis), **more}
        return made.encode(**place if offset is None else {**place, "xOffset": offset})

    colour = alt.Color("colour:N", scale=None)
    layers = [
        at(alt.Chart().mark_bar(tooltip=TIP, cursor="pointer"), "value", color=colour),
        at(alt.Chart().mark_rule(size=1.2), "low", y2="high:Q"),
        at(
            alt.Chart().mark_text(angle=270, align="left", baseline="middle", dx=GAP, fontSize=10),
            "top",
            text="text:N",
        ),
        at(
            alt.Chart().mark_point(size=45, fill="white", stroke="black", opacity=1, tooltip=TIP, cursor="pointer"),
            "published",
            shape=alt.Shape("sign:N", scale=None),
        ),
    ]
    full = [{"sign": "diamond", **row, "top": _top(row)} for row in rows]
    return panel(title, layers, map(without_nan, full), HEIGHT)


# A label of several words in several lines.
_WRAPPED = "split(replace(datum.label, '@', ' '), ' ')"


def _top(row: Row) -> float:
    """Where the number of a bar stands: above all that is drawn there."""
    there = [row[key] for key in ("value", "high", "published") if not _missing(row.get(key))]
    return max(there, default=0.0)


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _ends(cell: Cell) -> dict[str, float]:
    """Where the whiskers of a cell end, as its height is scaled."""
    scale = cell.percent / cell.seconds if cell.ok and cell.seconds else math.nan
    return {"low": cell.seconds_min * scale, "high": cell.seconds_max * scale} if cell.repeats > 1 else {}


def _tip(cell: Cell) -> dict[str, str]:
    """All that is known of a cell, in words."""
    where = [named(cell.workload), DISTRIBUTIONS.get(cell.distribution, cell.distribution)]
    where += [f"{cell.items:,} items"] if cell.items is not None else []
    told = {"strategy": cell.approach, "cell": ", ".join(filter(None, where))}
    if cell.component != "total":
        told["part"] = COMPONENTS.get(cell.component, cell.component)
    if cell.ok:
        told["time"] = seconds(Spread(cell.seconds, cell.seconds_min, cell.seconds_max, cell.repeats))
    else:
        told["time"] = cell.status if cell.status != "ok" else "not measured"
    numbers = {
        "relative time": (cell.percent, "{:.0f}%"),
        "speed-up over base": (cell.speedup, "{:.1f}×"),
        "published time": (cell.published_seconds, ""),
        "published speed-up": (cell.published_speedup, "{:.1f}×"),
        "published relative time": (cell.published_percent, "{:.0f}%"),
    }
    told |= {
        name: text.format(value) if text else seconds_text(value)
        for name, (value, text) in numbers.items()
        if not math.isnan(value)
    }
    if cell.models is not None and cell.train_items is not None and cell.test_items is not None:
        told["really run"] = f"{cell.models} models, {cell.train_items + cell.test_items:,} items"
    return told


def _shares(figure: fig05.Figure, letter: str, inside: Sequence[Cell], folder: str) -> Panel:
    """Of every model two bars of four parts: ours and, paler, the published."""
    rows: list[Row] = [
        {
            "group": cell.workload, "name": source, "value": value, "part": COMPONENTS[cell.component],
            "place": place, "record": record(cell.run_id, folder), "tip": _tip(cell),
        }
        for place, cell in enumerate(inside)
        for source, value in ((_OURS, cell.percent), (_PAPER, cell.published_percent))
        if not math.isnan(value)
    ]  # fmt: skip
    scale = alt.Scale(domain=list(style.PARTS), range=list(style.PARTS.values()))
    bar = (
        alt.Chart()
        .mark_bar(tooltip=TIP, cursor="pointer", strokeWidth=1.2)
        .encode(
            x=alt.X("group:N", sort=None, axis=alt.Axis(title=None, labelAngle=0, labelExpr=_WRAPPED, ticks=False)),
            xOffset=alt.XOffset("name:N", sort=[_OURS, _PAPER], scale=alt.Scale(paddingInner=0.15)),
            y=alt.Y("value:Q", axis=alt.Axis(title=figure.ordinate, tickCount=5), scale=alt.Scale(domainMax=100)),
            fill=alt.Fill("part:N", scale=scale, legend=None),
            stroke=alt.Stroke("part:N", scale=scale, legend=None),
            fillOpacity=alt.condition(f"datum.name === '{_OURS}'", alt.value(1), alt.value(0.1)),
            order="place:O",
        )
    )
    return panel(figure.panel_title(letter, inside).replace("\n", " "), [bar], rows, HEIGHT)


def _depths(figure: fig12.Figure) -> Iterable[Panel]:
    """Bars over the depth of a model; the published as diamonds."""
    for one in figure.profiles:
        rows: list[Row] = []
        for key, values in (("value", one.ours), ("published", one.paper)):
            for i, value in enumerate(() if values is None else values.tolist()):
                depth = 100 * (i + 0.5) / len(values)  # type: ignore[arg-type]
                tip = {"what": f"{fig12.KINDS[one.kind]}, {_OURS if key == 'value' else _PAPER}",
                       "depth": f"{depth:.0f}%", "relative to an even spread": f"{value:.2f}"}  # fmt: skip
                rows.append({"depth": depth, key: value, "colour": fig12.COLOURS[one.kind], "text": "", "tip": tip})
        x = alt.X("depth:Q", scale=alt.Scale(domain=[0, 100]), axis=alt.Axis(title="depth (% of the blocks)"))
        yield _standing(f"{one.workload}: {fig12.KINDS[one.kind]}", rows, x, None, "relative to an even spread")


def _families(figure: overlap.Figure) -> Panel:
    rows = [
        {
            "group": one.workload, "value": one.percent, "published": one.published_percent, "colour": style.GREEN,
            "sign": "triangle-down" if one.published_at_most else "diamond",
            "text": "not run" if one.models is None else f"{one.percent:.0f}% of {one.models:,}",
            "tip": {
                "family": one.workload, "models": "not run" if one.models is None else f"{one.models:,}",
                "share a block": f"{one.percent:.1f}%", "share the first one": f"{one.with_prefix_percent:.1f}%",
                "published": f"{'at most ' * one.published_at_most}{one.published_percent:.0f}%",
            },
        }
        for one in figure.families
    ]  # fmt: skip
    x = alt.X("group:N", sort=None, axis=alt.Axis(title=None, labelAngle=-40, ticks=False))
    return _standing("", rows, x, None, "models that share blocks (%)")
