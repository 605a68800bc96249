"""Repeats that others disturbed are measured once more, and those of several strategies in turns."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from alsatian import api
from alsatian.records import Conditions, Run, read
from experiments.runs import repeat
from experiments.trackers.base import Later, Tracker

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]
LOUD, QUIET = Conditions(cores=2, others_s=1e6), Conditions(cores=2, others_s=0.0)
TWO = ("-m", "strategy=alsatian,shift", "repeats=2", "interleaved=true")


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Strategies in the order in which they search, undisturbed."""
    names: list[str] = []

    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        names.append(settings["strategy"].name)
        found = api.search(*arguments, **settings)
        return replace(found, measurement=replace(found.measurement, conditions=QUIET))

    monkeypatch.setattr(repeat, "search", search)
    return names


def disturb(monkeypatch: pytest.MonkeyPatch, *loud: bool) -> None:
    """Have others disturb the searches that come, as ``loud`` says."""
    left = iter(loud)

    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        found = api.search(*arguments, **settings)
        return replace(found, measurement=replace(found.measurement, conditions=LOUD if next(left) else QUIET))

    monkeypatch.setattr(repeat, "search", search)


def runs(folder: Path) -> dict[str, Run]:
    (results,) = (path.parent for path in folder.rglob("sweeps"))
    return {run.strategy: run for run in read(results).runs}


@pytest.mark.parametrize(
    ("loud", "again", "kept"),
    [
        ((True, False, False), "true", [True, False, False]),
        ((True, True, True, True), "true", [True, True, True, True]),  # another one each, and no more
        ((False, False), "true", [False, False]),
        ((True, False), "false", [True, False]),
    ],
)
def test_a_disturbed_repeat_is_followed_by_one_more(
    alsatian: Alsatian,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    loud: tuple[bool, ...],
    again: str,
    kept: list[bool],
) -> None:
    disturb(monkeypatch, *loud)
    assert alsatian("run", "strategy=alsatian", "repeats=2", f"repeat_disturbed={again}") == 0
    (path,) = tmp_path.rglob("run.json")
    run = Run.of(json.loads(path.read_text()))
    assert [one.disturbed for one in run.repeats] == kept
    assert (f"others disturbed {sum(kept)} of {len(kept)} repeats" in capsys.readouterr().out) == any(kept)
    # The settings say how a run is measured, not which run it is.
    assert alsatian("run", "strategy=alsatian", "repeats=2", "repeat_disturbed=false", "interleaved=true") == 0
    assert "finished before" in capsys.readouterr().out


def test_repeats_of_strategies_take_turns_and_other_cells_wait(
    alsatian: Alsatian, tmp_path: Path, searched: list[str]
) -> None:
    assert alsatian("run", *TWO, "seed=0,1") == 0
    turn = ["alsatian", "shift"] * 2
    assert searched == [*turn, *turn]
    searched.clear()
    assert alsatian("run", *TWO[:-1], "seed=2") == 0
    assert searched == ["alsatian", "alsatian", "shift", "shift"]
    (manifest,) = (
        path for path in tmp_path.rglob("sweeps/*.json") if len(json.loads(path.read_text())["runs"]) == 4
    )
    assert {run["status"] for run in json.loads(manifest.read_text())["runs"]} == {"ok"}


def test_what_is_interrupted_is_recorded_for_all_that_take_turns(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = iter(range(9))

    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        if next(count) == 3:
            raise KeyboardInterrupt
        return api.search(*arguments, **settings)

    monkeypatch.setattr(repeat, "search", search)
    assert alsatian("run", *TWO) == 130
    found = runs(tmp_path)
    assert {name: (run.status, run.error) for name, run in found.items()} == {
        "alsatian": ("failed", "interrupted"),
        "shift": ("failed", "interrupted"),
    }
    assert alsatian("run", *TWO) == 0
    assert {run.status for run in runs(tmp_path).values()} == {"ok"}


def test_one_that_fails_stops_none_of_those_that_it_takes_turns_with(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def search(*arguments: Any, **settings: Any) -> api.SearchResult:
        if settings["strategy"].name == "alsatian":
            raise ValueError("no luck")
        return api.search(*arguments, **settings)

    monkeypatch.setattr(repeat, "search", search)
    assert alsatian("run", *TWO) == 1
    assert {name: run.status for name, run in runs(tmp_path).items()} == {"alsatian": "failed", "shift": "ok"}


def test_a_tracker_hears_of_one_run_after_the_other() -> None:
    heard: list[Any] = []

    class Listener(Tracker):
        def started(self, label: str, folder: Path, record: Any) -> None:
            heard.append(label)

        def repeat(self, index: int, repeat: Any) -> None:
            heard.append(index)

        def ended(self, status: str, error: str | None) -> None:
            heard.append(status)

    listener = Listener()
    a, b = Later(listener), Later(listener)
    a.started("a", Path(), {})
    b.started("b", Path(), {})
    a.repeat(0, {})
    b.repeat(1, {})
    assert heard == []
    b.ended("ok", None)
    a.ended("failed", "why")
    assert heard == ["b", 1, "ok", "a", 0, "failed"]
