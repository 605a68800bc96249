"""The study of planning measures, reports, and refuses what the machine has no memory for."""

import pytest

from alsatian.errors import AlsatianError
from experiments.studies import planning_scale
from experiments.studies.study import apart
from tests.experiments.studies.conftest import Study, Written


@pytest.mark.slow
def test_a_small_set_is_measured_and_reported(study: Study, written: Written) -> None:
    assert study("planning_scale", "--models", 30, "--repeats", 2) == 0
    text = written("planning_scale.md")
    first, around, facts = (line for line in text.splitlines() if line.startswith("| 30 |"))
    cells = first.split("|")[2:-1]
    assert cells[0].strip() == "2"
    stages = [float(cell.partition("(")[0]) for cell in cells[1:6]]
    assert all(seconds > 0 for seconds in stages)
    assert "GB" in first
    assert len(around.split("|")) == len(planning_scale.OTHERS) + 4
    assert facts.startswith("| 30 | 1,200 |")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--models", "0"], "at least 1"),
        (["--models", "10", "--repeats", "0"], "at least 1"),
        (["--models", str(10**12)], "GB of memory are needed"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    study: Study, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study("planning_scale", *words) == 1
    assert message in capsys.readouterr().err


def test_a_failed_measurement_is_an_error() -> None:
    with pytest.raises(AlsatianError, match=r"planning models failed: .*'str'"):
        apart("planning models", planning_scale.measure, "many")  # type: ignore[arg-type]
