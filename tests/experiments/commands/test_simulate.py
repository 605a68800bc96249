"""The command that predicts: what it prints and writes, for sets with and without parameters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian.models.sets.synthetic import SyntheticSet
from alsatian.runtime.meter.measurement import NOT_PREDICTED
from alsatian.units import factor_text, format_bytes
from experiments.cli import EXAMPLES

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("paper")

Alsatian = Callable[..., int]
PAPER = ("hardware=a5000", "dataset=counted", "dataset.items=600", "batch_size=128", "cache.budget=4GB", "scale=ci")


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """The run records in ``folder``, by strategy."""
    found = [json.loads(path.read_bytes()) for path in folder.glob("*/run.json")]
    return {record["config"]["strategy"]["name"]: record for record in found}


def test_runs_of_an_experiment_as_they_were_recorded(
    alsatian: Alsatian, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("experiment=quickstart", "scale=ci", f"store_dir={store}", "loader=sequential")
    assert alsatian("run", *words) == 0
    capsys.readouterr()
    assert alsatian("simulate", *words) == 0
    lines = capsys.readouterr().out
    assert lines.count("recorded") >= 4
    assert "hardware measured: measured on" in lines
    results = tmp_path / "results" / "quickstart"
    measured, predicted = records(results), records(results / "predicted" / "measured")
    assert len(measured) == len(predicted) == 4
    for strategy, run in predicted.items():
        actual = measured[strategy]
        assert run["kind"] == "predicted"
        assert run["prediction"]["hardware"] == "measured"
        assert run["prediction"]["scores"] == "recorded"
        same = ("run_id", "experiment", "config", "model_set", "dataset", "resolved", "ranking", "winner")
        assert {key: run[key] for key in same} == {key: actual[key] for key in same}
        (found,) = run["repeats"]
        counted = {name: count for name, count in found["counters"].items() if count}
        for repeat in actual["repeats"]:
            happened = {name: n for name, n in repeat["counters"].items() if n and name not in NOT_PREDICTED}
            assert counted == happened
            assert found["peaks"] == repeat["peaks"]
        assert found["wall_s"] == pytest.approx(sum(found["parts_s"].values()))
    # Both kinds are read, each from its own folder, and shown side by side.
    assert alsatian("validate", "results") == 0
    assert alsatian("figures", str(results)) == 0
    assert capsys.readouterr().out.count("recorded") == 0
    assert alsatian("compare", str(results), str(results / "predicted" / "measured")) == 0
    assert "predicted" in capsys.readouterr().out


def test_workers_of_a_set_without_parameters(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One row for each number of workers, and one share of the record for each worker."""
    words = ("-m", "machine=ray", "machine.workers=1,4", "model_set=generated", *PAPER)
    assert alsatian("simulate", *words) == 0
    printed = capsys.readouterr().out
    found = {}
    for path in (tmp_path / "results" / "single" / "predicted" / "a5000").glob("*/run.json"):
        record = json.loads(path.read_bytes())
        found[record["config"]["machine"]["workers"]] = record
    one, four = (found[count]["repeats"][0] for count in (1, 4))
    assert found[1]["ranking"] == found[4]["ranking"]
    assert [len(repeat["workers"]) for repeat in (one, four)] == [1, 4]
    assert four["counters"]["bytes_read"] == sum(w["counters"]["bytes_read"] for w in four["workers"].values())
    assert f"{factor_text(one['wall_s'] / four['wall_s'])}" in printed
    most = max(share["counters"]["bytes_read"] for share in four["workers"].values())
    assert format_bytes(most) in printed
    assert alsatian("validate", "results") == 0


def test_tables_figures_and_report_of_predictions_say_so(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(SyntheticSet, "open", lambda *arguments: pytest.fail("made a model set"))
    words = ("experiment=quickstart", "model_set=synthetic_vit_l_32", "model_set.count=6", *PAPER)
    assert alsatian("simulate", *words) == 0
    assert "drawn" in capsys.readouterr().out
    folder = tmp_path / "results" / "quickstart" / "predicted" / "a5000"
    found = records(folder)
    walls = {strategy: run["repeats"][0]["wall_s"] for strategy, run in found.items()}
    assert walls["base"] > 2 * walls["alsatian"]
    assert found["base"]["repeats"][0]["counters"]["block_items"] == 6 * 51 * 600
    assert not (tmp_path / "store").exists()
    assert all((folder / "figures" / f"speedup.{suffix}").is_file() for suffix in ("png", "pdf", "csv"))
    assert "predicted for a5000" in (folder / "report.html").read_text()
    assert "predicted for a5000" in (folder / "summary.md").read_text()
    assert "- Scores: predictions compute none" in (folder / "summary.md").read_text()
    assert alsatian("simulate", *words, "strategy=auto", "--out", "there") == 0
    (run,) = records(Path("there")).values()
    assert run["config"]["strategy"]["name"] == "auto"


def test_the_example_of_the_help(alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = (line for line in EXAMPLES.splitlines() if "alsatian simulate" in line)
    assert alsatian(*example.split()[1:], "scale=ci") == 0
    assert "base" in capsys.readouterr().out


def test_a_hub_of_fingerprints(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("simulate", "model_set=generated", *PAPER) == 0
    (run,) = records(tmp_path / "results" / "single" / "predicted" / "a5000").values()
    assert len(run["rounds"][0]["scores"]) == 20
    assert 0 < run["repeats"][0]["counters"]["blocks_read"] <= 20 * 40


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
