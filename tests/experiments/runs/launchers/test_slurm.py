"""Runs as jobs of Slurm, which :mod:`.fake_slurm` stands for."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alsatian.records import read
from experiments.cli import main
from tests.experiments.conftest import render_nothing

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.slow]

LAUNCHER = ("launcher=submitit", "launcher.workers=2", "launcher.time=30", "launcher.partition=cpu")
WORDS = ("-m", "strategy=alsatian,shift", "scale=ci")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a Slurm that has heard nothing yet."""
    folder, commands = tmp_path / "slurm", tmp_path / "bin"
    folder.mkdir()
    commands.mkdir()
    for name in ("sbatch", "srun", "sacct", "scancel"):
        place = commands / name
        place.write_text(f"#!{sys.executable}\n" + (Path(__file__).parent / "fake_slurm.py").read_text())
        place.chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_SLURM", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_runs_are_an_array_of_jobs(slurm: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render_nothing(monkeypatch)
    more = (
        "launcher.cores=3",
        "launcher.memory=4GiB",
        "launcher.exclusive=true",
        "launcher.parameters={account: a}",
    )
    assert (
        main(["run", *WORDS, f"store_dir={store}", *LAUNCHER, *more, "launcher.setup=['export MY_SETUP=1']"]) == 0
    )
    asked = (slurm / "script.sh").read_text().splitlines()
    for word in ("array=0-1%2", "cpus-per-task=3", "mem=4GB", "partition=cpu", "time=30", "account=a", "exclusive"):
        assert f"#SBATCH --{word}" in asked
    assert "#SBATCH --job-name=alsatian" in asked
    assert "export MY_SETUP=1" in asked
    runs = read(next(slurm.parent.glob("results/*"))).runs
    assert [run.status for run in runs] == ["ok", "ok"]
    # A whole node each: beside none, and with the cores that Slurm gives, not a share of this machine's.
    assert not any(repeat.beside for run in runs for repeat in run.repeats)
    assert [run.environment.cores for run in runs] == [len(os.sched_getaffinity(0))] * 2
    assert not list(slurm.parent.glob("results/.alsatian*"))


def test_jobs_are_cancelled_with_the_command(slurm: Path, store: Path, tmp_path: Path) -> None:
    words = [*WORDS, f"store_dir={store}", "storage.bandwidth=10", *LAUNCHER]
    command = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "run", *words],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4])},
        stdout=subprocess.DEVNULL,
    )

    def found() -> list[tuple[str, str | None]]:
        records = [json.loads(path.read_text()) for path in tmp_path.glob("results/*/*/run.json")]
        return [(record["status"], record["error"]) for record in records]

    end = time.monotonic() + 120
    try:
        while found() != [("running", None)] * 2:
            assert time.monotonic() < end
            assert command.poll() is None
            time.sleep(0.1)
        command.send_signal(signal.SIGTERM)
        assert command.wait(60) == 130
    finally:
        command.kill()
        subprocess.run([shutil.which("scancel") or "", "7_0"], check=True)
        subprocess.run([shutil.which("scancel") or "", "7_1"], check=True)
    assert found() == [("failed", "interrupted")] * 2
    assert not list(tmp_path.glob("results/.alsatian*"))
