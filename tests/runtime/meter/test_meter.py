"""Parts are exclusive and add up; tested with a clock that only moves when told to."""

import contextlib
from collections.abc import Callable

import pytest
import torch

from alsatian.errors import ConfigError
from alsatian.runtime.meter.measurement import PARTS, TOLERANCE, Measurement
from alsatian.runtime.meter.meter import Meter
from tests.runtime.fake_time import FakeTime


def seconds(measurement: Measurement) -> dict[str, float]:
    """The parts that took any time."""
    return {part: value for part, value in measurement.parts_s.items() if value}


def test_parts_have_the_time_inside_them(meter: Meter, clock: FakeTime) -> None:
    with meter.part("planning"):
        clock.passes(1)
    clock.passes(0.25)
    with meter.part("inference"):
        clock.passes(2)
    with meter.part("planning"):
        clock.passes(4)
    measurement = meter.so_far()
    assert measurement.wall_s == 7.25
    assert seconds(measurement) == {"planning": 5, "inference": 2}
    assert tuple(measurement.parts_s) == PARTS
    assert measurement.unattributed_s == 0.25


def test_an_inner_parts_time_is_not_the_outers(meter: Meter, clock: FakeTime) -> None:
    with meter.part("inference"):
        clock.passes(1)
        with meter.part("cache_io"):
            clock.passes(2)
            with meter.part("inference"):
                clock.passes(4)
            clock.passes(8)
        clock.passes(16)
    measurement = meter.so_far()
    assert seconds(measurement) == {"inference": 21, "cache_io": 10}
    assert measurement.unattributed_s == 0


def test_an_error_ends_a_part(meter: Meter, clock: FakeTime) -> None:
    def fail() -> None:
        with meter.part("planning"):
            clock.passes(1)
            raise ValueError("x")

    with meter.part("other"), pytest.raises(ValueError, match="x"):
        fail()
    clock.passes(5)
    with meter.part("other"):
        clock.passes(2)
    measurement = meter.so_far()
    assert seconds(measurement) == {"planning": 1, "other": 2}
    assert measurement.unattributed_s == 5


def test_settling_in_the_middle_changes_nothing(meter: Meter, clock: FakeTime) -> None:
    with meter.part("inference"):
        clock.passes(1)
        meter.settle()
        clock.passes(2)
        meter.settle()
        meter.settle()
    clock.passes(4)
    meter.settle()
    with meter.part("planning"):
        clock.passes(8)
    measurement = meter.so_far()
    assert seconds(measurement) == {"inference": 3, "planning": 8}
    assert measurement.wall_s == 15


def test_long_searches_do_not_collect_marks(meter: Meter, clock: FakeTime) -> None:
    for _ in range(60_000):
        with meter.part("cache_io"):
            clock.passes(0.5)
    assert len(meter._marks) < 100_002
    measurement = meter.so_far()
    assert seconds(measurement) == {"cache_io": 30_000}
    assert measurement.wall_s == 30_000


def test_time_before_the_start_does_not_count(clock: FakeTime) -> None:
    meter = Meter(torch.device("cpu"))
    clock.passes(50)
    meter.start()
    with meter.part("planning"):
        clock.passes(1)
    assert meter.so_far().wall_s == 1


@pytest.mark.parametrize(
    ("inside", "outside", "valid"), [(95, 5, True), (94, 6, False), (1, 0, True), (0, 1, False), (0, 0, True)]
)
def test_a_measurement_is_valid_if_its_parts_add_up(
    meter: Meter, clock: FakeTime, inside: float, outside: float, valid: bool
) -> None:
    assert TOLERANCE == 0.05
    with meter.part("inference"):
        clock.passes(inside)
    clock.passes(outside)
    assert meter.so_far().valid is valid


def test_parts_beyond_the_wall_time_are_invalid_too() -> None:
    assert not Measurement(1.0, {"inference": 1.06}, {}, {}).valid
    assert Measurement(1.0, {"inference": 1.04}, {}, {}).valid


def test_an_unknown_part_is_an_error(meter: Meter, clock: FakeTime) -> None:
    with meter.part("nonsense"):
        clock.passes(1)
    with pytest.raises(KeyError, match="nonsense"):
        meter.so_far()


def test_counters_and_peaks_are_reported_by_name(meter: Meter) -> None:
    meter.counters["hits"] += 2
    meter.counters["blocks_read"] += 1
    meter.peak("cache_bytes", 5)
    meter.peak("cache_bytes", 3)
    meter.peak("cache_bytes", 7)
    measurement = meter.so_far()
    assert list(measurement.counters.items()) == [("blocks_read", 1), ("hits", 2)]
    assert measurement.peaks == {"cache_bytes": 7}


def test_at_level_total_only_the_parts_are_missing(clock: FakeTime) -> None:
    meter = Meter(torch.device("cpu"), level="total")
    meter.start()
    for enter in (meter.part, meter.stalled):
        with enter("inference"):
            clock.passes(1)
    meter.settle()
    meter.counters["hits"] += 3
    meter.peak("cache_bytes", 5)
    meter.event("out_of_memory")
    measurement = meter.so_far()
    assert measurement.level == "total"
    assert measurement.wall_s == 2
    assert measurement.parts_s == measurement.busy_s == measurement.stalled_s == {}
    assert measurement.valid
    assert measurement.timeline is None
    assert (measurement.counters, measurement.peaks) == ({"hits": 3}, {"cache_bytes": 5})
    assert [event["kind"] for event in measurement.events] == ["out_of_memory"]


