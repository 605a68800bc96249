import altair as alt
import pytest

from analysis.report.charts.chart import panel

BAR = alt.Chart().mark_bar().encode(x="value:Q", y="name:N")
WHISKER = alt.Chart().mark_rule().encode(x="low:Q", x2="high:Q", y="name:N")
ONE = alt.Chart().mark_rule().encode(x=alt.datum(1))


@pytest.mark.parametrize(
    ("lows", "marks"),
    [
        ((1.0, None), ["bar", "rule", "rule"]),
        ((None, None), ["bar", "rule"]),  # an axis over nothing is an "Infinite extent" in the browser's log
        ((), ["bar", "rule", "rule"]),
    ],
)
def test_whiskers_that_no_row_has_are_left_out(lows, marks):
    rows = [{"name": str(i), "value": 2.0, "low": low, "high": 3.0} for i, low in enumerate(lows)]
    spec = panel("", [BAR, WHISKER, ONE], rows, 100).spec
    assert [layer["mark"]["type"] for layer in spec["layer"]] == marks
    assert "x" in spec["layer"][-1]["encoding"]
