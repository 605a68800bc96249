"""The disk full at any write: one clear line, a non-zero exit, earlier results intact, and then it goes on."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.runs import repeat

pytestmark = [
    pytest.mark.xdist_group("cli"),
    pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="cannot tell which file is written here"),
]

Alsatian = Callable[..., int]


def fill_disk(monkeypatch: pytest.MonkeyPatch, part: str, after: int = 0) -> list[str]:
    """Have flushing fail for files whose path contains ``part``, ``after`` times excepted; what was refused."""
    real = os.fsync
    met: list[str] = []
    refused: list[str] = []

    def fsync(descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if part in path and not Path(path).is_dir():
            met.append(path)
            if len(met) > after:
                refused.append(path)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    return refused


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_line(capsys: pytest.CaptureFixture[str], name: str) -> None:
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("alsatian: ")
    assert name in line
    assert "No space left on device" in line
    assert "intact" in line


@pytest.mark.parametrize(
    ("part", "after", "name"),
    [
        (".run.json.", 0, "run.json: cannot be written"),  # the record of a run that starts
        (".run.json.", 1, "run.json: cannot be written"),  # of one that was measured
        ("/sweeps/", 0, ".json: cannot be written"),
        ("/sweeps/", 1, ".json: cannot be written"),
        ("/sweeps/", 2, ".json: cannot be written"),
        (".summary.csv.", 0, "summary.csv: cannot be written"),
        (".speedup.png.", 0, "speedup.png: cannot be written"),
        (".report.html.", 0, "report.html: cannot be written"),
    ],
)
def test_results_that_cannot_be_written(
    alsatian: Alsatian,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    after: int,
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished, tmp_path / "results")
    before = contents(tmp_path)
    with monkeypatch.context() as full:
        refused = fill_disk(full, part, after)
        assert alsatian("run", "-m", "strategy=alsatian,shift") == 1
    assert len(refused) == 1  # nothing else was tried
    one_line(capsys, name)
    now = contents(tmp_path)
    assert not [path for path in now if path.suffix == ".tmp"]
    lost = [path for path in before if path.name == "run.json" and now[path] != before[path]]
    assert lost == []
    assert all(path in now for path in before)
    assert alsatian("validate", "results") == 0
    assert alsatian("run", "-m", "strategy=alsatian,shift") == 0
    assert {json.loads(path.read_bytes())["status"] for path in tmp_path.rglob("run.json")} == {"ok"}


@pytest.mark.parametrize("part", ["/architectures/", "/blocks/", "/models/", "/sets/"])
def test_a_store_that_cannot_be_written(
    alsatian: Alsatian,
    store: Path,
    finished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(finished, tmp_path / "results")
    own = tmp_path / "own"
    if part in ("/architectures/", "/sets/"):  # the rest is there already
        shutil.copytree(store, own)
        shutil.rmtree(own / "sets")
        shutil.rmtree(own / part.strip("/"), ignore_errors=True)
    before = contents(tmp_path)
    monkeypatch.setattr(repeat, "search", lambda *_, **__: pytest.fail("measured"))
    monkeypatch.setattr("alsatian.models.reading.architectures._library", {})  # as in a new process
    capsys.readouterr()
    with monkeypatch.context() as full:
        refused = fill_disk(full, f"/own{part}")
        assert alsatian("run", "strategy=alsatian", f"store_dir={own}", "scale=ci", "force=true") == 1
    assert refused
    one_line(capsys, "/own")
    now = contents(tmp_path)
    assert {path: now[path] for path in before} == before
    assert not [path for path in now if path.suffix == ".tmp"]
    capsys.readouterr()
    assert alsatian("store", "verify", "--store", str(own)) == 0


def test_another_command_on_a_full_disk_is_one_line(
    alsatian: Alsatian, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_disk(monkeypatch, "coverage.csv")
    assert alsatian("coverage", "resnet18", "--out", "out") == 1
    one_line(capsys, "out/coverage.csv")
