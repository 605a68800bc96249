"""Run records: their schema, their identity, their environment, and that nothing secret is in them."""

import dataclasses
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from alsatian import api
from alsatian.records import Repeat, Round, Run
from alsatian.records.budgets import PEAKS
from alsatian.records.settings import measured
from alsatian.runtime.meter.measurement import Measurement
from alsatian.searching.round_result import RoundResult
from experiments.configuration.composition import cells
from experiments.runs import repeat
from experiments.runs.environment import environment
from experiments.runs.record import over_budget
from experiments.trackers.wandb import WandbTracker

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]


@pytest.fixture
def path(finished: Path, tmp_path: Path) -> Path:
    """The record of a run that ended well."""
    shutil.copytree(finished, tmp_path / "results")
    (path,) = tmp_path.rglob("run.json")
    return path


def test_records_fit_their_schema(path: Path, alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    assert Run.problems(json.loads(path.read_bytes())) == []
    capsys.readouterr()
    assert alsatian("validate", "results") == 0
    assert capsys.readouterr().out.strip() == "1 file checked: all valid"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema": 1}, "schema: input should be 2 or 3, not 1"),
        ({"status": "fine"}, "status: input should be 'ok', 'running'"),
        ({"status": "failed"}, "error and finished are needed where the status is failed"),
        ({"extra": 1}, "extra: extra inputs are not permitted"),
        ({"repeats": []}, "repeats is empty although the status is ok"),
        ({"winner": None}, "winner: None is not the first of the ranking"),
        ({"ranking": ["a", "a"]}, "ranking: holds a model twice"),
        ({"storage": {"bandwidth": 0, "cold": True}}, "storage.bandwidth: input should be greater than 0, not 0"),
        ({"environment": {}}, "environment.code is missing"),
        (
            {"rounds": [{"train_items": -1, "chunks": 1, "scores": {}, "fingerprints": {}, "failed": {}}]},
            "train_items: input should be greater than or equal to 0",
        ),
    ],
)
def test_every_problem_is_one_line(
    path: Path, alsatian: Alsatian, change: Mapping[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change))
    capsys.readouterr()
    assert alsatian("validate", "results") == 1
    *problems, last = capsys.readouterr().out.splitlines()
    assert any(f"{path.relative_to(Path.cwd())}: " in line and said in line for line in problems)
    assert last.startswith(f"1 file checked: {len(problems)} problem")


@pytest.mark.parametrize(
    ("content", "said"), [("{", "not a whole JSON document"), ('{"a": NaN}', "NaN is not a JSON")]
)
def test_what_is_no_json_is_one_line(
    alsatian: Alsatian, tmp_path: Path, content: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.json").write_text(content)
    assert alsatian("validate", "a") == 1
    assert said in capsys.readouterr().out.splitlines()[0]


def test_validating_nothing_is_an_error(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("validate", str(tmp_path)) == 1
    assert "no run records here" in capsys.readouterr().err


def test_the_schema_describes_everything_that_is_measured() -> None:
    fields = {field.name for field in dataclasses.fields(Measurement)} | {"valid", "warm_up"}
    fields.remove("timeline")  # a file of its own beside the record
    assert fields == Repeat.model_fields.keys()
    rounds = {field.name for field in dataclasses.fields(RoundResult)}
    rounds.remove("outcomes")  # a number for every item and model
    assert rounds <= Round.model_fields.keys()


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("scores", {"m": float("nan")}, "rounds[0].scores.m: input should be a finite number"),
        ("train_items", "many", "rounds[0].train_items: input should be a valid integer, not 'many'"),
    ],
)
def test_a_result_that_is_not_what_it_should_be_is_a_failed_run(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: Any, said: str
) -> None:
    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        result = api.search(*arguments, **settings)
        first = dataclasses.replace(result.rounds[0], **{field: value})
        return dataclasses.replace(result, rounds=(first, *result.rounds[1:]))

    monkeypatch.setattr(repeat, "search", search)
    assert alsatian("run", "strategy=alsatian") == 1
    (path,) = tmp_path.rglob("run.json")
    record = json.loads(path.read_bytes())
    assert (record["status"], record["rounds"]) == ("failed", [])
    assert said in record["error"]
    assert Run.problems(record) == []


def test_the_environment_is_complete() -> None:
    found = environment()
    for library in ("torch", "transformers", "safetensors", "blake3", "wandb"):
        assert found.libraries[library]
    assert found.determinism["cudnn_benchmark"] is False
    assert "OMP_NUM_THREADS" in found.determinism


