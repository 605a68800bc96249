"""The command line from end to end, at the smallest scale."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from alsatian import api
from experiments import cli
from experiments.configuration.menu import choices
from experiments.runs import repeat
from experiments.runs.environment import code

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]
ROOT = Path(__file__).parents[3]


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """Run records below ``folder`` by strategy."""
    found = [json.loads(path.read_text()) for path in folder.rglob("run.json")]
    return {record["config"]["strategy"]["name"]: record for record in found}


def test_the_vision_transformers_can_be_searched_too(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("run", "model_set=digits_finetunes_vit", "strategy=alsatian") == 0
    (record,) = records(tmp_path / "results").values()
    assert record["model_set"]["blocks"] >= 4 * 6  # a block or more for every layer of every model
    assert record["model_set"]["distinct_blocks"] < record["model_set"]["blocks"]


def test_quickstart_preserves_results_and_saves_work(quickstart: Path) -> None:
    found = records(quickstart)
    assert set(found) == {"base", "shift", "shared_prefix", "alsatian"}
    shared = 0
    for other in ("base", "shift", "shared_prefix"):
        for ours in found["alsatian"]["rounds"]:
            for theirs in found[other]["rounds"]:
                if theirs["train_items"] == ours["train_items"]:
                    for model in ours["scores"].keys() & theirs["scores"].keys():
                        assert ours["scores"][model] == theirs["scores"][model]
                        assert ours["fingerprints"][model] == theirs["fingerprints"][model]
                        shared += 1
    assert shared >= 2 * (4 + 2)
    counters = {name: record["repeats"][0]["counters"] for name, record in found.items()}
    assert counters["alsatian"]["block_items"] < counters["shift"]["block_items"] < counters["base"]["block_items"]
    assert counters["alsatian"]["bytes_read"] < counters["base"]["bytes_read"] < counters["shift"]["bytes_read"]
    for record in found.values():
        assert record["repeats"][0]["peaks"].get("cache_bytes", 0) <= 16 * 1024**2


def test_finished_runs_are_skipped_and_can_be_forced(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert alsatian("run", "strategy=shift") == 0
    before = [path.read_bytes() for path in tmp_path.rglob("run.json")]
    monkeypatch.setattr(repeat, "search", lambda *_, **__: pytest.fail("measured again"))
    assert alsatian("run", "strategy=shift") == 0
    assert "skipped" in capsys.readouterr().out
    assert [path.read_bytes() for path in tmp_path.rglob("run.json")] == before
    monkeypatch.setattr(repeat, "search", api.search)
    assert alsatian("run", "strategy=shift", "force=true") == 0
    assert [path.read_bytes() for path in tmp_path.rglob("run.json")] != before


def test_another_setting_is_another_run(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("run", "-m", "strategy=alsatian", "cache.budget=1MiB,2MiB") == 0
    assert len(list(tmp_path.rglob("run.json"))) == 2


@pytest.mark.pictures
def test_figures_rebuild_everything_from_the_records_alone(
    alsatian: Alsatian, quickstart: Path, tmp_path: Path
) -> None:
    shutil.copytree(quickstart, tmp_path / "results")
    folder = tmp_path / "results" / "quickstart"
    table = (folder / "summary.csv").read_bytes()
    for path in folder.iterdir():
        if path.suffix:
            path.unlink()
    shutil.rmtree(folder / "figures")
    assert alsatian("figures", "results/quickstart") == 0
    assert (folder / "summary.csv").read_bytes() == table
    assert {p.suffix for p in (folder / "figures").iterdir()} == {".png", ".pdf", ".csv"}


def test_scores_that_differ_between_strategies_fail_the_command(
    alsatian: Alsatian, quickstart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(quickstart, tmp_path / "results")
    path = next(p for p in tmp_path.rglob("run.json") if '"name": "shift"' in p.read_text())
    record = json.loads(path.read_text())
    model = next(iter(record["rounds"][0]["scores"]))
    record["rounds"][0]["scores"][model] += 1e-9
    path.write_text(json.dumps(record))
    capsys.readouterr()
    assert alsatian("figures", "results/quickstart") == 1
    assert "DIFFERENT" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["experiment=quikstart"], "did you mean 'quickstart'?"),
        (["strategy=alsation"], "did you mean 'alsatian'?"),
        (["cache.bugdet=1"], "did you mean 'cache.budget'?"),
        (["cache.budget=-1"], "cache.budget=-1"),
        (["cache.budget=0"], "cache.budget=0"),
        (["model_set.count=0"], "the model set is empty"),
        (["dataset.items=9"], "fewer items than the 10 classes"),
        (["model_set.seed=-3"], "model_set.seed=-3"),
        (["model_set.start.size=0"], "model_set.start.size=0"),
        (["proxy.learning_rate=inf"], "proxy.learning_rate=inf"),
        (["results_dir=/dev/null"], "results_dir=/dev/null"),
        (["store_dir=/dev/null"], "/dev/null: cannot write"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    alsatian: Alsatian, words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", *words) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("alsatian: ")
    assert message in lines[0]
    assert not list(tmp_path.iterdir())


def test_a_budget_below_one_batch_names_the_smallest_that_does(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "strategy=alsatian", "cache.budget=1000") == 1
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    budget = line.partition("set cache.budget=")[2].split()[0]
    assert records(tmp_path)["alsatian"]["status"] == "failed"
    assert alsatian("run", "strategy=alsatian", f"cache.budget={budget}") == 0


@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_a_damaged_store_file_is_one_line(
    alsatian: Alsatian, store: Path, damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "strategy=shift") == 0
    own = tmp_path / "store"
    shutil.copytree(store, own)
    winner = records(tmp_path / "results")["shift"]["winner"]
    identity = json.loads((own / "models" / f"{winner}.json").read_text())["blocks"][-1]["identity"]
    (block,) = (own / "blocks").rglob(f"{identity}.safetensors")
    if damage == "missing":
        block.unlink()
    else:
        block.write_bytes(block.read_bytes()[:-100])
    capsys.readouterr()
    assert alsatian("run", "strategy=alsatian", f"store_dir={own}", "scale=ci") == 1
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    assert block.name in line
    assert "model '" in line
    # The other strategy's results are untouched and the failure is on record.
    assert {name: record["status"] for name, record in records(tmp_path / "results").items()} == {
        "shift": "ok",
        "alsatian": "failed",
    }


def test_one_failed_run_does_not_stop_the_others(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "-m", "strategy=alsatian,shift", "cache.budget=1000") == 1
    assert "failed: strategy=alsatian" in capsys.readouterr().err
    assert records(tmp_path)["shift"]["status"] == "ok"


def test_a_report_that_cannot_be_written_is_one_line(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "strategy=shift") == 0
    folder = tmp_path / "results" / "single"
    shutil.rmtree(folder / "figures")
    (folder / "figures").write_text("in the way")
    capsys.readouterr()
    assert alsatian("figures", "results/single") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("alsatian: results/single/figures")
    assert "cannot be written" in line


def test_a_record_that_cannot_be_written_is_one_line(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "single").write_text("in the way")
    assert alsatian("run", "strategy=shift") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("alsatian: results/single")
    assert "cannot be written" in line


def test_the_baselines_of_the_readme_take_these_files_and_no_other_edit(alsatian: Alsatian, tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().partition("## Add a baseline")[2].partition("\n## ")[0]
    files = re.findall(r"`(\S+\.(?:yaml|py))`[^`]*:\n\n```\w+\n(.*?)```", section, re.DOTALL)
    assert [file for file, _ in files] == ["conf/strategy/patient.yaml", "half.py", "conf/strategy/half.yaml"]
    (tmp_path / "conf" / "strategy").mkdir(parents=True)
    for file, content in files:
        (tmp_path / file).write_text(content)
    assert alsatian("run", "-m", "plugins=.", "strategy=patient,half") == 0
    found = records(tmp_path / "results")
    assert [len(result["scores"]) for result in found["patient"]["rounds"]] == [4]
    (round_,) = found["half"]["rounds"]
    assert round_["train_items"] < found["patient"]["rounds"][-1]["train_items"]
    assert {record["status"] for record in found.values()} == {"ok"}


def test_a_command_is_a_file_in_their_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # each with its line
    files = {path.stem for path in (ROOT / "experiments" / "commands").rglob("*.py")} - {"__init__"}
    assert set(cli.COMMANDS) == files >= {"run", "list", "figures"}
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main(["--help"])
    text = capsys.readouterr().out
    for name in files:
        assert import_module(cli.COMMANDS[name]).HELP in text


def test_list_names_every_choice(alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    assert alsatian("list") == 0
    text = capsys.readouterr().out
    for group in ("experiment", "strategy", "order", "cache", "proxy", "dataset"):
        for name in choices(group):
            assert name in text


def test_figures_of_an_empty_folder_is_one_line(alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    assert alsatian("figures", "nowhere") == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_the_code_version_is_that_of_the_package(alsatian: Alsatian) -> None:
    here = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    assert code().commit == (here.stdout.strip() or None)