def test_at_level_total_parts_neither_read_the_clock_nor_leave_marks(clock: FakeTime) -> None:
    meter = Meter(torch.device("cpu"), level="total")
    meter.start()
    before = clock.readings
    for _ in range(10):
        with meter.part("inference"), meter.stalled("prepare_model"), meter.part("cache_io"):
            pass
    meter.settle()
    assert clock.readings == before
    assert meter._marks == []


def test_stalled_time_is_the_parts_but_not_its_work(meter: Meter, clock: FakeTime) -> None:
    with meter.part("prepare_model"):
        clock.passes(1)
        with meter.stalled("prepare_model"):
            clock.passes(2)
            with meter.part("cache_io"):
                clock.passes(4)
            clock.passes(8)
        clock.passes(16)
    with meter.stalled("cache_io"):
        clock.passes(32)
    measurement = meter.so_far()
    assert seconds(measurement) == {"prepare_model": 27, "cache_io": 36}
    assert {part: s for part, s in measurement.stalled_s.items() if s} == {"prepare_model": 10, "cache_io": 32}
    assert {part: s for part, s in measurement.busy_s.items() if s} == {"prepare_model": 17, "cache_io": 4}
    assert tuple(measurement.busy_s) == tuple(measurement.stalled_s) == PARTS


def test_work_of_another_thread_is_busy_but_not_in_the_parts(
    meter: Meter, clock: FakeTime, beside: Callable[..., None]
) -> None:
    def work() -> None:
        with meter.part("prepare_model"):
            clock.passes(1)
            with meter.part("cache_io"):
                clock.passes(2)
            with meter.stalled("prepare_model"):
                clock.passes(4)
            clock.passes(8)
        clock.passes(16)

    with meter.part("inference"):
        beside(work)
        clock.passes(32)
    measurement = meter.so_far()
    assert seconds(measurement) == {"inference": 63}
    assert {part: s for part, s in measurement.busy_s.items() if s} == {
        "inference": 63,
        "prepare_model": 9,
        "cache_io": 2,
    }
    assert not any(measurement.stalled_s.values())
    assert measurement.valid


def test_a_part_counts_as_busy_in_another_thread(
    meter: Meter, clock: FakeTime, beside: Callable[..., None]
) -> None:
    def work() -> None:
        with meter.part("prepare_model"):
            clock.passes(1)

    with meter.part("inference"):
        beside(work)
    with meter.part("cache_io"):
        clock.passes(2)
    measurement = meter.so_far()
    assert seconds(measurement) == {"inference": 1, "cache_io": 2}
    assert measurement.busy_s["prepare_model"] == 1


def test_an_error_in_another_thread_ends_its_work(
    meter: Meter, clock: FakeTime, beside: Callable[..., None]
) -> None:
    def work() -> None:
        with meter.part("cache_io"):
            clock.passes(1)
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        beside(work)
    clock.passes(2)
    assert meter.so_far().busy_s["cache_io"] == 1


def test_an_unknown_part_of_another_thread_is_an_error(
    meter: Meter, clock: FakeTime, beside: Callable[..., None]
) -> None:
    def work() -> None:
        with meter.part("nonsense"):
            clock.passes(1)

    beside(work)
    with pytest.raises(KeyError, match="nonsense"):
        meter.so_far()


def test_events_keep_their_order_time_and_facts(meter: Meter, clock: FakeTime) -> None:
    clock.passes(1.5)
    meter.event("out_of_memory", bytes=7)
    clock.passes(1)
    meter.event("excluded", model="m1", reason="NaN")
    assert meter.so_far().events == [
        {"kind": "out_of_memory", "at_s": 1.5, "bytes": 7},
        {"kind": "excluded", "at_s": 2.5, "model": "m1", "reason": "NaN"},
    ]


@pytest.mark.parametrize(
    ("level", "timeline", "message"),
    [
        ("part", False, "meter.level=part: did you mean 'parts'"),
        ("x", False, "meter.level=x: valid are: parts, total"),
        (None, False, "meter.level=None: valid are"),
        ("parts", "yes", "meter.timeline=yes: must be true or false"),
        ("total", True, "meter.timeline=true: .* use parts"),
    ],
)
def test_unusable_settings_are_refused(level: str, timeline: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Meter(torch.device("cpu"), level, timeline)


def test_the_fastest_run_of_a_code_is_kept(meter: Meter, clock: FakeTime) -> None:
    for first, second in ((3, 5), (2, 7)):
        with meter.part("inference", 0):
            clock.passes(first)
            meter.ran("a", 8)
            clock.passes(second)
            meter.ran("b", 8)
            clock.passes(1)  # what follows belongs to neither
        meter.settle()
    with contextlib.suppress(RuntimeError), meter.part("inference", 0):
        clock.passes(0.5)
        raise RuntimeError("before it was through")
    meter.ran("outside of any part", 8)
    found = meter.so_far()
    assert meter.best_s == {("a", 8): 2, ("b", 8): 5}
    assert found.parts_s["inference"] == 19.5
    for nbytes, seconds in ((10, 2.0), (10, 1.0), (10, 0.0)):
        meter.read(nbytes, seconds)
    assert meter.best_read == 10
