"""The timeline of a page: as much as a page can take, and what is left out is said."""

import json

import pytest

from alsatian.records import FieldError
from alsatian.records.trace import load_trace
from analysis.report.charts import timeline


def trace(folder, **more):
    events = [{"name": "thread_name", "ph": "M", "tid": 1, "args": {"name": "search"}}]
    for i in range(10):
        args = {
            "part": "inference",
            "round": 1,
            "model": f"m{i}",
            "models": 2,
            "block": "ab" * 32,
            "depth": 3,
            **more,
        }
        events.append({"name": "inference", "ph": "X", "tid": 1, "ts": 100 * i, "dur": 10 * i + 1, "args": args})
    (folder / "timeline.json").write_text(json.dumps({"traceEvents": events}))
    return load_trace(folder / "timeline.json")


def packed(chart):
    return chart.panels[0].spec["usermeta"]["timeline"]


def test_every_slice_is_there_with_what_it_was_for(tmp_path):
    chart, note = timeline.timeline(trace(tmp_path))
    columns, names = packed(chart)["columns"], packed(chart)["names"]
    assert note == ""
    assert [names["model"][i] for i in columns["model"]] == [f"m{i}" for i in range(10)]
    assert {names["block"][i] for i in columns["block"]} == {"ab" * 6}
    assert (set(columns["round"]), set(columns["models"]), set(columns["depth"])) == ({1}, {2}, {3})
    assert columns["start"][:3] == [0, 0.0001, 0.0002]
    assert packed(chart)["end"] == pytest.approx(0.000991)


def test_of_many_the_longest_are_shown_and_the_rest_is_told(tmp_path):
    chart, note = timeline.timeline(trace(tmp_path), most=2)
    columns = packed(chart)["columns"]
    assert columns["length"] == [pytest.approx(81e-6), pytest.approx(91e-6)]
    assert "2 longest slices" in note
    assert "37.4% of the time" in note  # (81 + 91) of 460 microseconds


def test_a_trace_of_an_earlier_version_says_less(tmp_path):
    chart, _ = timeline.timeline(trace(tmp_path, round=None, model="x"))
    assert packed(chart)["columns"]["round"] == [None] * 10


def test_what_is_no_count_is_refused(tmp_path):
    with pytest.raises(FieldError, match=r"args\.depth: expected a count, not -1"):
        trace(tmp_path, depth=-1)
