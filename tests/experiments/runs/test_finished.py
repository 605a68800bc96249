"""A finished command: the answer of before, without what a search needs, unless what it hangs on has changed."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.configuration import known
from experiments.configuration.composition import cells
from experiments.configuration.known import Known, KnownRuns
from experiments.runs import summary, sweep

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]
TWO = ("run", "-m", "strategy=alsatian,shift", "repeats=1")
# What a search or a report imports, none of which a finished command needs.
SLOW = ("torch", "torchvision", "transformers", "pandas", "matplotlib", "sklearn", "scipy", "wandb")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many runs the commands had that had to open models and data."""
    seen: list[int] = []
    run = sweep.run

    def noted(found: Any, *rest: Any) -> Any:
        seen.append(len(found))
        return run(found, *rest)

    monkeypatch.setattr(sweep, "run", noted)
    return seen


def test_the_same_command_says_the_same_and_opens_nothing(
    alsatian: Alsatian, opened: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian(*TWO) == 0
    (manifest,) = tmp_path.rglob("sweeps/*.json")
    table = capsys.readouterr().out.partition("strategy ")[2]
    report = next(tmp_path.rglob("report.html"))
    written = report.stat().st_mtime_ns
    manifest.unlink()
    assert alsatian(*TWO) == 0
    assert opened == [2]
    said = capsys.readouterr().out
    assert "[2/2 done, 0 failed] strategy=shift: finished before, skipped (force=true measures again)" in said
    assert said.partition("strategy ")[2] == table.replace("2 measured, 0 finished", "0 measured, 2 finished")
    assert [run["status"] for run in json.loads(manifest.read_text())["runs"]] == ["ok", "ok"]
    assert report.stat().st_mtime_ns == written
    # The report is made again if a file of it is gone, and so is the table if its width is another.
    report.unlink()
    assert alsatian(*TWO) == 0
    assert report.exists()
    assert opened == [2]


def test_a_run_that_is_not_there_any_more_is_measured(
    alsatian: Alsatian, opened: list[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian(*TWO) == 0
    path = next(tmp_path.rglob("run.json"))
    path.unlink()
    assert alsatian(*TWO) == 0
    assert opened == [2, 2]
    assert "2 runs: 1 measured, 1 finished before, 0 failed" in capsys.readouterr().out
    assert alsatian(*TWO, "force=true") == 0
    assert opened == [2, 2, 2]
    assert alsatian(*TWO, "batch_size=32") == 0
    assert opened == [2, 2, 2, 2]
    assert alsatian(*TWO, "timeout_s=-1") == 1
    assert "timeout_s=-1: must be a positive number" in capsys.readouterr().err


@pytest.mark.slow
def test_a_finished_command_imports_nothing_slow(alsatian: Alsatian, tmp_path: Path, store: Path) -> None:
    assert alsatian("run", "strategy=shift", "repeats=1") == 0
    code = f"""
import sys
from alsatian.__main__ import main
sys.argv = ["alsatian", "run", "strategy=shift", "repeats=1", "scale=ci", {f"store_dir={store}"!r}]
status = main()
assert status == 0, status
print([name for name in {SLOW!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "finished before, skipped" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def images(folder: Path) -> Path:
    for kind in ("a", "b"):
        (folder / kind).mkdir(parents=True)
        for i in range(2):
            Image.fromarray(np.full((4, 4, 3), 40 * i, np.uint8)).save(folder / kind / f"{i}.png")
    return folder


def found(words: list[str], keep: Known | None = None, since_ns: int = 0) -> Known | None:
    (cell,) = cells(words)
    runs = KnownRuns()
    runs._since += since_ns
    if keep is not None:
        runs.keep(cell.plain, cell.plain, keep)
    return runs.find(cell.plain, cell.plain)


def test_a_run_is_known_until_a_file_or_setting_that_it_hangs_on_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = images(tmp_path / "images")
    words = ["dataset=image_files", "dataset.source=images", "model_set.count=3", f"store_dir={tmp_path}/store"]
    one = Known("1234", "alsatian", ("a model",))
    assert found(words) is None
    # What was changed just now may change again under the same time.
    assert found(words, one, -(10**12)) is None
    later = 10**9
    assert found(words, one, later) == one
    assert found([*words, "results_dir=elsewhere", "title=other"]) == one
    assert found([*words, "seed=1"]) is None
    assert found([*words, "batch_size=4"]) is None
    file = folder / "a" / "1.png"
    before = file.stat()
    Image.fromarray(np.full((4, 4, 3), 41, np.uint8)).save(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert found(words) is None
    assert found(words, one, later) == one
    Image.fromarray(np.full((4, 4, 3), 7, np.uint8)).save(folder / "b" / "2.png")
    assert found(words) is None


def test_a_change_of_code_or_packages_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [f"store_dir={tmp_path}/store"]
    one = Known("1234", "alsatian", ())
    assert found(words, one, 10**9) == one
    monkeypatch.setattr(known, "code", lambda: ["another"])
    assert found(words) is None


@pytest.mark.parametrize(
    "words",
    [
        ["model_set=listed", "model_set.models=[hub:a/b]"],
        ["model_set=hub"],
        ["model_set=family_vit_base"],
        ["dataset=image_table", "dataset.source=table.csv"],
        ["model_set=synthetic_resnet18", "model_set.weights=nowhere.pt"],
        ["measure=layers", "model_set=synthetic_resnet18", "model_set.count=1"],
    ],
)
def test_what_hangs_on_more_than_named_files_is_not_known(words: list[str], tmp_path: Path) -> None:
    assert found([*words, f"store_dir={tmp_path}/store"], Known("1234", "alsatian", ()), 10**9) is None


def test_what_was_shown_is_shown_again_only_if_nothing_changed(tmp_path: Path) -> None:
    folder, beside = tmp_path / "fig05", tmp_path / "fig10" / "1"
    (folder / "1").mkdir(parents=True)
    beside.mkdir(parents=True)
    (folder / "1" / "run.json").write_text("{}")
    summary._keep(folder, ["how"], "the table", 1)
    assert summary._shown(folder, ["how"]) == ("the table", 1)
    assert summary._shown(folder, ["other"]) is None
    (beside / "run.json").write_text("{}")  # a figure of the paper may look there
    assert summary._shown(folder, ["how"]) is None
    summary._keep(folder, ["how"], "the table", 0)
    (folder / "1" / "run.json").write_text("{ }")
    assert summary._shown(folder, ["how"]) is None
    (folder / summary._SHOWN).write_text("no JSON")
    assert summary._shown(folder, ["how"]) is None
