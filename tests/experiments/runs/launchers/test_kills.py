"""Commands that are ended while their launchers' processes measure: nothing of them is left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.xdist_group("cli"), pytest.mark.slow]

# At this bandwidth a search would take days.
WORDS = ("-m", "strategy=base,shift,alsatian", "scale=ci", "storage.bandwidth=10", "launcher.workers=2")
MARK = "ALSATIAN_TEST_OF_KILLS"


def processes(mark: str) -> list[int]:
    """Those alive whose environment has the mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{MARK}={mark}".encode() in (folder / "environ").read_bytes().split(b"\0")
            if marked and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(int(folder.name))
        except OSError:
            pass
    return found


def wait_until(condition, seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("number", "launcher"),
    [
        (signal.SIGTERM, ("launcher=joblib",)),
        (signal.SIGKILL, ("launcher=joblib",)),
        (signal.SIGKILL, ("launcher=submitit", "launcher.executor=local")),
    ],
)
def test_no_process_outlives_the_command(
    store: Path, tmp_path: Path, number: signal.Signals, launcher: tuple[str, ...]
) -> None:
    mark = f"{os.getpid()}-{tmp_path.name}"
    command = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "run", *WORDS, f"store_dir={store}", *launcher],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[4]), MARK: mark, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def records() -> list[tuple[str, str | None]]:
        found = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("results/*/*/run.json"))]
        return [(record["status"], record["error"]) for record in found]

    try:
        wait_until(lambda: records() == [("running", None)] * 2 or command.poll() is not None)
        command.send_signal(number)
        _, said = command.communicate(timeout=60)
        wait_until(lambda: not processes(mark), 30)
    finally:
        for left in processes(mark):
            os.kill(left, signal.SIGKILL)
    assert records() == [("failed", "interrupted")] * 2
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".alsatian")]
    if number == signal.SIGTERM:
        assert command.returncode == 130
        assert said == "alsatian: interrupted; the same command continues\n"
        (path,) = tmp_path.rglob("sweeps/*.json")
        found = [(run["status"], run["error"]) for run in json.loads(path.read_text())["runs"]]
        assert sorted(found) == [("failed", "interrupted"), ("failed", "interrupted"), ("pending", None)]
