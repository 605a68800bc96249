"""Sweeps by launchers: the records of a serial one, with times that are marked."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian.records import Run, Sweep, read
from analysis.comparing import disturbances
from experiments.cli import main
from tests.experiments.conftest import render_nothing

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.slow]

WORDS = ("-m", "strategy=alsatian,shift", "scale=ci", "device.threads=1", "verify=true")
LAUNCHERS = {
    "joblib": ("launcher=joblib", "launcher.workers=2"),
    "submitit": ("launcher=submitit", "launcher.executor=local", "launcher.workers=2", "launcher.memory=4GiB"),
    "ray": ("launcher=ray", "launcher.workers=2"),
}
Swept = Callable[[str], dict[str, Run]]


@pytest.fixture(scope="module")
def swept(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Records by strategy of the same sweep, carried out by a launcher or, by no known one, in turn."""
    made: dict[str, dict[str, Run]] = {}

    def run(name: str) -> dict[str, Run]:
        if name not in made:
            folder = tmp_path_factory.mktemp(name)
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(folder)
                render_nothing(patch)
                assert main(["run", *WORDS, f"store_dir={store}", *LAUNCHERS.get(name, ())]) == 0
            made[name] = {one.strategy: one for one in read(next(folder.glob("results/*"))).runs}
            (path,) = folder.rglob("sweeps/*.json")
            manifest = json.loads(path.read_text())
            assert Sweep.problems(manifest) == []
            assert [one["status"] for one in manifest["runs"]] == ["ok", "ok"]
            assert not [left for left in folder.rglob("*") if left.name.startswith(".alsatian")]
        return made[name]

    return run


def without_launcher(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("launcher", "results_dir", "store_dir")}


@pytest.mark.parametrize("name", LAUNCHERS)
def test_records_are_those_of_a_serial_sweep_but_for_times(swept: Swept, name: str) -> None:
    for strategy, serial in swept("serial").items():
        own = swept(name)[strategy]
        for field in ("run_id", "label", "status", "rounds", "ranking", "resolved", "sources", "model_set"):
            assert getattr(own, field) == getattr(serial, field), field
        assert any(round_.fingerprints for round_ in own.rounds)
        assert without_launcher(own.config) == without_launcher(serial.config)
        for ours, theirs in zip(own.repeats, serial.repeats, strict=True):
            assert {**ours.counters, "warm_reads": 0} == {**theirs.counters, "warm_reads": 0}
        assert own.command.startswith("alsatian run -m strategy=alsatian,shift")


@pytest.mark.parametrize("name", LAUNCHERS)
def test_records_say_what_a_run_had_and_that_it_was_not_alone(swept: Swept, name: str) -> None:
    cores = max(1, len(os.sched_getaffinity(0)) // 2)
    for own in swept(name).values():
        assert own.environment.cores == own.config["launcher"]["cores"] == cores
        assert own.config["launcher"]["workers"] == 2
        assert own.config["launcher"]["memory"] > 0
        assert [one.beside for one in own.repeats] == [1] * len(own.repeats)
        assert own.disturbed
        assert disturbances.mark(own)
    assert not any(one.beside for own in swept("serial").values() for one in own.repeats)


def test_a_launcher_is_no_part_of_an_identity(
    swept: Swept, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What one has measured another one skips, also beside a run that is not finished."""
    swept("serial")
    serial = next(iter(swept("serial").values()))
    place = tmp_path / "results" / serial.experiment / serial.run_id
    place.mkdir(parents=True)
    (place / "run.json").write_text(json.dumps(serial.plain()))
    monkeypatch.chdir(tmp_path)
    words = ["run", f"strategy={serial.strategy}", *WORDS[2:], f"store_dir={store}"]
    assert main([*words, *LAUNCHERS["joblib"]]) == 0
    assert "finished before" in capsys.readouterr().out
