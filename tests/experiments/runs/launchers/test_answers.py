"""What the command makes of what its launcher's processes say, and of those that say nothing."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from alsatian.files import claimed
from experiments.runs import record
from experiments.runs.launchers import launch, process
from experiments.runs.launchers.base import carry_out
from tests.experiments.runs.launchers.conftest import Play, answered

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]
THREE = ("run", "-m", "strategy=alsatian,shift,base", "launcher=joblib")


def statuses(folder: Path) -> list[tuple[str, str | None]]:
    (path,) = folder.rglob("sweeps/*.json")
    return [(run["status"], run["error"]) for run in json.loads(path.read_text())["runs"]]


def test_lines_of_runs_are_told_as_they_end(
    alsatian: Alsatian, play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(number: int, task: Any, stop: Any) -> Any:
        if number == 1:
            return answered("failed", "no luck")
        return answered("ok", None, ("note", (task["label"], "a note")), ("done", (task["label"], "1.0 s")))

    tasks = play(answer)
    assert alsatian(*THREE) == 1
    said = capsys.readouterr()
    assert "Runs are measured" in said.out
    assert "strategy=alsatian: a note\n[1/3 done, 0 failed," in said.out
    assert "[1/3 done, 1 failed," in said.out
    assert "[2/3 done, 1 failed] strategy=base: 1.0 s" in said.out
    assert said.err.splitlines() == ["alsatian: failed: strategy=shift: no luck"]
    assert [task["overrides"] for task in tasks] == [(f"strategy={n}",) for n in ("alsatian", "shift", "base")]


def test_the_first_failure_ends_the_sweep_if_it_is_to(alsatian: Alsatian, play: Play, tmp_path: Path) -> None:
    def answer(number: int, task: Any, stop: Any) -> Any:
        if number == 0:
            return answered("failed", "no luck")
        assert stop.wait(60)
        return answered("interrupted") if number == 1 else None

    play(answer)
    assert alsatian(*THREE, "fail_fast=true") == 1
    assert statuses(tmp_path) == [("failed", "no luck"), ("failed", "interrupted"), ("pending", None)]


def test_a_launcher_that_does_not_stop_keeps_nobody_waiting(
    alsatian: Alsatian, play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is left behind; what it has not said is not known."""
    monkeypatch.setattr(launch, "_GRACE_S", 0.2)
    stuck = Event()

    def answer(number: int, task: Any, stop: Any) -> Any:
        if number == 1:
            stuck.wait(600)
        return answered("failed", "no luck")

    play(answer)
    assert alsatian(*THREE, "fail_fast=true") == 1
    assert statuses(tmp_path) == [("failed", "no luck"), ("pending", None), ("pending", None)]
    stuck.set()


def test_where_results_cannot_be_written_the_command_ends(
    alsatian: Alsatian, play: Play, capsys: pytest.CaptureFixture[str]
) -> None:
    play(lambda number, task, stop: answered("unsaved", "results: cannot be written"))
    assert alsatian(*THREE) == 1
    assert capsys.readouterr().err == "alsatian: results: cannot be written\n"


def test_runs_that_are_one_measurement_are_measured_once(
    alsatian: Alsatian, play: Play, capsys: pytest.CaptureFixture[str], tmp_path: Path, finished: Path
) -> None:
    def answer(number: int, task: Any, stop: Any) -> Any:
        for folder in finished.glob("*/*/run.json"):
            written = json.loads(folder.read_text())
            path = tmp_path / "results" / task["config"]["name"] / written["run_id"] / "run.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(written))
        return answered("ok", None, ("done", (task["label"], "1.0 s")))

    tasks = play(answer)
    assert alsatian("run", "-m", "strategy=alsatian", "title=a,b", "launcher=joblib") == 0
    assert len(tasks) == 1
    assert "2 runs: 1 measured, 1 finished before, 0 failed" in capsys.readouterr().out


def test_a_command_has_one_launcher(alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    assert alsatian("run", "-m", "strategy=alsatian", "launcher=serial,joblib") == 1
    assert capsys.readouterr().err.startswith("alsatian: launcher: all runs of a command have one")


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", "oom", "the process of a run was ended by SIGKILL, most likely for"),
        ("import sys; sys.exit('no such thing')", "failed", "ended with status 1\nno such thing"),
    ],
)
def test_a_process_that_dies_fails_its_run_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, status: str, said: str
) -> None:
    def start(module: str, **settings: Any) -> "subprocess.Popen[bytes]":
        return subprocess.Popen([sys.executable, "-c", code], **settings)

    monkeypatch.setattr(process, "start", start)
    found = carry_out({"life": None, "folder": str(tmp_path), "environment": {}})
    assert found is not None
    assert found["status"] == status
    assert said in found["error"]


def test_the_record_of_a_process_that_died_says_so(finished: Path, tmp_path: Path) -> None:
    (path,) = finished.glob("*/*/run.json")
    mine = tmp_path / "run" / "run.json"
    record.end(mine, "oom", "it died")
    assert not mine.parent.exists()
    entry = json.loads(path.read_text()) | {"status": "running", "finished": None}
    record.save(mine, entry)
    with claimed(mine.parent, wait=False):  # somebody measures it
        record.end(mine, "oom", "it died")
    assert json.loads(mine.read_text()) == entry
    record.end(mine, "oom", "it died")
    ended = json.loads(mine.read_text())
    assert (ended["status"], ended["error"]) == ("oom", "it died")
    assert ended["finished"]
    record.end(mine, "failed", "something else")
    assert json.loads(mine.read_text()) == ended
