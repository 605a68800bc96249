"""The benchmark of planning measures, reports, and refuses what the machine has no memory for."""

from pathlib import Path

import pytest

from experiments.studies import planning_scale


def test_a_small_set_is_measured_and_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "planning.md"
    assert planning_scale.main(["--models", "30", "--repeats", "2", "--write", str(file)]) == 0
    assert file.read_text() == capsys.readouterr().out
    first, around, facts = (line for line in file.read_text().splitlines() if line.startswith("| 30 |"))
    cells = first.split("|")[2:-1]
    assert cells[0].strip() == "2"
    stages = [float(cell) for cell in cells[1:6]]
    assert all(seconds > 0 for seconds in stages)
    assert "GB" in first
    assert len(around.split("|")) == len(planning_scale.OTHERS) + 4
    assert facts.startswith("| 30 | 1,200 |")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "0"], "at least 1"),
        (["--models", "10", "--repeats", "0"], "at least 1"),
        (["--models", str(10**12)], "GB of memory are needed"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planning_scale.main(arguments) == 1
    assert message in capsys.readouterr().err


def test_a_failed_measurement_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning_scale, "check_memory", lambda models: None)
    monkeypatch.setattr(planning_scale, "STAGES", "experiments.studies.no_such_module")
    with pytest.raises(planning_scale.AlsatianError, match=r"planning 5 models failed: .*no_such_module"):
        planning_scale.measure(5)
