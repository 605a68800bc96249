"""However a search on Ray ends, its processes do, too; and a killed one goes on where it was."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from alsatian.machines.cluster import session
from alsatian.machines.cluster.guard import LINE
from alsatian.machines.cluster.session import ClusterError, Pulse
from alsatian.models.model_set import ModelSet
from tests.searching.tiny_search import ALSATIAN, search

pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
PATIENCE_S = 60

# A search of the tiny family in a store, slow enough to be killed in any of its rounds.
SCRIPT = """
import json, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from alsatian.machines.settings import MachineSettings
from alsatian.runtime.storage.regime import Storage
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import ALSATIAN, MODELS, search
from tests.stores import tiny_set
folder = Path(sys.argv[1])
models = tiny_set(BlockStore(folder / "store"), MODELS)
found = search(
    models, strategy=ALSATIAN, machine=MachineSettings(name="ray", workers=2), checkpoint=folder / "rounds",
    storage=Storage(bandwidth=20_000),
)
scores = [[r.train_items, r.scores] for r in found.rounds]
resumed = any(event["kind"] == "resumed" for event in found.measurement.events)
print(json.dumps({"ranked": found.ranked, "scores": scores, "resumed": resumed}))
"""


def start(folder: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "ALSATIAN_TEST": str(folder), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder)], cwd=ROOT, env=environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def processes(folder: Path) -> dict[int, str]:
    """All processes that came of :func:`start`, by the environment that they inherit."""
    mark, found = f"ALSATIAN_TEST={folder}".encode(), {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (path / "environ").read_bytes().split(b"\0"):
                found[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
    return found


def gone(folder: Path) -> bool:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if not processes(folder):
            return True
        time.sleep(0.2)
    return False


def named(folder: Path, word: str) -> list[int]:
    return [process for process, command in processes(folder).items() if word in command]


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    while not path.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def test_a_killed_command_leaves_no_process_and_goes_on_behind_its_rounds(
    family: ModelSet, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    right = search(family, strategy=ALSATIAN)
    scores = [[r.train_items, r.scores] for r in right.rounds]
    rng = random.Random(pytestconfig.getoption("--seed"))
    for number in range(max(1, pytestconfig.getoption("--kills") // 4)):
        folder = tmp_path / str(number)
        with start(folder) as killed:
            wait_for(folder / "rounds" / "rounds.json", killed)
            time.sleep(rng.uniform(0, 0.5))
            killed.send_signal(signal.SIGKILL)
        assert gone(folder), processes(folder)
        with start(folder) as again:
            said, errors = again.communicate(timeout=300)
        assert again.returncode == 0, errors
        found = json.loads(said)  # nothing else is said on standard output
        assert found["ranked"] == list(right.ranked), errors
        assert found["scores"] == scores
        assert found["resumed"]
        assert gone(folder), processes(folder)


def test_a_search_that_loses_its_cluster_ends_in_one_line(tmp_path: Path) -> None:
    with start(tmp_path) as search_:
        wait_for(tmp_path / "rounds" / "rounds.json", search_)
        for one in named(tmp_path, "raylet/raylet"):
            os.kill(one, signal.SIGKILL)
        said, errors = search_.communicate(timeout=300)
    assert search_.returncode
    assert errors.strip() == LINE
    assert not said
    assert gone(tmp_path), processes(tmp_path)


def test_a_silent_head_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        ray = SimpleNamespace(get_runtime_context=lambda: SimpleNamespace(gcs_address=address))
        pulse = Pulse(ray)
        pulse.check()
    pulse.check()  # once is not for long
    monkeypatch.setattr(session, "_SILENT_S", 0.0)
    with pytest.raises(ClusterError, match="head of the Ray cluster is gone; the same command goes on"):
        pulse.check()
