"""Marks of what was measured while others used the machine."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from alsatian.costs.profiling import busy
from alsatian.costs.profiling.busy import Watch, changed, largest_load, mark, without_marked

CPU = torch.device("cpu")


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the system's load average on 4 cores, to which this process has added nothing."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    return lambda value: monkeypatch.setattr(os, "getloadavg", lambda: (value, 0.0, 0.0))


@pytest.mark.parametrize(("value", "busy_load"), [(0.0, 0.0), (2.0, 0.0), (2.1, 2.1), (9.0, 9.0)])
def test_a_machine_is_busy_above_half_a_process_a_core(load: Any, value: float, busy_load: float) -> None:
    load(value)
    assert Watch(CPU).load == busy_load


def test_what_this_process_computes_itself_does_not_count(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load(3.0)
    age = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: age + 1e6)  # it runs for long
    monkeypatch.setattr(time, "process_time", lambda: 2.5e6)  # on two and a half cores
    assert Watch(CPU).load == 0.0


@pytest.mark.parametrize(("cpu", "seconds"), [(10.0, 0.0), (8.5, 0.0), (5.0, 0.5)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_process_that_misses_cpu_time_is_not_alone(
    load: Any, monkeypatch: pytest.MonkeyPatch, cpu: float, seconds: float, device: str
) -> None:
    load(0.0)
    watch = Watch(torch.device(device))
    clocks = {"perf_counter": iter([0.0, 10.0]), "process_time": iter([0.0, cpu])}
    monkeypatch.setattr(
        busy, "time", SimpleNamespace(**{name: lambda own=own: next(own) for name, own in clocks.items()})
    )
    with watch.computing():
        pass
    assert watch.load == (pytest.approx(seconds) if device == "cpu" else 0.0)


def test_marks_are_of_what_changed_and_go_with_it() -> None:
    before: dict[str, Any] = {"segments": {"a": 1, "b": 2}, "load": {"rate": 5}, "busy": {"segments b": 3.0}}
    known = {"segments": {"a": 1, "b": 3, "c": 4}, "load": {"rate": 6}, "busy": {"segments b": 3.0}}
    assert changed(known, before) == [("segments", "b"), ("segments", "c"), ("load", "rate")]
    mark(known, changed(known, before), 1.234)
    assert known["busy"] == {"segments b": 1.23, "segments c": 1.23, "load rate": 1.23}
    assert largest_load(known, {"segments": ["a"]}) == 0.0
    assert largest_load(known, {"segments": ["a", "c"], "load": known["load"]}) == 1.23
    left = without_marked(known)
    assert left == {"segments": {"a": 1}, "load": {}, "busy": {}}
    assert known["segments"] == {"a": 1, "b": 3, "c": 4}
    quiet = {**left, "segments": {"a": 1, "b": 7}}
    quiet["busy"] = {"segments b": 3.0, "segments c": 1.0}
    mark(quiet, [("segments", "b")], 0.0)
    assert quiet["busy"] == {"segments c": 1.0}
