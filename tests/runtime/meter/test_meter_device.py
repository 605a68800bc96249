"""The meter on a device that works beside the host; with made-up events, so that no device is needed."""

from typing import Any

import pytest
import torch

from alsatian.runtime.meter.meter import Meter
from tests.runtime.fake_time import FakeTime


class FakeDevice:
    """Works through what is queued, one after the other, beside the host; knows how often it was waited for."""

    def __init__(self, clock: FakeTime) -> None:
        self.clock = clock
        self.free_at = 0.0
        self.waits = 0

    def queue(self, seconds: float) -> None:
        self.free_at = max(self.clock.now, self.free_at) + seconds

    def wait(self, until: float) -> None:
        self.waits += 1
        self.clock.now = max(self.clock.now, until)


@pytest.fixture
def device(clock: FakeTime, monkeypatch: pytest.MonkeyPatch) -> FakeDevice:
    made = FakeDevice(clock)

    class Event:
        def __init__(self, enable_timing: bool) -> None:
            assert enable_timing

        def record(self) -> None:
            self.at = max(clock.now, made.free_at)

        def synchronize(self) -> None:
            made.wait(self.at)

        def elapsed_time(self, end: Any) -> float:
            return float(1000 * (end.at - self.at))

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: made.wait(made.free_at))
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 123)
    return made


def test_parts_and_timeline_are_the_devices(device: FakeDevice, clock: FakeTime) -> None:
    meter = Meter(torch.device("cuda"), timeline=True)
    meter.start()
    waits = device.waits
    with meter.part("inference"):
        device.queue(4)
        clock.passes(1)
    with meter.part("prepare_data"):
        clock.passes(2)  # beside the device's work, so it costs nothing
    with meter.part("prepare_model"):
        clock.passes(2)  # one second longer than the device works
    assert device.waits == waits
    assert clock.now == 105
    meter.settle()
    with meter.part("inference"):
        device.queue(3)
    measurement = meter.so_far()
    assert measurement.wall_s == 8
    parts = {part: s for part, s in measurement.parts_s.items() if s}
    assert parts == {"inference": 7, "prepare_model": 1}
    assert measurement.busy_s == measurement.parts_s
    slices = [(e["name"], e["ts"] / 1e6, e["dur"] / 1e6) for e in measurement.timeline or [] if e["ph"] == "X"]
    assert slices == [("inference", 0, 4), ("prepare_model", 4, 1), ("inference", 5, 3)]
    assert measurement.process["peak_device_bytes"] == 123


def test_at_level_total_nothing_is_queued_or_waited_for_before_the_end(
    device: FakeDevice, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(torch.device("cuda"), level="total")
    meter.start()
    waits = device.waits
    monkeypatch.delattr(torch.cuda, "Event")
    with meter.part("inference"):
        device.queue(4)
    meter.settle()
    assert device.waits == waits
    assert meter.so_far().wall_s == 4
