"""Strategies of one workload as bars: speed-up over base, and where the time goes."""

from collections.abc import Mapping, Sequence

import altair as alt
import pandas as pd

from alsatian.records import Run
from alsatian.units import factor_text, seconds_text
from analysis.comparing.labels import short
from analysis.comparing.measurements import PARTS, Spread, measured
from analysis.figures import bars, style
from analysis.report.charts.chart import TIP, Chart, Row, panel, record, spread_text

# Pixels of a bar with the gap to the next one.
STEP = 30
_REST = "everything else"


def speedup(summary: pd.DataFrame, folder: str = "") -> Chart:
    """The speed-up over base of each row of ``summary``, whose records lie in a ``folder`` beside the page."""
    data = bars.speedup_data(summary)
    names = short(list(summary["strategy"]))
    rows: list[Row] = []
    for name, own, said in zip(names, data.to_dict("records"), summary.to_dict("records"), strict=True):
        value = Spread(own["speedup"], own["speedup_min"], own["speedup_max"], said["repeats"])
        if value.median != value.median:
            continue
        wall = Spread(said["wall_s"], said["wall_min"], said["wall_max"], said["repeats"])
        rows.append(
            {
                "name": name,
                "value": value.median,
                "low": value.low if value.count > 1 else None,
                "high": value.high,
                "text": factor_text(value.median),
                "colour": style.colour(said["strategy"]),
                "record": record(said["run_id"], folder),
                "tip": {
                    "strategy": name,
                    "speed-up": spread_text(value, [f"{v:.2f}×" for v in (value.median, value.low, value.high)]),
                    "wall time": seconds(wall),
                },
            }
        )
    bar = _lying(alt.Chart().mark_bar(tooltip=TIP, cursor="pointer"), "value", "speed-up over base (×)")
    bar = bar.encode(color=alt.Color("colour:N", scale=None))
    whisker = _lying(alt.Chart().mark_rule(size=1.4), "low").encode(x2="high:Q")
    one = alt.Chart().mark_rule(strokeDash=[4, 3]).encode(x=alt.datum(1))
    number = _lying(alt.Chart().mark_text(align="left", dx=5), "high").encode(text="text:N")
    return Chart([panel("", [bar, whisker, one, number], rows, STEP * len(summary))], {}, {})


def breakdown(summary: pd.DataFrame, runs: Sequence[Run], folder: str = "") -> Chart:
    """Where the time of each row of ``summary`` went, whose records are ``runs`` and lie in ``folder``."""
    summary = summary[summary["inference_s"].notna()].reset_index(drop=True)
    by_id = {run.run_id: run for run in runs}
    names = short(list(summary["strategy"]))
    rows: list[Row] = []
    ends: list[Row] = []
    for name, run_id, wall_s in zip(names, summary["run_id"], summary["wall_s"], strict=True):
        took = measured(by_id[run_id])
        reached = 0.0
        for place, (part, spreads) in enumerate(_parts(took).items()):
            own = sum(spread.median for spread in spreads)
            told = ", ".join(
                f"{label}{seconds(spread)}" for label, spread in zip(_labels(len(spreads)), spreads, strict=True)
            )
            rows.append(
                {
                    "name": name,
                    "value": own,
                    "part": part,
                    "place": place,
                    "record": record(run_id, folder),
                    "tip": {
                        "strategy": name, "part": part, "time": told, "share": f"{own / wall_s:.0%}",
                        "wall time": seconds(took["wall_s"]),
                    },
                }
            )  # fmt: skip
            reached += own
        ends.append({"name": name, "end": reached, "text": seconds_text(wall_s)})
    bar = _lying(
        alt.Chart().mark_bar(tooltip=TIP, cursor="pointer", stroke="white", strokeWidth=0.5), "value", "time (s)"
    )
    scale = alt.Scale(domain=list(style.PARTS), range=list(style.PARTS.values()))
    bar = bar.encode(color=alt.Color("part:N", scale=scale, legend=None), order="place:O")
    number = _lying(alt.Chart(alt.InlineData(values=ends)).mark_text(align="left", dx=5), "end").encode(
        text="text:N"
    )
    return Chart([panel("", [bar, number], rows, STEP * len(summary))], style.PARTS, {})


def seconds(spread: Spread) -> str:
    """E.g. ``"3.9 s (3.8 s to 4.2 s, N=3)"``."""
    return spread_text(spread, [seconds_text(value) for value in (spread.median, spread.low, spread.high)])


def _parts(took: Mapping[str, Spread]) -> dict[str, list[Spread]]:
    """Of each part of the figure what was measured; everything else is several."""
    names = {part.replace("_", " "): [took[f"{part}_s"]] for part in PARTS}
    rest = [spreads[0] for name, spreads in names.items() if name not in style.PARTS]
    return {name: names[name] for name in style.PARTS if name != _REST} | {_REST: rest}


def _labels(count: int) -> list[str]:
    rest = [part.replace("_", " ") + " " for part in PARTS if part.replace("_", " ") not in style.PARTS]
    return rest if count > 1 else [""]


def _lying(chart: alt.Chart, value: str, title: str | None = None) -> alt.Chart:
    x = alt.X(f"{value}:Q", axis=alt.Axis(title=title, tickCount=6)) if title else alt.X(f"{value}:Q")
    y = alt.Y("name:N", sort=None, axis=alt.Axis(title=None, labelLimit=170, ticks=False, domain=False))
    return chart.encode(x=x, y=y)
