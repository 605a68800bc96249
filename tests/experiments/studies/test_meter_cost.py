"""The report of the benchmark of the meter's cost, on made-up samples."""

import pytest

from experiments.studies.meter_cost import LEVELS, Sample, main, report


def lines(parts: list[float]) -> str:
    """What is reported if searches at ``parts`` take so long, and others 2 s."""
    samples = {name: [Sample(2.0, 1.0, 0) for _ in parts] for name in LEVELS}
    samples["parts"] = [Sample(wall, 1.01, 0) for wall in parts]
    samples["parts and timeline"] = [Sample(2.0, 1.0, 500) for _ in parts]
    return "\n".join(report(samples, {"total": 1e-7, "parts": 2.1e-6}))


def test_medians_and_the_cost_of_single_parts_are_reported() -> None:
    text = lines([2.01, 2.02, 2.04, 2.03, 2.02])
    assert "| `parts` | 5 | 2.020 | 2.020–2.030 | 2.010–2.040 | +1.00% | 1.010 | +1.00% |" in text
    assert "a search has 500, which makes 1.00 ms or 0.0500% of the wall time" in text
    assert text.endswith("by the ratio of medians: kept.")


def test_a_missed_goal_and_a_spread_that_decides_nothing_are_said() -> None:
    assert lines([2.05, 2.06, 2.07, 2.06]).endswith("by the ratio of medians: not kept.")
    assert "turns spread by more than that" in lines([1.8, 2.2, 2.0, 2.3, 1.7])


def test_too_few_repeats_end_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--repeats", "1"]) == 1
    assert "--repeats must be at least 2" in capsys.readouterr().err
