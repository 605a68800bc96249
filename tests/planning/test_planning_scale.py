"""Very many models are planned, measured and reported, unless the machine has no memory for them.

With ``--pages docs/results`` up to 100,000 models are planned (minutes) and the outcome is written as a page;
``--words "--models 1000 10000 100000 1000000"`` asks for others, with the arguments of ``planning_scale.py``.
"""

from collections.abc import Callable

import pytest

from alsatian.errors import AlsatianError, ConfigError
from experiments.studies.study import apart, parse
from tests.planning import planning_scale


@pytest.mark.slow
def test_a_small_set_is_measured_and_reported(measured: Callable[..., str], pytestconfig: pytest.Config) -> None:
    text = measured(planning_scale, "planning_scale", "--models", 30, "--repeats", 2)
    if pytestconfig.getoption("--pages"):
        return
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
def test_what_cannot_be_measured_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        next(planning_scale.run(parse(planning_scale, "--words", words), print))


def test_a_failed_measurement_is_an_error() -> None:
    with pytest.raises(AlsatianError, match=r"planning models failed: .*'str'"):
        apart("planning models", planning_scale.measure, "many")  # type: ignore[arg-type]
