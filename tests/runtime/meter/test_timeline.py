"""The trace of a search: valid, in lanes that do not overlap, and adding up to the parts."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alsatian.runtime.meter.measurement import PARTS, Measurement
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.meter.timeline import MAIN, Timeline, trace_bytes
from tests.runtime.fake_time import FakeTime


@pytest.fixture
def meter(clock: FakeTime) -> Meter:
    made = Meter(torch.device("cpu"), timeline=True)
    made.start()
    return made


def slices(trace: list[dict[str, Any]], lane: str = MAIN) -> list[tuple[str, str, float, float]]:
    """Part, category, start and duration (microseconds) of the slices of ``lane``."""
    (thread,) = (e["tid"] for e in trace if e["name"] == "thread_name" and e["args"]["name"] == lane)
    return [
        (e["args"]["part"], e["cat"], e["ts"], e["dur"]) for e in trace if e["ph"] == "X" and e["tid"] == thread
    ]


def lanes(trace: list[dict[str, Any]]) -> list[str]:
    return [event["args"]["name"] for event in trace if event["name"] == "thread_name"]


def traced(measurement: Measurement) -> list[dict[str, Any]]:
    assert measurement.timeline is not None
    return measurement.timeline


def test_every_lane_shows_what_its_thread_did(meter: Meter, clock: FakeTime, beside: Callable[..., None]) -> None:
    def work() -> None:
        with meter.part("prepare_model"):
            clock.passes(1)
            with meter.part("cache_io"):
                clock.passes(2)

    clock.passes(0.5)
    with meter.part("inference"):
        clock.passes(1)
        with meter.stalled("prepare_model"):
            beside(work, "read-ahead")
        clock.passes(4)
    trace = traced(meter.so_far())
    assert lanes(trace) == [MAIN, "read-ahead"]
    assert slices(trace) == [
        ("inference", "busy", 0.5e6, 1e6),
        ("prepare_model", "stalled", 1.5e6, 3e6),
        ("inference", "busy", 4.5e6, 4e6),
    ]
    assert slices(trace, "read-ahead") == [("prepare_model", "busy", 1.5e6, 1e6), ("cache_io", "busy", 2.5e6, 2e6)]
    names = {e["name"] for e in trace if e["ph"] == "X"}
    assert names == {"inference", "prepare_model", "prepare_model (waiting)", "cache_io"}


def test_slices_of_one_part_that_touch_become_one(meter: Meter, clock: FakeTime) -> None:
    for _ in range(5):
        with meter.part("inference"):
            clock.passes(1)
            meter.settle()
    with meter.part("cache_io"):
        clock.passes(1)
    clock.passes(1)
    with meter.part("cache_io"):
        clock.passes(1)
    assert slices(traced(meter.so_far())) == [
        ("inference", "busy", 0, 5e6),
        ("cache_io", "busy", 5e6, 1e6),
        ("cache_io", "busy", 7e6, 1e6),
    ]


def test_threads_of_one_name_share_a_lane_only_one_after_the_other(
    meter: Meter, clock: FakeTime, beside: Callable[..., None]
) -> None:
    def work() -> None:
        with meter.part("prepare_model"):
            clock.passes(1)

    def both() -> None:
        work()
        beside(work, "read-ahead")

    beside(work, "read-ahead")
    beside(both, "read-ahead")
    trace = traced(meter.so_far())
    assert lanes(trace) == [MAIN, "read-ahead", "read-ahead 2"]
    assert slices(trace, "read-ahead") == [("prepare_model", "busy", 0, 2e6)]
    assert slices(trace, "read-ahead 2") == [("prepare_model", "busy", 2e6, 1e6)]


def test_a_thread_without_a_name_is_called_after_its_work(
    meter: Meter, clock: FakeTime, beside: Callable[..., None]
) -> None:
    def work() -> None:
        with meter.part("prepare_model"):
            clock.passes(1)

    for _ in range(2):
        beside(work)
    assert lanes(traced(meter.so_far())) == [MAIN, "guarded"]


def test_beyond_its_limit_a_lane_says_how_many_slices_were_dropped() -> None:
    timeline = Timeline(limit=3)
    for i in range(10):
        timeline.add(MAIN, PARTS[i % 2], i, i + 1)
    timeline.add("other", "inference", 0, 1)
    trace = timeline.trace()
    assert [part for part, *_ in slices(trace)] == ["planning", "prepare_model", "planning"]
    assert len(slices(trace, "other")) == 1
    (dropped,) = (event for event in trace if event.get("cat") == "dropped")
    assert dropped["args"] == {"slices": 7}
    assert dropped["ts"] == 3e6
    assert "7 later slices" in dropped["name"]


def test_events_are_marked(meter: Meter, clock: FakeTime) -> None:
    clock.passes(1)
    meter.event("out_of_memory", bytes=7)
    (event,) = (e for e in traced(meter.so_far()) if e["ph"] == "i")
    assert (event["name"], event["ts"], event["args"]["bytes"]) == ("out_of_memory", 1e6, 7)


Steps = st.lists(
    st.tuples(
        st.sampled_from(PARTS),
        st.booleans(),
        st.floats(0, 10, allow_subnormal=False),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=40,
)


@given(steps=Steps)
def test_slices_are_disjoint_and_add_up_to_the_parts(steps: list[tuple[str, bool, float, int, bool]]) -> None:
    fake = FakeTime()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alsatian.runtime.meter.clock.time", fake)
        meter = Meter(torch.device("cpu"), timeline=True)
        meter.start()
        inside = []
        for part, stalled, seconds, leave, settle in steps:
            inside.append(meter.stalled(part) if stalled else meter.part(part))
            inside[-1].__enter__()
            fake.passes(seconds)
            if settle:
                meter.settle()
            for _ in range(min(leave, len(inside))):
                inside.pop().__exit__(None, None, None)
                fake.passes(seconds / 2)
        while inside:
            inside.pop().__exit__(None, None, None)
        measurement = meter.so_far()
    trace = json.loads(trace_bytes(traced(measurement)))["traceEvents"]
    sums: defaultdict[str, float] = defaultdict(float)
    waits: defaultdict[str, float] = defaultdict(float)
    end = 0.0
    for part, category, start, duration in slices(trace):
        assert start >= end - 1e-6
        assert duration >= 0
        end = start + duration
        sums[part] += duration / 1e6
        waits[part] += duration / 1e6 if category == "stalled" else 0
    assert end <= measurement.wall_s * 1e6 + 1e-2
    for part in PARTS:
        assert sums[part] == pytest.approx(measurement.parts_s[part], abs=1e-6)
        assert waits[part] == pytest.approx(measurement.stalled_s[part], abs=1e-6)


def test_the_file_is_a_trace_that_viewers_read(meter: Meter, clock: FakeTime) -> None:
    with meter.part("inference"):
        clock.passes(1)
    meter.event("out_of_memory")
    document = json.loads(trace_bytes(traced(meter.so_far())))
    events = document["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X", "i"}
    for event in events:
        assert {"name", "ph", "pid", "tid", "args"} <= set(event)
        assert event["ph"] == "M" or event["ts"] >= 0
        assert event["ph"] != "X" or event["dur"] > 0
    with pytest.raises(ValueError, match="JSON"):
        trace_bytes([{"ts": float("nan")}])


def test_many_threads_add_at_once() -> None:
    timeline = Timeline()
    start = threading.Barrier(8)

    def work(lane: str) -> None:
        start.wait()
        for i in range(500):
            timeline.add(lane, "inference", 2 * i, 2 * i + 1)

    threads = [threading.Thread(target=work, args=(f"lane-{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(len(slices(timeline.trace(), f"lane-{i}")) == 500 for i in range(8))


def test_without_the_setting_there_is_no_timeline(clock: FakeTime) -> None:
    meter = Meter(torch.device("cpu"))
    meter.start()
    with meter.part("inference"):
        clock.passes(1)
    assert meter.so_far().timeline is None
