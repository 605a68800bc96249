"""The comparison of ``auto`` with ``alsatian``, on made-up searches and on a small one."""

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from alsatian.api import SearchResult
from alsatian.errors import AlsatianError, BudgetError
from alsatian.runtime.meter.measurement import PARTS, Measurement
from alsatian.searching.round_result import RoundResult
from experiments.studies.auto import Memory, entrants, measure
from experiments.studies.auto.page import AUTO, USUAL, page
from tests.experiments.studies.conftest import Study, Written

AMPLE, TIGHT = Memory("100%", "25%", 1000, 500), Memory("2%", "25%", 20, 500)


Sample = dict[str, Any]


def sample(memory: Memory, schedule: str, strategy: str, wall: float | None, **more: Any) -> Sample:
    rest = {"planning_s": 0.0, "bytes_read": 0, "memory_bytes": 0, "schedule_chosen": "", "notes": ()}
    return {**asdict(memory), "schedule": schedule, "strategy": strategy, "wall_s": wall, **rest, **more}


def searches(memory: Memory, usual: Sequence[float | None], auto: Sequence[float], schedule: str) -> list[Sample]:
    own = {"planning_s": 0.01, "bytes_read": 3_000_000, "memory_bytes": 400}
    other = {
        "planning_s": 0.02,
        "bytes_read": 1_000_000,
        "memory_bytes": 520,
        "notes": ("predicted 1 s", "as usual"),
    }
    return [
        *(sample(memory, schedule, USUAL, wall, **own) for wall in usual),
        *(sample(memory, schedule, AUTO, wall, **other) for wall in auto),
    ]


def text(samples: Sequence[Sample]) -> str:
    return re.sub(" +", " ", "\n".join(page(pd.DataFrame(samples)).blocks))


def test_ratios_are_of_the_same_turn_and_medians_decide() -> None:
    ample = searches(AMPLE, [2.0, 4.0, 2.0], [2.1, 4.0, 2.08], "halving")
    lines = text([*ample, *searches(TIGHT, [8.0, 8.0, 10.0], [2.0, 4.0, 2.0], "halving")])
    assert (
        "kept, at 2 of 2 pairs and schedules; the largest ratio is 1.04 (1.00–1.05), at cache 100%, blocks" in lines
    )
    assert "Where memory is tight (a share of at most 10 %) the ratio is 0.25, the medians of 1." in lines
    assert "| 2% | 25% | 520 B | 3 | 8.00 (8.00–10.00) | 2.00 (2.00–4.00) | 0.25 (0.20–0.50) | 3.0 → 1.0 |" in lines
    assert "- cache 2%, blocks 25%: predicted 1 s." in lines
    assert "Planning takes 1.0% of the time of `auto`, at most 1.0%." in lines


def test_a_missed_goal_and_what_does_not_fit_are_said() -> None:
    slow = searches(AMPLE, [2.0, 2.0], [2.2, 2.2], "exhaustive")
    lines = text([*slow, *searches(TIGHT, [None], [2.0, 2.0], "exhaustive")])
    assert "slower: not kept, at 0 of 1 pairs and schedules; the largest ratio is 1.10 (1.10–1.10)" in lines
    assert "Only `auto` finds a plan that fits: cache 2%, blocks 25%, exhaustive." in lines
    assert "| 2% | 25% | 520 B | 0 | does not fit | 2.00 (2.00–2.00) | – | – → 1.0 |" in lines
    assert "Nothing fits both" in text(searches(TIGHT, [None], [2.0], "halving"))
    assert "Nothing fits both" in text(searches(TIGHT, [], [2.0], "adaptive"))


