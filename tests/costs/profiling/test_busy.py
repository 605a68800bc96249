"""Marks of what was measured while others used the machine."""

import os
import time
from types import SimpleNamespace
from typing import Any

import pytest

from alsatian.costs.profiling import busy
from alsatian.costs.profiling.busy import LONGER, Watch, changed, largest_load, longer, mark, without_marked
from alsatian.records import Conditions
from alsatian.runtime.meter.surroundings import measure_beside


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the system's load average on 4 cores, to which this process has added nothing."""
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(time, "process_time", lambda: 0.0)
    return lambda value: monkeypatch.setattr(os, "getloadavg", lambda: (value, 0.0, 0.0))


@pytest.mark.parametrize(("value", "busy_load"), [(0.0, 0.0), (2.0, 0.0), (2.1, 2.1), (9.0, 9.0)])
def test_a_machine_is_busy_above_half_a_process_a_core(load: Any, value: float, busy_load: float) -> None:
    load(value)
    assert Watch().load == busy_load


def test_what_this_process_computes_itself_does_not_count(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    load(3.0)
    age = time.clock_gettime(time.CLOCK_BOOTTIME)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: age + 1e6)  # it runs for long
    monkeypatch.setattr(time, "process_time", lambda: 2.5e6)  # on two and a half cores
    assert Watch().load == 0.0


def test_a_machine_with_other_runs_of_the_sweep_is_busy(load: Any) -> None:
    load(0.0)
    watch = Watch()
    measure_beside(2)
    try:
        assert watch.load == 2.0
    finally:
        measure_beside(0)
    assert watch.load == 0.0


@pytest.mark.parametrize(
    ("others", "seconds", "cores"),
    [
        (0.0, 10.0, 0.0),  # whatever the load average, which is behind the times
        (1.9, 10.0, 0.0),
        (2.1, 10.0, 0.21),
        (30.0, 10.0, 3.0),
        (0.4, 0.4, 9.0),  # too short to know: the load average has to do
        (None, 10.0, 9.0),
    ],
)
def test_who_takes_the_cores_is_known_after_a_while(
    load: Any, monkeypatch: pytest.MonkeyPatch, others: float | None, seconds: float, cores: float
) -> None:
    load(9.0)
    found = Conditions(cores=4, others_s=others)
    monkeypatch.setattr(busy, "Surroundings", lambda: SimpleNamespace(until_now=lambda: found))
    now = iter([5.0, 5.0 + seconds, 5.0 + seconds])
    monkeypatch.setattr(time, "monotonic", lambda: next(now))
    watch = Watch()
    assert watch.load == pytest.approx(cores)
    assert longer(watch) == (LONGER if cores else 1)


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
