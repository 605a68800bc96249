import json

import numpy as np
import pandas as pd
import pytest

from alsatian.records import FieldError
from alsatian.records.trace import load_trace
from analysis.figures import style, timeline
from analysis.report import build, captions, processes
from analysis.tables import experiment
from tests.analysis.layout import check_paper

PARTS = ("prepare_data", "inference", "prepare_model", "proxy_scoring", "planning")


def made_up_trace(seconds=4.0, slices=400, lanes=("search", "read-ahead"), dropped=0):
    """Slices that follow one another in every lane with short breaks; some of them are waiting."""
    events = [{"name": "process_name", "ph": "M", "pid": 1, "tid": 0, "args": {"name": "alsatian"}}]
    step = seconds * 1e6 / slices
    for tid, lane in enumerate(lanes, start=1):
        events.append({"name": "thread_name", "ph": "M", "pid": 1, "tid": tid, "args": {"name": lane}})
        for i in range(slices):
            part = PARTS[(i + tid) % len(PARTS)]
            waiting = tid == 1 and i % 7 == 0
            events.append(
                {
                    "name": part,
                    "cat": "stalled" if waiting else "busy",
                    "ph": "X",
                    "ts": i * step,
                    "dur": step * 0.75,
                    "pid": 1,
                    "tid": tid,
                    "args": {"part": part},
                }
            )
    if dropped:
        text = f"{dropped} later slices of this thread were dropped"
        events.append({"name": text, "cat": "dropped", "ph": "i", "ts": 1, "pid": 1, "tid": 1, "args": {}})
    return {"traceEvents": events}


def overlapping(boxes):
    return [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


@pytest.fixture
def load(tmp_path):
    def read(document):
        (tmp_path / "timeline.json").write_text(document if isinstance(document, str) else json.dumps(document))
        return load_trace(tmp_path / "timeline.json")

    return read


def test_slices_are_read_in_seconds_by_lane(load):
    found = load(made_up_trace(seconds=1, slices=4))
    assert found.lanes == ("search", "read-ahead")
    own = found.slices[found.slices["lane"] == "search"]
    assert list(own["start_s"]) == [0, 0.25, 0.5, 0.75]
    assert list(own["end_s"]) == pytest.approx([0.1875, 0.4375, 0.6875, 0.9375])
    assert list(own["part"]) == ["inference", "prepare_model", "proxy_scoring", "planning"]
    assert list(own["stalled"]) == [True, False, False, False]
    assert found.end_s == pytest.approx(0.9375)


def test_no_file_is_no_trace(tmp_path):
    assert load_trace(tmp_path / "timeline.json") is None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"traceEvents": [', "not a whole JSON document"),
        ("[]", "expected a JSON object"),
        ({"traceEvents": 3}, "traceEvents: input should be a valid tuple"),
        ({"traceEvents": []}, "holds no slice"),
        ({"traceEvents": [{"ph": "X", "tid": 1, "ts": 0, "dur": 1, "args": {"part": "x"}}]}, "has a name"),
        (
            json.dumps(made_up_trace(slices=1)).replace('"dur": 3000000.0', '"dur": -1'),
            r"traceEvents\[2\].dur: input should be greater than or equal to 0, not -1",
        ),
    ],
)
def test_what_is_no_trace_is_refused(load, document, message):
    with pytest.raises(FieldError, match=message):
        load(document)


def test_shares_of_steps_add_up_to_the_slices(load):
    found = load(made_up_trace(seconds=3, slices=37))
    shares = timeline.shares(found, np.linspace(0, found.end_s, 101))
    seconds = (shares["share"] * (shares["end_s"] - shares["start_s"])).groupby([shares["lane"], shares["part"]])
    slices = found.slices
    expected = (slices["end_s"] - slices["start_s"]).groupby([slices["lane"], slices["part"]]).sum()
    pd.testing.assert_series_equal(seconds.sum(), expected, check_names=False)
    assert shares.groupby(["lane", "start_s"])["share"].sum().max() <= 1 + 1e-9


