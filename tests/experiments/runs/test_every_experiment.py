"""Every experiment that comes with the project runs, at its smallest scale."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian.runtime.meter.measurement import BREAK_S
from experiments.configuration.composition import choices, experiments_with

Alsatian = Callable[..., int]
# The paper's figures take as long as all other tests of the command line.
PAPER = set(experiments_with("figure.number"))


@pytest.mark.parametrize(
    "experiment",
    [
        pytest.param(name, marks=pytest.mark.xdist_group("paper" if name in PAPER else "cli"))
        for name in choices("experiment")
    ],
)
def test_every_experiment_runs_at_its_smallest_scale(
    alsatian: Alsatian, experiment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", f"experiment={experiment}") == 0
    folder = tmp_path / "results" / experiment
    found: list[dict[str, Any]] = [json.loads(path.read_text()) for path in folder.rglob("run.json")]
    if not found:
        studies = [*folder.glob("*/blocks.json"), *folder.glob("*/overlap.json")]
        assert studies
        assert (folder / "figures").is_dir()
        return
    for record in found:
        assert record["status"] == "ok"
        assert record["winner"] == record["ranking"][0]
        assert record["command"].startswith("alsatian run experiment=")
        for repeat in record["repeats"]:
            assert repeat["valid"]
            assert sum(repeat["parts_s"].values()) == pytest.approx(repeat["wall_s"], rel=0.05, abs=BREAK_S)
    assert (folder / "report.html").stat().st_size > 10_000
    assert str(Path("results") / experiment / "report.html") in capsys.readouterr().out