def config(*words: str) -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(cells(words)[0].config, resolve=True)
    return dict(plain)


@pytest.mark.parametrize(
    "word",
    [
        "results_dir=x",
        "store_dir=x",
        "force=true",
        "fail_fast=true",
        "timeout_s=5",
        "tracker=wandb",
        "title=x",
        "storage.mirrors=x",
    ],
)
def test_where_and_who_watches_is_no_part_of_identity(word: str) -> None:
    assert measured(config(word)) == measured(config())


@pytest.mark.parametrize(
    "word",
    [
        "fresh_process=true",
        "verify=false",
        "repeats=7",
        "seed=1",
        "cache.budget=1MiB",
        "storage=local",
        "storage.deltas=1MB",
        "storage.mirror_size=1GB",
    ],
)
def test_what_changes_the_measurement_is(word: str) -> None:
    assert measured(config(word)) != measured(config())


class Keyed(WandbTracker):
    """Takes secrets as settings."""

    def __init__(self, project: str, entity: str | None, mode: str | None, api_key: str, login: object) -> None:
        super().__init__(project, entity, mode)


@pytest.mark.slow
def test_no_secret_is_ever_written(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, typed, nested = "e" * 40, "t0ps3cret-and-typed", "n3sted-and-typed"
    monkeypatch.setenv("WANDB_API_KEY", ours)
    monkeypatch.setenv("WANDB_MODE", "offline")

    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        if settings["strategy"].name == "shift":
            raise RuntimeError(f"denied for {ours}, {typed} and {nested}")
        return api.search(*arguments, **settings)

    monkeypatch.setattr(repeat, "search", search)
    own = ("tracker=wandb", f"tracker._target_={__name__}.Keyed")
    words = (*own, f"+tracker.api_key={typed}", f"+tracker.login={{token: {nested}, user: me}}")
    assert alsatian("run", "-m", "strategy=alsatian,shift", *words) == 1
    files = [path for path in (tmp_path / "results").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"run.json", "report.html", "summary.csv"}
    assert any(path.suffix == ".wandb" for path in files)
    assert any(path.parent.name == "sweeps" for path in files)
    for path in files:
        content = path.read_bytes()
        for secret in (ours, typed, nested):
            assert secret.encode() not in content, path
    said = capsys.readouterr()
    assert not any(secret in said.out + said.err for secret in (ours, typed, nested))
    commands = {json.loads(path.read_bytes())["command"] for path in files if path.name == "run.json"}
    (command,) = commands
    assert "+tracker.api_key=***" in command
    assert "user: me" in command


def test_every_tier_stays_within_its_budget_and_says_so(alsatian: Alsatian, tmp_path: Path) -> None:
    budgets = ["cache.budget=60%", "cache.ssd_budget=100%", "cache.block_budget=50%", "cache.block_ssd_budget=25%"]
    assert alsatian("run", "strategy=alsatian", "batch_size=8", *budgets, f"cache.ssd_dir={tmp_path}/ssd") == 0
    entry = json.loads(next(tmp_path.rglob("run.json")).read_bytes())
    assert {name for name, budget in entry["resolved"].items() if budget["bytes"]} == {
        word.partition("=")[0] for word in budgets
    }
    for word in budgets:
        name, _, requested = word.partition("=")
        assert entry["resolved"][name]["requested"] == requested
        assert 0 < entry["repeats"][0]["peaks"][PEAKS[name]] <= entry["resolved"][name]["bytes"]
    assert over_budget(Run.of(entry)) == []
    entry["repeats"][0]["peaks"]["cache_ssd_bytes"] = entry["resolved"]["cache.ssd_budget"]["bytes"] + 1
    assert len(over_budget(Run.of(entry))) == 1


def test_a_round_says_which_layers_were_best(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("run", "strategy=alsatian", "layers=best", "repeats=1") == 0
    (path,) = tmp_path.rglob("run.json")
    run = Run.of(json.loads(path.read_bytes()))
    assert run.config["layers"] == "best"
    assert all(one.layers.keys() == one.scores.keys() for one in run.rounds)
    assert set(run.ranking) == set(run.rounds[0].scores)


def test_no_prediction_is_made_of_inner_layers(alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("explain", "simulate"):
        assert alsatian(command, "layers=best", "scale=ci") == 1
        assert "layers=best: predicted is what layers=last takes" in " ".join(capsys.readouterr().err.split())