def test_the_detail_is_where_the_most_is_to_be_seen(load):
    document = made_up_trace(seconds=10, slices=10, lanes=("search",))
    document["traceEvents"] += [
        {
            **document["traceEvents"][2],
            "ts": 6.8e6 + i * 1e4,
            "dur": 9e3,
            "args": {"part": PARTS[i % 2]},
        }
        for i in range(15)
    ]
    found = load(document)
    start, end = timeline.detail(found)
    assert end - start == 0.5
    assert start <= 6.8 < 6.95 <= end
    assert timeline.detail(load(made_up_trace(seconds=1))) == (0, pytest.approx(1, rel=0.01))
    start, end = timeline.detail(load(made_up_trace(seconds=60, slices=200)))
    assert end - start == 1.0


def test_the_csv_is_what_the_figure_shows(tmp_path, load):
    found = load(made_up_trace())
    written = timeline.timeline(found, "title", "caption").save(tmp_path / "figure")
    assert [path.name for path in written] == ["figure.png", "figure.pdf", "figure.csv"]
    shown = pd.read_csv(tmp_path / "figure.csv")
    start, end = timeline.detail(found)
    detail = shown[shown["panel"] == "detail"]
    assert detail["start_s"].min() >= start
    assert detail["end_s"].max() <= end
    whole = shown[shown["panel"] == "whole"]
    seconds = (whole["share"] * (whole["end_s"] - whole["start_s"])).sum()
    assert seconds == pytest.approx((found.slices["end_s"] - found.slices["start_s"]).sum())
    again = timeline.timeline(found, "title", "caption").save(tmp_path / "again")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]


def test_a_short_run_is_one_panel(load):
    with style.drawing():
        for seconds, panels in ((0.9, 1), (1.5, 2)):
            picture = timeline.timeline(load(made_up_trace(seconds=seconds)), "", "")
            assert len(picture.draw("", "").axes) == panels
    assert set(timeline.timeline_data(load(made_up_trace(seconds=0.9)))["panel"]) == {"detail"}


def test_colours_are_those_of_the_other_figures(load):
    with style.drawing():
        figure = timeline.timeline(load(made_up_trace()), "", "").draw("", "")
    (legend,) = figure.subfigs[0].legends
    drawn = dict(zip((t.get_text() for t in legend.get_texts()), legend.get_patches(), strict=True))
    from matplotlib.colors import same_color

    for part, colour in style.PARTS.items():
        assert same_color(drawn[part].get_facecolor(), colour)
        assert not same_color(drawn[f"{part}: waiting"].get_facecolor(), colour)


@pytest.mark.parametrize("lanes", [("search",), ("search", "read-ahead"), ("search", "a" * 60, *"bcdef")])
@pytest.mark.parametrize("seconds", [0.3, 7, 4000])
def test_texts_do_not_overlap_and_are_inside(load, lanes, seconds):
    found = load(made_up_trace(seconds=seconds, lanes=lanes))
    with style.drawing():
        picture = timeline.timeline(found, "A title long enough for a second line " * 3, "A caption. " * 30)
        figure = picture.draw(picture.title, picture.caption)
        figure.draw_without_rendering()
        (legend,) = figure.subfigs[0].legends
        boxes = [legend.get_window_extent(), *(text.get_window_extent() for text in figure.texts)]
        for axes in figure.axes:
            boxes.append(axes.get_window_extent())
            boxes.append(axes.xaxis.label.get_window_extent())
            boxes += [label.get_window_extent() for label in axes.get_yticklabels()]
        assert not overlapping(boxes)
        inside = figure.bbox.padded(0.5)
        assert all(inside.contains(*box.min) and inside.contains(*box.max) for box in boxes)


def test_the_caption_says_what_overlapped_and_what_is_missing(load, load_runs, record):
    (run,) = load_runs(record())
    text = captions.timeline(load(made_up_trace(seconds=4, slices=70, dropped=12)), run)
    assert "3.0 s of work run beside the search, which waits for it 0.43 s (pale)" in text
    assert "Not shown: 12 later slices of this thread were dropped." in text
    text = captions.timeline(load(made_up_trace(lanes=("search",))), run)
    assert "nothing overlaps" in text


@pytest.fixture
def measured(record):
    """A record whose repeats hold everything that a meter measures."""

    def make(strategy="alsatian", beside=0.75, stalled=0.25, **changes):
        made = record(strategy, **changes)
        for repeat in made["repeats"]:
            parts = repeat["parts_s"]
            repeat["stalled_s"] = {**dict.fromkeys(parts, 0.0), "prepare_model": stalled}
            repeat["busy_s"] = {**parts, "prepare_model": parts["prepare_model"] - stalled + beside}
            repeat["process"] = {
                "peak_rss_bytes": 2_000_000_000,
                "lifetime_peak_rss_bytes": None,
                "peak_device_bytes": None,
                "os_read_bytes": 181_000_000,
                "counted_read_bytes": 180_000_000,
                "read_difference_bytes": 1_000_000,
                "os_rchar_bytes": 190_000_000,
                "os_write_bytes": 0,
            }
            repeat["level"] = "parts"
        return made

    return make


