"""Sweeps: written down first, kept current, finished runs skipped, failures recorded, one line at the end."""

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian import api
from alsatian.errors import StoreError
from alsatian.files import claimed
from alsatian.models.sets.finetunes import TrainedSet
from alsatian.records import Sweep
from experiments.runs import repeat

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]
TWO = ("-m", "strategy=alsatian,shift")


def manifest(folder: Path) -> dict[str, Any]:
    """The only manifest below ``folder``, which has to be valid."""
    (path,) = folder.rglob("sweeps/*.json")
    content: dict[str, Any] = json.loads(path.read_text())
    assert Sweep.problems(content) == []
    return content


def statuses(folder: Path) -> list[str]:
    return [run["status"] for run in manifest(folder)["runs"]]


def record(folder: Path, strategy: str) -> dict[str, Any]:
    found = [json.loads(path.read_text()) for path in folder.rglob("run.json")]
    (one,) = [record for record in found if record["config"]["strategy"]["name"] == strategy]
    return dict(one)


def fail_for(monkeypatch: pytest.MonkeyPatch, strategy: str, error: BaseException) -> None:
    """Have searches with ``strategy`` fail."""

    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        if settings["strategy"].name == strategy:
            raise error
        return api.search(*arguments, **settings)

    monkeypatch.setattr(repeat, "search", search)


def test_the_manifest_is_written_before_anything_runs_and_kept_current(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[list[str]] = []

    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        seen.append(statuses(tmp_path))
        return api.search(*arguments, **settings)

    monkeypatch.setattr(repeat, "search", search)
    assert alsatian("run", *TWO) == 0
    assert seen == [["running", "pending"], ["ok", "running"]]
    content = manifest(tmp_path)
    assert (content["done"], content["failed"]) == (2, 0)
    assert content["command"].startswith("alsatian run -m strategy=alsatian,shift")
    assert [run["overrides"] for run in content["runs"]] == [["strategy=alsatian"], ["strategy=shift"]]
    assert {run["run_id"] for run in content["runs"]} == {p.parent.name for p in tmp_path.rglob("run.json")}
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("[1/2 done, 0 failed, ") and line.count("left] strategy=alsatian") for line in lines)
    assert lines[-1] == "2 runs: 2 measured, 0 finished before, 0 failed"
    seen.clear()
    assert alsatian("run", *TWO) == 0
    assert seen == []
    assert capsys.readouterr().out.splitlines()[-1] == "2 runs: 0 measured, 2 finished before, 0 failed"
    assert statuses(tmp_path) == ["ok", "ok"]


def test_a_single_run_has_no_manifest_and_says_what_it_found(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "strategy=alsatian", "repeats=3") == 0
    assert not list(tmp_path.rglob("sweeps"))
    found = record(tmp_path, "alsatian")
    seconds = sorted(repeat["wall_s"] for repeat in found["repeats"])[1]
    score = found["rounds"][-1]["scores"][found["winner"]]
    line = f"alsatian: {seconds:.1f} s (median of 3), best model {found['winner']}, {score:.4f}"
    assert line in capsys.readouterr().out.splitlines()


