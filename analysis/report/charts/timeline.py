"""A timeline that can be zoomed into, with round, model and block on every slice."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from alsatian.records.trace import Trace
from alsatian.units import count_text, seconds_text
from analysis.figures import style
from analysis.report.charts.chart import FIT, Chart, Panel

# Slices of all timelines of a page, and of one; of more the longest are shown.
ALL, MOST = 30_000, 8_000
# Pixels of a lane.
LANE = 34
_REST = "everything else"
HINT = (
    "Drag moves; the buttons, two fingers, or the wheel with Ctrl zoom. A click on a round shows it alone, one "
    "on a slice keeps what is said of it."
)


def timeline(trace: Trace, most: int = MOST) -> tuple[Chart, str]:
    """What every thread of ``trace`` did when, in at most ``most`` slices; and what was left out, a sentence."""
    slices = trace.slices
    lengths = slices["end_s"] - slices["start_s"]
    note = ""
    if len(slices) > most:
        kept = lengths.nlargest(most).index
        share = lengths[kept].sum() / lengths.sum()
        shortest = seconds_text(float(lengths[kept].min()))
        note = (
            f"The page shows the {count_text(most, 'longest slice')} (from {shortest} on), {share:.1%} of the time "
            "of all; the file holds every one."
        )
        slices = slices.loc[kept].sort_index()
    return Chart([_panel(trace, slices)], style.PARTS, {"waiting": "pale"}, 5.0, HINT), note


def _panel(trace: Trace, slices: pd.DataFrame) -> Panel:
    lanes = ["round", *trace.lanes]
    domain: Any = [alt.ExprRef("from_s"), alt.ExprRef("to_s")]
    x = alt.X("start:Q", scale=alt.Scale(domain=domain, nice=False), axis=alt.Axis(title="time (s)", tickCount=6))
    y = alt.Y("lane:N", sort=lanes, scale=alt.Scale(domain=lanes, paddingInner=0.2),
              axis=alt.Axis(title=None, ticks=False, domain=False, labelLimit=100))  # fmt: skip
    drawn_as = alt.Color(
        "part:N", legend=None, scale=alt.Scale(domain=_names(slices), range=[_colour(n) for n in _names(slices)])
    )
    inside = "datum.end >= from_s && datum.start <= to_s"
    bars = (
        alt.Chart(alt.NamedData("slices"))
        .mark_rect(clip=True, tooltip={"expr": "datum.part"}, cursor="pointer")
        .encode(
            x=x,
            x2="end:Q",
            y=y,
            color=drawn_as,
            opacity=alt.condition("datum.stalled", alt.value(0.35), alt.value(1)),
        )
        .transform_filter(inside)
    )
    rounds = [
        {"start": float(own["start_s"].min()), "end": float(own["end_s"].max()), "lane": "round", "zooms": True,
         "tip": {"round": f"{number:.0f}", "time": seconds_text(float(own["end_s"].max() - own["start_s"].min()))}}
        for number, own in trace.slices.groupby("round")
    ]  # fmt: skip
    base = alt.Chart(alt.InlineData(values=rounds))
    spans = base.mark_rect(
        clip=True, tooltip={"expr": "datum.tip"}, cursor="zoom-in", fill="#e8eef4", stroke="#8aa0b5"
    ).encode(x=x, x2="end:Q", y=y)
    names = (
        base.mark_text(clip=True, align="left", dx=4, fontSize=11)
        .encode(x=alt.X("shown:Q"), y=y, text=alt.Text("name:N"))
        .transform_filter(inside)
        .transform_calculate(shown="max(datum.start, from_s)", name="'round ' + datum.tip.round")
    )
    whole = alt.layer(bars, spans, names).add_params(
        alt.param(name="from_s", value=0), alt.param(name="to_s", value=trace.end_s)
    )
    sized = whole.properties(width="container", height=LANE * len(lanes), autosize=FIT)
    sized.usermeta = {"timeline": {"end": trace.end_s, **_packed(slices)}}
    return Panel("", sized.to_dict(validate=False))


def _names(slices: pd.DataFrame) -> list[str]:
    return sorted(slices["part"].str.replace("_", " ").unique())


def _colour(part: str) -> str:
    return style.PARTS.get(part, style.PARTS[_REST])


def _packed(slices: pd.DataFrame) -> dict[str, Any]:
    """``slices`` as columns; texts as numbers of their names. Times to the microsecond."""
    texts = {
        "lane": slices["lane"],
        "part": slices["part"].str.replace("_", " "),
        "model": slices["model"],
        "block": slices["block"].map(lambda block: block[:12] if isinstance(block, str) else None),
    }
    columns: dict[str, Sequence[Any]] = {
        "start": [round(second, 6) for second in slices["start_s"].tolist()],
        "length": [round(second, 6) for second in (slices["end_s"] - slices["start_s"]).tolist()],
        "stalled": slices["stalled"].astype(int).tolist(),
    }
    names: dict[str, list[str]] = {}
    for key, column in texts.items():
        codes, found = pd.factorize(column)
        names[key] = found.tolist()
        columns[key] = [None if code < 0 else code for code in codes.tolist()]
    for key in ("round", "models", "depth"):
        columns[key] = [None if pd.isna(value) else int(value) for value in slices[key].tolist()]
    return {"names": names, "columns": columns}
