"""The page about several workers, on made-up samples."""

import pandas as pd
import pytest

from experiments.studies.cluster import page
from experiments.studies.study import Page
from tests.experiments.studies.conftest import Study


def made_up(two: float, predicted: float) -> Page:
    """What is reported if two workers take so many seconds where one takes 10, and are predicted to take these."""
    rows = [
        (count, turn, wall, 3.0, 0.9 * wall)
        for turn in range(3)
        for count, wall in ((1, 10.0), (2, two + turn / 100))
    ]
    samples = pd.DataFrame(rows, columns=["workers", "turn", "wall", "start", "working"])
    told = {1: {"wall_s": 10.0, "duplicated_s": 0.0}, 2: {"wall_s": predicted, "duplicated_s": 0.5}}
    return page(samples, told)


@pytest.mark.parametrize(
    ("two", "predicted", "good"),
    [(5.5, 5.4, True), (6.5, 6.4, False), (5.5, 4.4, False), (5.5, 6.5, False)],
    ids=["as predicted", "too slow", "slower than predicted", "faster than predicted"],
)
def test_goals_decide(two: float, predicted: float, good: bool) -> None:
    found = made_up(two, predicted)
    assert found.good == good
    (line,) = found.blocks[-1].splitlines()
    reached, foreseen = 10 / (two + 0.01), 10 / predicted
    assert f"2 workers are {reached:.2f}× as fast as 1 (goal: at least 1.7)" in line
    assert f"off by {foreseen / reached - 1:+.1%}" in line


def test_one_number_of_workers_is_refused(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert study("cluster", "--workers", 2, 2) == 1
    assert "--workers needs two numbers at least" in capsys.readouterr().err