def test_a_failed_run_is_recorded_and_the_others_go_on(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_for(monkeypatch, "alsatian", RuntimeError("broken here"))
    assert alsatian("run", *TWO) == 1
    failed = record(tmp_path, "alsatian")
    assert failed["status"] == "failed"
    line = failed["error"].splitlines()[-1]
    assert re.fullmatch(r"RuntimeError: broken here \(.*test_sweep.py:\d+\)", line)
    assert "in search\n    raise error" in failed["error"]
    assert record(tmp_path, "shift")["status"] == "ok"
    assert statuses(tmp_path) == ["failed", "ok"]
    assert manifest(tmp_path)["runs"][0]["error"] == line
    said = capsys.readouterr()
    assert said.err.splitlines() == [f"alsatian: failed: strategy=alsatian: {line}"]
    assert said.out.splitlines()[-1] == "2 runs: 1 measured, 0 finished before, 1 failed"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert alsatian("run", *TWO) == 0
    assert statuses(tmp_path) == ["ok", "ok"]
    assert capsys.readouterr().out.splitlines()[-1] == "2 runs: 1 measured, 1 finished before, 0 failed"


def test_fail_fast_stops_at_the_first_failure(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_for(monkeypatch, "alsatian", MemoryError())
    assert alsatian("run", *TWO, "fail_fast=true") == 1
    assert statuses(tmp_path) == ["oom", "pending"]
    last = "2 runs: 0 measured, 0 finished before, 1 failed, 1 not started (fail_fast=true)"
    assert capsys.readouterr().out.splitlines()[-1] == last


def test_a_model_set_that_cannot_be_had_fails_only_its_runs(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = TrainedSet.open

    def open_or_not(self: TrainedSet, *arguments: Any) -> Any:
        if self.count == 3:
            raise StoreError("no such models")
        return opened(self, *arguments)

    monkeypatch.setattr(TrainedSet, "open", open_or_not)
    assert alsatian("run", "-m", "strategy=alsatian", "model_set.count=3,4") == 1
    assert statuses(tmp_path) == ["failed", "ok"]
    assert manifest(tmp_path)["runs"][0]["run_id"] is None
    assert capsys.readouterr().err.strip() == "alsatian: failed: model_set.count=3: no such models"


def test_an_interrupted_run_is_recorded_and_measured_again(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fail_for(monkeypatch, "shift", KeyboardInterrupt())
    assert alsatian("run", *TWO) == 130
    assert capsys.readouterr().err.strip() == "alsatian: interrupted; the same command continues"
    assert (record(tmp_path, "shift")["status"], record(tmp_path, "shift")["error"]) == ("failed", "interrupted")
    assert statuses(tmp_path) == ["ok", "failed"]
    monkeypatch.setattr(repeat, "search", api.search)
    assert alsatian("run", *TWO) == 0
    assert statuses(tmp_path) == ["ok", "ok"]


def test_a_run_whose_process_was_killed_is_taken_over(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("run", "strategy=alsatian") == 0
    (path,) = tmp_path.rglob("run.json")
    whole = json.loads(path.read_text())
    left = {**whole, "status": "running", "finished": None, "winner": None, "repeats": [], "rounds": []}
    path.write_text(json.dumps({**left, "ranking": []}))
    stale = [path.with_name(".run.json.killed.tmp"), path.parent.parent / ".summary.csv.killed.tmp"]
    stale.append(path.parent.parent / "figures" / ".speedup.png.killed.tmp")
    for file in stale:
        file.write_text("{")
    assert alsatian("run", "strategy=alsatian") == 0
    again = json.loads(path.read_text())
    assert again["status"] == "ok"
    assert again["rounds"] == whole["rounds"]
    assert not any(file.exists() for file in stale)


def test_a_run_that_another_process_is_measuring_is_left_to_it(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "strategy=alsatian") == 0
    (path,) = tmp_path.rglob("run.json")
    before = path.read_bytes()
    with claimed(path.parent, wait=False) as ours:
        assert ours
        writing = path.with_name(".run.json.abc.tmp")
        writing.touch()
        assert alsatian("run", "strategy=alsatian", "force=true") == 1
        assert writing.exists()
    assert "alsatian: failed: alsatian: another process is measuring this run" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_model_with_a_damaged_block_is_left_out_of_every_strategy_alike(
    alsatian: Alsatian, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", *TWO) == 0
    whole = {strategy: record(tmp_path, strategy) for strategy in ("alsatian", "shift")}
    victim = whole["alsatian"]["ranking"][-1]
    own = tmp_path / "own"
    shutil.copytree(store, own)
    identity = json.loads((own / "models" / f"{victim}.json").read_text())["blocks"][-1]["identity"]
    (block,) = (own / "blocks").rglob(f"{identity}.safetensors")
    block.write_bytes(block.read_bytes()[:-100])
    capsys.readouterr()
    words = (*TWO, f"store_dir={own}", "scale=ci", "results_dir=damaged", "on_bad_model=exclude")
    assert alsatian("run", *words) == 0
    assert f"Left out, ranked last: {victim} in shift, alsatian: " in capsys.readouterr().out
    for strategy in ("alsatian", "shift"):
        found = record(tmp_path / "damaged", strategy)
        assert list(found["excluded"]) == [victim]
        assert found["ranking"][-1] == victim
        known = {model: score for model, score in whole[strategy]["rounds"][0]["scores"].items() if model != victim}
        assert found["rounds"][0]["scores"] == known


def test_a_run_that_is_broken_off_goes_on_behind_its_finished_rounds(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("strategy=alsatian", "checkpoint=true", "repeats=2")

    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        ends = iter(range(12))  # the first repeat ends well, the second does not

        def step() -> None:
            if settings["checkpoint"].name == "1" and next(ends, None) is None:
                raise KeyboardInterrupt

        return api.search(*arguments, **{**settings, "progress": step})

    monkeypatch.setattr(repeat, "search", search)
    assert alsatian("run", *words, "scale=ci") == 130
    (folder,) = (path.parent for path in tmp_path.rglob("run.json"))
    assert {path.parent.name for path in folder.rglob("rounds.json")} == {"0", "1"}
    monkeypatch.setattr(repeat, "search", api.search)
    assert alsatian("run", *words, "scale=ci") == 0
    found = record(tmp_path, "alsatian")
    assert found["status"] == "ok"
    kinds = [[event["kind"] for event in repeat["events"]] for repeat in found["repeats"]]
    # Every round is told of once, before or behind the break.
    told = Counter(resumed=1, round=len(found["rounds"]))
    assert [{name: Counter(kind)[name] for name in told} for kind in kinds] == [told] * 2
    assert not (folder / "rounds").exists()


MINE = """
from alsatian.searching.strategy import Strategy

class Mine(Strategy):
    def plan(self, *given):
        raise KeyError("benefit")
"""


def test_a_failed_run_leaves_when_its_source_changes_or_its_label_succeeds(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "mine_that_fails.py"
    words = ("run", "strategy._target_=mine_that_fails.Mine", "strategy.name=mine", "repeats=1")

    def kept() -> list[tuple[str, str]]:
        return sorted(
            (r["status"], r["error"] or "")
            for r in map(json.loads, map(Path.read_text, tmp_path.rglob("run.json")))
        )

    def written(text: str) -> None:
        module.write_text(text)
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        monkeypatch.delitem(sys.modules, "mine_that_fails", raising=False)

    assert alsatian("run", "strategy=shift", "proxy=nearest_centroid", "timeout_s=0.0001", "warm_up=false") == 1
    other = kept()
    assert [status for status, _ in other] == ["timeout"]  # another label: it stays, whatever happens to mine
    written(MINE)
    assert alsatian(*words) == 1
    line = "strategy=mine: plan fails: KeyError: 'benefit' (mine_that_fails.py:6)"
    assert kept() == sorted([*other, ("failed", line)])
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == f"alsatian: failed: mine: {line}"
    assert "Traceback" not in said.err + said.out
    written(MINE.replace("benefit", "cost"))
    assert alsatian(*words, "--traceback") == 1
    assert kept() == sorted([*other, ("failed", line.replace("benefit", "cost"))])
    said = capsys.readouterr()
    assert "removed" in said.out
    assert 'raise KeyError("cost")' in said.out
    assert alsatian(*words, "seed=3") == 1  # other settings of the same label and source: both are of interest
    assert len(kept()) == len(other) + 2
    # A strategy that ends Python ends its own run, not the command.
    written(MINE.replace('KeyError("benefit")', "SystemExit(0)"))
    assert alsatian(*words) == 1
    ended = "strategy=mine: plan fails: SystemExit: 0 (mine_that_fails.py:6)"
    assert ("failed", ended) in kept()
    written(MINE.replace('raise KeyError("benefit")', "return super().plan(*given)"))
    assert alsatian(*words) == 0
    assert kept() == sorted([*other, ("ok", "")])
