"""The page about the meter's cost, on made-up samples."""

import re
from pathlib import Path

import pandas as pd
import pytest

from experiments.studies.meter_cost import LEVELS, page
from tests.experiments.studies.conftest import Study, Written


def lines(parts: list[float]) -> str:
    """What is reported if searches at ``parts`` take so long, and others 2 s."""
    rows = []
    for turn, wall in enumerate(parts):
        walls = dict.fromkeys(LEVELS, 2.0) | {"parts": wall}
        rows += [(level, turn, walls[level], 1.01 if level == "parts" else 1.0, 500) for level in LEVELS]
    samples = pd.DataFrame(rows, columns=["level", "turn", "wall", "processor", "slices"])
    return re.sub(" +", " ", "\n".join(page(samples, {"total": 1e-7, "parts": 2.1e-6}).blocks))


def test_medians_and_the_cost_of_single_parts_are_reported() -> None:
    text = lines([2.01, 2.02, 2.04, 2.03, 2.02])
    assert "| `parts` | 5 | 2.020 | 2.020–2.030 | 2.010–2.040 | +1.00% | 1.010 | +1.00% |" in text
    assert "a search has 500, which makes 1.00 ms or 0.0500% of the wall time" in text
    assert text.endswith("by the ratio of medians: kept.")


def test_a_missed_goal_and_a_spread_that_decides_nothing_are_said() -> None:
    assert lines([2.05, 2.06, 2.07, 2.06]).endswith("by the ratio of medians: not kept.")
    assert "turns spread by more than that" in lines([1.8, 2.2, 2.0, 2.3, 1.7])


def test_too_few_repeats_end_in_one_line(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert study("meter_cost", "--repeats", 1) == 1
    assert "--repeats must be at least 2" in capsys.readouterr().err


@pytest.mark.slow
def test_a_small_search_is_measured_at_every_level(study: Study, written: Written, store: Path) -> None:
    assert study("meter_cost", "--repeats", 2, "--store", store, "scale=ci", "storage=local") == 0
    assert all(f"| `{level}` | 2 |" in written("meter_cost.md") for level in LEVELS)
