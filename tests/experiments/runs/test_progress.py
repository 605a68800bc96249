"""What a person reads while runs are under way."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from alsatian.units import duration
from experiments.runs.progress import Progress

OK = "3.0 s (median of 3), best model m"


@pytest.fixture
def now() -> list[float]:
    return [100.0]


@pytest.fixture
def clock(now: list[float]) -> Callable[[], float]:
    return lambda: now[0]


def test_without_a_terminal_every_run_is_one_line(now: list[float], clock: Callable[[], float]) -> None:
    out = io.StringIO()
    with Progress(Console(file=out, soft_wrap=True), clock) as progress:
        progress.start(4)
        progress.skip("base")
        now[0] += 30
        progress.repeat("strategy=shift [odd]", 0, 1)()
        progress.done("strategy=shift [odd]", OK)
        now[0] += 5
        progress.failed("strategy=other", "oom")
        now[0] += 50
        progress.done("strategy=alsatian", OK)
    assert out.getvalue().splitlines() == [
        "[1/4 done, 0 failed, time left unknown] base: finished before, skipped (force=true measures again)",
        "[2/4 done, 0 failed, 60 s left] strategy=shift [odd]: 3.0 s (median of 3), best model m",
        "[2/4 done, 1 failed, 30 s left] strategy=other: oom",
        "[3/4 done, 1 failed] strategy=alsatian: 3.0 s (median of 3), best model m",
    ]


def test_a_single_run_needs_no_count(clock: Callable[[], float]) -> None:
    out = io.StringIO()
    with Progress(Console(file=out, soft_wrap=True), clock) as progress:
        progress.start(1)
        progress.done("alsatian", OK)
    assert out.getvalue() == "alsatian: 3.0 s (median of 3), best model m\n"


def test_on_a_terminal_there_is_a_bar_with_the_state(clock: Callable[[], float]) -> None:
    out = io.StringIO()
    with Progress(Console(file=out, force_terminal=True, width=120), clock) as progress:
        progress.start(2)
        progress.repeat("strategy=shift", 1, 3)()
        progress.done("strategy=shift", OK)
        progress.warn("tracking failed")
    text = out.getvalue()
    assert "strategy=shift, repeat 2 of 3" in text
    assert "0/2 done, 0 failed, time left unknown" in text
    assert "warning: tracking failed" in text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (99.4, "99 s"), (100, "2 min"), (5969, "99 min"), (7200, "2.0 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
