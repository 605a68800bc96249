"""The command that predicts: what it prints and writes, for sets with and without parameters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian.models.sets.synthetic import SyntheticSet
from experiments.studies.simulated_here import main as compared_here

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("paper")

Alsatian = Callable[..., int]
PAPER = ("hardware=a5000", "dataset=counted", "dataset.items=600", "batch_size=128", "cache.budget=4GB", "scale=ci")


def predicted(folder: Path) -> dict[str, dict[str, Any]]:
    """What was written, by the run's label."""
    runs = json.loads((folder / "simulated.json").read_bytes())["runs"]
    return {run["label"]: run for run in runs}


def test_runs_of_an_experiment_as_they_were_recorded(
    alsatian: Alsatian, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("experiment=quickstart", "scale=ci", f"store_dir={store}", "loader=sequential")
    assert alsatian("run", *words) == 0
    capsys.readouterr()
    assert alsatian("simulate", *words) == 0
    lines = capsys.readouterr().out
    assert lines.count("recorded") == 4
    assert "hardware measured: measured on" in lines
    found = predicted(tmp_path / "results" / "quickstart")
    records = [json.loads(path.read_bytes()) for path in (tmp_path / "results").rglob("run.json")]
    assert {record["run_id"] for record in records} == {run["run_id"] for run in found.values()}
    for record in records:
        run = next(run for run in found.values() if run["run_id"] == record["run_id"])
        for repeat in record["repeats"]:
            actual = {name: count for name, count in repeat["counters"].items() if count and name != "warm_reads"}
            assert {name: count for name, count in run["counters"].items() if count} == actual
            assert run["peaks"] == repeat["peaks"]
        assert run["wall_s"] == pytest.approx(sum(run["parts_s"].values()))
    base = found["strategy=base"]
    assert base["speedup"] == 1
    assert found["strategy=alsatian"]["speedup"] == base["wall_s"] / found["strategy=alsatian"]["wall_s"]
    assert alsatian("validate", "results") == 0


def test_the_papers_sets_need_no_parameters(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SyntheticSet, "open", lambda *arguments: pytest.fail("made a model set"))
    words = ("experiment=quickstart", "model_set=synthetic_vit_l_32", "model_set.count=6", *PAPER)
    assert alsatian("simulate", *words) == 0
    assert "drawn" in capsys.readouterr().out
    found = predicted(tmp_path / "results" / "quickstart")
    base = found["strategy=base"]
    assert found["strategy=alsatian"]["speedup"] > 2
    assert base["counters"]["block_items"] == 6 * 51 * 600
    assert base["run_id"] is None
    assert not (tmp_path / "store").exists()
    assert alsatian("simulate", *words, "strategy=auto", "--out", "there/auto.json") == 0
    (run,) = json.loads(Path("there/auto.json").read_bytes())["runs"]
    assert run["strategy"] == "auto"
    assert run["speedup"] is None


def test_a_hub_of_fingerprints(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("simulate", "model_set=generated", *PAPER) == 0
    (run,) = predicted(tmp_path / "results" / "single").values()
    assert run["rounds"][0]["models"] == 20
    assert 0 < run["counters"]["blocks_read"] <= 20 * 40


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model_set=generated",), "has no models to measure; choose another hardware"),
        (("hardware=a5000",), "has no times for resnet18@32; did you mean 'resnet18@224'"),
        (("hardware=a50",), "there is no such hardware"),
        (("hardware=a5000", "model_set=synthetic_vit_l_32", "cache.budget=1kB"), "is below one batch"),
    ],
)
def test_what_cannot_be_predicted_is_one_line(
    alsatian: Alsatian, words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("simulate", "scale=ci", *words) == 1
    err = capsys.readouterr().err
    assert message in err
    assert len(err.strip().splitlines()) == 1


def test_a_set_of_fingerprints_is_not_searched(alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    assert alsatian("run", "model_set=generated") == 1
    assert "exists only as fingerprints; predict with alsatian simulate" in capsys.readouterr().err


def test_a_page_compares_this_machine_with_its_predictions(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["scale=ci", f"store_dir={store}", "loader=sequential"]
    assert compared_here(["--experiments", "quickstart", "--folder", "docs", *words]) == 0
    text = Path("docs/simulated_here.md").read_text()
    assert text in capsys.readouterr().out
    assert "All counters are as predicted in 4 of 4 runs, all peaks in 4." in text
    rows = [line for line in text.splitlines() if line.startswith("| quickstart | strategy=")]
    assert [row.split("|")[2].strip() for row in rows] == [
        f"strategy={name}" for name in ("base", "shift", "shared_prefix", "alsatian")
    ]
    assert all(row.endswith("| equal | equal |") for row in rows)
    assert compared_here(["--experiments", "nothing", *words]) == 1
    assert "there is no such experiment" in capsys.readouterr().err