def test_an_adaptive_schedule_is_held_against_both() -> None:
    samples = [
        *searches(AMPLE, [2.0, 2.0], [3.0, 3.0], "halving"),
        *searches(AMPLE, [5.0, 5.0], [4.0, 4.0], "exhaustive"),
        *(sample(AMPLE, "adaptive", AUTO, 3.3, schedule_chosen="halving") for _ in range(2)),
    ]
    row = "| 100% | 25% | 3.00 (3.00–3.00) | 4.00 (4.00–4.00) | 3.30 (3.30–3.30) | halving | 1.10 |"
    assert row in text(samples)
    data = page(pd.DataFrame(samples)).data
    assert data is not None
    rows = list(csv.DictReader(data.to_csv(index=False).splitlines()))
    assert len(rows) == len(samples)
    assert rows[-1]["schedule_chosen"] == "halving"
    assert rows[2]["notes"] == "predicted 1 s | as usual"


def result(wall: float, score: float = 0.5, memory: int = 100) -> SearchResult:
    parts = dict.fromkeys(PARTS, wall / len(PARTS))
    events = [{"kind": "plan", "at_s": 0.0, "models": 1, "note": "as usual"}]
    measured = Measurement(wall, parts, {"bytes_read": 7}, {"memory_bytes": memory}, events=events)
    finished = RoundResult(train_items=8, scores={"one": score}, fingerprints={}, chunks=1)
    return SearchResult(("one",), (finished,), measured)


def test_all_take_turns_and_what_does_not_fit_is_tried_once() -> None:
    order: list[tuple[str, str, str]] = []

    def run(strategy: str, schedule: str, memory: Memory) -> SearchResult:
        order.append((strategy, schedule, memory.cache))
        if memory is TIGHT and strategy == USUAL:
            raise BudgetError("too small")
        return result(1.0)

    schedules = ["halving", "adaptive"]
    assert entrants(schedules) == [(USUAL, "halving"), (AUTO, "halving"), (AUTO, "adaptive")]
    samples = list(measure(run, [AMPLE, TIGHT], schedules, turns=3))
    assert [strategy for strategy, _, _ in order[3:12]] == [USUAL, AUTO, AUTO, AUTO, AUTO, USUAL, AUTO, USUAL, AUTO]
    assert len([one for one in samples if one["wall_s"] is None]) == 1
    assert order.count((USUAL, "halving", "2%")) == 1
    assert samples[0]["notes"] == ("as usual",)
    assert samples[0]["bytes_read"] == 7


def test_other_scores_and_too_much_memory_are_errors() -> None:
    def differing(strategy: str, schedule: str, memory: Memory) -> SearchResult:
        return result(1.0, score=0.5 if strategy == USUAL else 0.25)

    with pytest.raises(AlsatianError, match="model one on 8 items: scores or features differ"):
        list(measure(differing, [AMPLE], ["halving"], turns=2))
    with pytest.raises(AlsatianError, match="had 1501 bytes where 100% and 25% are 1500"):
        list(measure(lambda *_: result(1.0, memory=1501), [AMPLE], ["halving"], turns=2))


@pytest.mark.slow
def test_the_command_writes_page_and_csv(study: Study, written: Written, store: Path, tmp_path: Path) -> None:
    small = ["--set", "scale=ci", "storage=local", "batch_size=16"]
    words = ["--cache", "100%", "25%", "--blocks", "50%", "--turns", "2", "--schedules", "halving", "adaptive"]
    assert study("auto", *words, "--store", store, *small) == 0
    rows = list(csv.DictReader((tmp_path / "pages" / "auto.csv").open()))
    assert len(rows) == 2 * 3 * 2
    assert {row["schedule_chosen"] for row in rows if row["schedule"] == "adaptive"} <= {"halving", "exhaustive"}
    assert all(row["notes"] for row in rows if row["strategy"] == AUTO)
    assert "## Adaptive" in written("auto.md")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--turns", "1"], "--turns must be at least 2"),
        (["--cache", "16MiB"], "--cache 16MiB: not a share; write e.g. 25%"),
        (["--blocks", "0%"], "--blocks=0%: not a share"),
        (["--set", "scale=no"], "scale"),
    ],
)
def test_bad_words_end_in_one_line(
    study: Study, words: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study("auto", *words, "--store", tmp_path) == 1
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
