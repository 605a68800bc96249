"""Trackers hear everything, W&B works without an account, and no tracker's failure loses a result."""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from alsatian import api
from alsatian.errors import ConfigError
from experiments.runs import repeat
from experiments.trackers import base, wandb
from experiments.trackers.base import Guarded, Tracker, Values
from experiments.trackers.wandb import WandbTracker

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]


class Listener(Tracker):
    """Writes down what it hears, and fails at one call if told to."""

    heard: list[tuple[Any, ...]]
    fails_at: str | None = None

    def started(self, label: str, folder: Path, record: Values) -> None:
        self._hear("started", label, folder, record["status"])

    def repeat(self, index: int, repeat: Values) -> None:
        self._hear("repeat", index, repeat["wall_s"])

    def round(self, index: int, round_: Values) -> None:
        self._hear("round", index, round_["scores"])

    def ranking(self, models: Sequence[str]) -> None:
        self._hear("ranking", *models)

    def ended(self, status: str, error: str | None) -> None:
        self._hear("ended", status, error)

    def figures(self, folder: Path, files: Sequence[Path]) -> None:
        self._hear("figures", folder, *files)

    def _hear(self, *what: Any) -> None:
        self.heard.append(what)
        if what[0] == self.fails_at:
            raise RuntimeError("no connection\nto anything")


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> type[Listener]:
    """In the place of ``tracker=none``."""
    monkeypatch.setattr(Listener, "heard", [], raising=False)
    monkeypatch.setattr(Listener, "fails_at", None)
    monkeypatch.setattr(base, "Tracker", Listener)
    return Listener


def record(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("run.json")
    return dict(json.loads(path.read_bytes()))


def test_a_tracker_hears_everything_in_order(alsatian: Alsatian, tmp_path: Path, listener: type[Listener]) -> None:
    assert alsatian("run", "strategy=alsatian", "repeats=2") == 0
    found = record(tmp_path)
    folder = Path("results/single")
    assert listener.heard[:3] == [
        ("started", "alsatian", folder, "running"),
        ("repeat", 0, found["repeats"][0]["wall_s"]),
        ("repeat", 1, found["repeats"][1]["wall_s"]),
    ]
    rounds = [("round", i, round_["scores"]) for i, round_ in enumerate(found["rounds"])]
    assert listener.heard[3:-3] == rounds
    assert listener.heard[-3] == ("ranking", *found["ranking"])
    assert listener.heard[-2] == ("ended", "ok", None)
    assert listener.heard[-1][:2] == ("figures", folder)
    assert folder / "figures" / "speedup.png" in listener.heard[-1]
    listener.heard.clear()
    assert alsatian("run", "strategy=alsatian", "repeats=2") == 0
    assert listener.heard == []  # nothing was measured


def test_a_failed_run_ends_for_the_tracker_too(
    alsatian: Alsatian, listener: type[Listener], monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(*_: Any, **__: Any) -> api.SearchResult:
        raise MemoryError

    monkeypatch.setattr(repeat, "search", search)
    assert alsatian("run", "strategy=alsatian") == 1
    assert [what[0] for what in listener.heard] == ["started", "ended"]
    assert listener.heard[-1][1] == "oom"


@pytest.mark.parametrize("verb", ["started", "repeat", "round", "ranking", "ended", "figures"])
def test_a_tracker_that_fails_loses_nothing(
    alsatian: Alsatian, tmp_path: Path, listener: type[Listener], verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    listener.fails_at = verb
    assert alsatian("run", "strategy=alsatian") == 0
    assert record(tmp_path)["status"] == "ok"
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert warnings == ["warning: tracking failed and stops for this run, results are not affected: no connection"]
    assert "ended" in [what[0] for what in listener.heard]


def test_after_a_failure_the_next_run_is_tracked_again() -> None:
    listener, warnings = Listener(), list[str]()
    listener.heard, listener.fails_at = [], "repeat"
    guarded = Guarded(listener, warnings.append)
    for _ in range(2):
        guarded.started("a", Path(), {"status": "running"})
        guarded.repeat(0, {"wall_s": 1.0})
        guarded.repeat(1, {"wall_s": 1.0})
        guarded.ended("ok", None)
    assert [what[0] for what in listener.heard] == ["started", "repeat", "ended"] * 2
    assert len(warnings) == 2


@pytest.mark.slow
def test_wandb_works_offline_without_an_account(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert alsatian("run", "strategy=alsatian", "tracker=wandb") == 0
    assert "warning" not in capsys.readouterr().out
    found = record(tmp_path)
    logs = sorted((tmp_path / "results" / "single" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(logs) == 2  # the run, and the report with its figures
    until = time.monotonic() + 60  # W&B's own process writes them, on a busy machine a little later
    while not any(b"figures/speedup" in log.read_bytes() for log in logs) and time.monotonic() < until:
        time.sleep(0.1)
    run, report = sorted((path.read_bytes() for path in logs), key=lambda log: b"speedup" in log)
    for text in ("parts_s/inference", "round/train_items", "ranking", found["winner"], found["run_id"], "status"):
        assert text.encode() in run, text
    assert b"figures/speedup" in report
    assert list((tmp_path / "results" / "single" / "wandb").rglob("figures/speedup*.png"))
    assert alsatian("validate", "results") == 0


@pytest.mark.slow
def test_runs_at_once_have_wandb_folders_of_their_own(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("joblib")
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "offline")
    parallel = ("launcher=joblib", "launcher.workers=2", "launcher.memory=4GiB", "device.threads=1")
    assert alsatian("run", "-m", "strategy=alsatian,shift", "tracker=wandb", *parallel) == 0
    assert "warning" not in capsys.readouterr().out
    records = [json.loads(path.read_bytes()) for path in tmp_path.rglob("run.json")]
    assert [one["status"] for one in records] == ["ok", "ok"]
    logs = [path.read_bytes() for path in tmp_path.rglob("wandb/offline-run-*/*.wandb")]
    assert len(logs) == 3  # the runs, and the report with its figures
    runs = [log for log in logs if b"parts_s/inference" in log]
    for one in records:
        assert sum(one["run_id"].encode() in log for log in runs) == 1


@pytest.mark.parametrize(
    ("environment", "mode", "expected"),
    [
        ({}, None, "offline"),
        ({"WANDB_API_KEY": "x" * 40}, None, "online"),
        ({"WANDB_API_KEY": "x" * 40, "WANDB_MODE": "offline"}, None, "offline"),
        ({"WANDB_API_KEY": "x" * 40}, "offline", "offline"),
        ({"WANDB_MODE": "offline"}, "online", "online"),
        ({"NETRC": "machine api.wandb.ai login user password x"}, None, "online"),
        ({"NETRC": "machine elsewhere login user password x"}, None, "offline"),
        ({"NETRC": "nonsense"}, None, "offline"),
    ],
)
def test_without_an_api_key_wandb_stays_offline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str], mode: str | None, expected: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        if name == "NETRC":
            (tmp_path / ".netrc").write_text(value)
            (tmp_path / ".netrc").chmod(0o600)
        else:
            monkeypatch.setenv(name, value)
    assert WandbTracker("p", mode=mode)._mode() == expected


def test_a_missing_package_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"pip install 'alsatian\[wandb\]'"):
        WandbTracker("p")


def test_without_a_tracker_its_package_is_not_imported(alsatian: Alsatian, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it fails
    assert alsatian("run", "strategy=alsatian") == 0
