"""What is seen while a search runs: a line a round, and how long it will still take."""

import io
from dataclasses import replace
from types import SimpleNamespace

import pytest
from rich.console import Console

from alsatian.proxies.base import Evaluation
from alsatian.runtime.scorer import Scored
from alsatian.searching.outlook import Outlook
from alsatian.searching.round_result import RoundResult
from alsatian.searching.strategy import Strategy
from experiments.search.live import Live

EXPECTED = Outlook(((4, 8, 10.0), (2, 16, 10.0)), 20.0, 60.0)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def live(clock: Clock) -> Live:
    made = Live(Console(file=io.StringIO(), width=80), clock)
    made._expected = EXPECTED
    return made


@pytest.mark.parametrize(
    ("seconds", "done", "left"),
    [
        (0.0, 0, "20 s left"),  # as expected
        (5.0, 1, "15 s left"),  # half of a half, in the time expected
        (10.0, 1, "30 s left"),  # twice as slow: a quarter took 10 s
        (1.0, 2, "1 s left"),
        (30.0, 0, "0 s left"),  # more than was expected, and nothing is known yet
    ],
)
def test_the_time_left(live: Live, clock: Clock, seconds: float, done: int, left: str) -> None:
    live.round_begins(1, list("abcd"), 8)
    live.planned(2, {})
    for _ in range(done):
        live.step_ended()
    clock.now = seconds
    assert live._left() == left


@pytest.mark.parametrize(
    ("profile_s", "busy", "line"),
    [
        (0.25, 0.0, "           measuring took 0.25 s"),
        (0.25, 1.7, "           measuring took 0.25 s; measured on a busy machine, load 1.7"),
        (0.01, 1.7, "           measured on a busy machine, load 1.7"),
        (0.01, 0.0, None),  # all was known
    ],
)
def test_what_measuring_took_stands_below_the_plan(
    live: Live, profile_s: float, busy: float, line: str | None
) -> None:
    models = SimpleNamespace(candidates=(), segments={}, total_bytes=8, distinct_bytes=8, notes=(), refused={})
    search = SimpleNamespace(strategy=Strategy())
    expected = replace(EXPECTED, profile_s=profile_s, busy=busy)
    live.starts(models, SimpleNamespace(test_items=()), search, expected, None)  # type: ignore[arg-type]
    printed = live._console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert printed[1].startswith("Plan       alsatian, halving: 2 rounds, about 20 s")
    assert printed[2:] == ([] if line is None else [line])


def test_the_second_round_begins_where_the_first_ends(live: Live, clock: Clock) -> None:
    clock.now = 40.0
    live.round_begins(2, list("ab"), 16)
    assert live._left() == "40 s left"


def test_the_best_up_to_now_is_named_beside_the_bar(live: Live) -> None:
    scored: dict[str, Scored] = {}
    live.round_begins(1, list("abcd"), 8)
    live.planned(2, scored)
    assert live._now() == "round 1/2: 4 models, 8 items"
    scored["a"] = Scored({"p": Evaluation(0.25)})
    scored["a/long/name/of/a/model"] = Scored({"p": Evaluation(0.5)})
    assert live._now() == "round 1/2: 4 models, 8 items, best …ong/name/of/a/model 0.5000"


def test_without_a_terminal_a_round_is_a_line(live: Live, clock: Clock) -> None:
    with live:
        live.reading("reading models", 1, 2)
        live.round_begins(1, list("ab"), 8)
        live.planned(1, {})
        live.step_ended()
        clock.now = 3.0
        live.round_ends(1, RoundResult(8, {"a": 0.5, "b": 0.75}, {}, 1), ["b"])
    printed = live._console.file.getvalue()  # type: ignore[attr-defined]
    (line,) = printed.splitlines()
    assert line.startswith("Round 1/2")
    for said in ("2 models", "8+0 items", "1 stays", "best b 0.7500", "3 s"):
        assert said in line, said