def test_parts_with_work_beside_the_search_are_listed(load_runs, measured, record):
    table = processes.overlap(load_runs(measured(walls=(4.0,)), measured("base", 0.0, 0.0), record("shift")))
    assert table.rows == [("alsatian", "prepare model", "1.00", "0.25", "1.50", "0.75")]


def test_what_the_system_counts_is_listed_where_it_is_known(load_runs, measured, record):
    unknown = measured("base")
    for repeat in unknown["repeats"]:
        repeat["process"] = {"lifetime_peak_rss_bytes": 3_000_000_000, "counted_read_bytes": 180_000_000}
    table = processes.process(load_runs(measured(), unknown, record("shift")))
    assert table.rows == [
        ("base", "3.00 GB (whole process)", "–", "–", "180 MB", "–", "–", "–"),
        ("alsatian", "2.00 GB", "–", "181 MB", "180 MB", "1.00 MB", "190 MB", "0 B"),
    ]
    assert len(table.header) == len(table.rows[0])


def test_the_report_shows_timelines_overlap_and_processes(tmp_path, write, measured):
    name = "0123456789abcdef"
    write(tmp_path, measured(run_id=name), measured("base"))
    (tmp_path / name / "timeline.json").write_text(json.dumps(made_up_trace()))
    built = build.build(tmp_path)
    figure = tmp_path / "figures" / f"timeline-{name}.png"
    assert figure in built.files
    page = (tmp_path / "report.html").read_text()
    assert page.count('class="chart"') == 3
    for expected in (
        "Timelines",
        "Work beside the search",
        "as the operating system counts them",
        "Timeline: alsatian",
    ):
        assert expected in page
    (tmp_path / name / "timeline.json").unlink()
    build.build(tmp_path)
    assert not figure.exists()
    assert "Timelines" not in (tmp_path / "report.html").read_text()


def test_a_broken_timeline_is_named_and_the_rest_analysed(tmp_path, write, record):
    write(tmp_path, record())
    (tmp_path / "id-alsatian" / "timeline.json").write_text("{")
    built = build.build(tmp_path)
    (problem,) = built.problems
    assert problem.startswith(f"{tmp_path / 'id-alsatian' / 'timeline.json'}: skipped: not a whole JSON document")
    assert "Not used: " in (tmp_path / "summary.md").read_text()
    assert len(built.summary) == 1


def test_a_record_cannot_point_to_a_timeline_elsewhere(tmp_path, write, record):
    write(tmp_path, record())
    path = tmp_path / "id-alsatian" / "run.json"
    path.write_text(path.read_text().replace('"id-alsatian"', '"../outside"'))
    (tmp_path.parent / "outside").mkdir(exist_ok=True)
    (tmp_path.parent / "outside" / "timeline.json").write_text(json.dumps(made_up_trace()))
    assert not any("timeline" in path.name for path in build.build(tmp_path).files)


@pytest.mark.parametrize("others", [0, 1])
def test_a_run_without_parts_has_none_in_tables_and_figures(tmp_path, write, record, others):
    total = record("alsatian")
    for repeat in total["repeats"]:
        repeat |= {"parts_s": {}, "busy_s": {}, "stalled_s": {}, "level": "total"}
    built = build.build(write(tmp_path, total, *[record("base")] * others))
    row = experiment.tables(built.summary)[0].rows[-1]
    assert row[3:7] == ("–",) * 4
    assert (tmp_path / "figures" / "breakdown.csv").exists() == bool(others)
    if others:
        assert list(pd.read_csv(tmp_path / "figures" / "breakdown.csv")["strategy"]) == ["base"]


@pytest.mark.parametrize("columns", [None, 1])
@pytest.mark.parametrize("seconds", [0.5, 60])
def test_in_a_paper(load, columns, seconds):
    lanes = ("search", "read-ahead", "a lane with quite a long name")
    found = load(made_up_trace(seconds=seconds, lanes=lanes))
    check_paper(timeline.timeline(found, "title", "caption"), columns)
