"""Curves over a setting: a panel for each metric, row and column, as words ask for them."""

import json
from itertools import product
from typing import Any

import altair as alt

from analysis.comparing.measurements import Spread
from analysis.figures import style
from analysis.grammar.axes import Axis
from analysis.grammar.charts import Chart as Numbers
from analysis.report.charts.chart import TIP, Chart, Panel, panel, record, spread_text, without_nan
from analysis.tables.metrics import METRICS, text

HEIGHT = 230
_FORMATS = {"share": ".0%", "bytes": "~s", "count": "~s", "factor": "~g", "ratio": "~g", "s": "~g", "score": ".3f"}


def curves(found: Numbers, folder: str = "") -> Chart:
    """The curves of ``found``, whose records lie in a ``folder`` beside the page."""
    looks = style.looks(found.points["curve"])
    panels = [
        _panel(found, looks, (row, column, y), folder)
        for row, column, y in product(found.values("row"), found.values("column"), found.words.y)
    ]
    legend = {name: looks[name].colour for name in sorted(looks, key=lambda name: name != found.subject)}
    return Chart(panels, legend if len(legend) > 1 else {}, {})


def _panel(found: Numbers, looks: dict[str, style.Look], at: tuple[str, str, str], folder: str) -> Panel:
    (row, column, y), points = at, found.points
    own = points[(points["row"] == row) & (points["column"] == column) & points[y].notna()]
    rows = [
        _row(point, y, found, looks) | {"record": record(point["run_id"], folder)}
        for point in own.to_dict("records")
    ]
    for one in rows:  # of marks that hide each other, all are named
        hidden = [other["curve"] for other in rows if (other["x"], other["value"]) == (one["x"], one["value"])]
        if len(hidden) > 1:
            one["tip"] |= {"curve": ", ".join(hidden)}
    title = " ".join(part for part in (row, column, METRICS[y].title.removesuffix(" s")) if part)
    x = _x(found.x)
    scale = alt.Scale(zero=METRICS[y].unit != "score")
    axis = alt.Axis(title=METRICS[y].axis, format=_FORMATS[METRICS[y].unit], tickCount=5)
    colour = alt.Color("colour:N", scale=None)
    y_of = alt.Y("value:Q", scale=scale, axis=axis)
    whisker = alt.Chart().mark_rule(size=1.2, opacity=0.7).encode(x=x, y=alt.Y("low:Q", axis=axis), y2="high:Q")
    dots = alt.Chart().mark_point(filled=True, opacity=1, tooltip=TIP, cursor="pointer").encode(
        x=x, y=y_of, color=colour, size=alt.Size("size:Q", scale=None)
    )  # fmt: skip
    layers: list[Any] = [whisker.encode(color=colour), dots]
    if found.x.kind == "category":
        layers = [layer.encode(xOffset="curve:N") for layer in layers]
    if found.x.joined:
        line = alt.Chart().mark_line().encode(
            x=x, y=y_of, color=colour, detail="curve:N", strokeWidth=alt.StrokeWidth("width:Q", scale=None)
        )  # fmt: skip
        layers.insert(0, line)
    return panel(title, layers, rows, HEIGHT)


def _row(point: dict[Any, Any], y: str, found: Numbers, looks: dict[str, style.Look]) -> dict[str, Any]:
    strong = point["curve"] == found.subject
    value = Spread(point[y], point[f"{y}_min"], point[f"{y}_max"], point["repeats"])
    texts = [text(y, number) for number in (value.median, value.low, value.high)]
    unit = " s" if METRICS[y].unit == "s" else ""
    return without_nan(
        {
            "x": point["x"] if found.x.kind == "category" else point["place"],
            "value": value.median,
            "low": value.low,
            "high": value.high,
            "curve": point["curve"],
            "colour": looks[point["curve"]].colour,
            "size": 90 if strong else 45,
            "width": 3 if strong else 1.5,
            "tip": {
                "curve": point["curve"],
                found.x.name: point["x"],
                METRICS[y].title.removesuffix(" s"): spread_text(value, [one + unit for one in texts]),
            },
        }
    )


def _x(axis: Axis) -> alt.X:
    if axis.kind == "category":
        order = [axis.ticks[place] for place in sorted(axis.ticks)]
        return alt.X("x:N", sort=order, axis=alt.Axis(title=axis.name, labelAngle=-40, labelLimit=140))
    of_kind: Any = {"type": "log"} if axis.log else {"zero": False}
    scale = alt.Scale(nice=False, padding=12, **of_kind)
    if not axis.ticks:
        return alt.X("x:Q", scale=scale, axis=alt.Axis(title=axis.name))
    places = sorted(axis.ticks)
    # Texts are literals of the expression, whatever is in them.
    names, values = (json.dumps(list(one)) for one in (map(axis.ticks.__getitem__, places), places))
    label = f"{names}[indexof({values}, datum.value)]"
    return alt.X(
        "x:Q", scale=scale, axis=alt.Axis(title=axis.name, values=places, labelExpr=label, labelOverlap=True)
    )
