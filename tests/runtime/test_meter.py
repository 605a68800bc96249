"""Parts are exclusive and add up; tested with a clock that only moves when told to."""

from types import SimpleNamespace

import pytest
import torch

from alsatian.runtime import meter as module
from alsatian.runtime.meter import PARTS, TOLERANCE, Measurement, Meter


class FakeTime:
    """Stands in for the module time."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=fake.perf_counter))
    return fake


@pytest.fixture
def meter(clock: FakeTime) -> Meter:
    made = Meter(torch.device("cpu"))
    made.start()
    return made


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
    measurement = meter.finish()
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
    measurement = meter.finish()
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
    measurement = meter.finish()
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
    measurement = meter.finish()
    assert seconds(measurement) == {"inference": 3, "planning": 8}
    assert measurement.wall_s == 15


def test_long_searches_do_not_collect_marks(meter: Meter, clock: FakeTime) -> None:
    for _ in range(60_000):
        with meter.part("cache_io"):
            clock.passes(0.5)
    assert len(meter._marks) < 100_002
    measurement = meter.finish()
    assert seconds(measurement) == {"cache_io": 30_000}
    assert measurement.wall_s == 30_000


def test_time_before_the_start_does_not_count(clock: FakeTime) -> None:
    meter = Meter(torch.device("cpu"))
    clock.passes(50)
    meter.start()
    with meter.part("planning"):
        clock.passes(1)
    assert meter.finish().wall_s == 1


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
    assert meter.finish().valid is valid


def test_parts_beyond_the_wall_time_are_invalid_too() -> None:
    assert not Measurement(1.0, {"inference": 1.06}, {}, {}).valid
    assert Measurement(1.0, {"inference": 1.04}, {}, {}).valid


def test_an_unknown_part_is_an_error(meter: Meter, clock: FakeTime) -> None:
    with meter.part("nonsense"):
        clock.passes(1)
    with pytest.raises(KeyError, match="nonsense"):
        meter.finish()


def test_counters_and_peaks_are_reported_by_name(meter: Meter) -> None:
    meter.counters["hits"] += 2
    meter.counters["blocks_read"] += 1
    meter.peak("cache_bytes", 5)
    meter.peak("cache_bytes", 3)
    meter.peak("cache_bytes", 7)
    measurement = meter.finish()
    assert list(measurement.counters.items()) == [("blocks_read", 1), ("hits", 2)]
    assert measurement.peaks == {"cache_bytes": 7}
