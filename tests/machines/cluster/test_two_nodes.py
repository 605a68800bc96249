"""A search on two nodes of Ray, both on this machine, started as ``docs/cluster.md`` says."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alsatian.machines.cluster.guard import users
from alsatian.models.model_set import ModelSet
from alsatian.runtime.storage.private_folder import private_folder
from tests.searching.tiny_search import ALSATIAN, search

pytest.importorskip("ray", reason="needs the extra ray")
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes there")]
ROOT = Path(__file__).parents[3]
SMALL = ("--num-cpus=1", f"--object-store-memory={80 * 1024**2}")

SCRIPT = """
import json, sys, torch
torch.set_num_threads(1)
from pathlib import Path
from alsatian.machines.settings import MachineSettings
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import ALSATIAN, MODELS, search
from tests.stores import tiny_set
machine = MachineSettings(name="ray", workers=2, address=sys.argv[2])
found = search(tiny_set(BlockStore(Path(sys.argv[1])), MODELS), strategy=ALSATIAN, machine=machine)
(nodes,) = (event["nodes"] for event in found.measurement.events if event["kind"] == "cluster")
workers = {name: one.counters["block_executions"] for name, one in found.measurement.workers.items()}
scores = [[r.train_items, r.scores, r.fingerprints] for r in found.rounds]
print(json.dumps({"ranked": found.ranked, "scores": scores, "nodes": nodes, "workers": workers}))
"""


def ray(*words: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "ray.scripts.scripts", *words]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of all that joins: a home of its own, which the token lies in."""
    usual = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    own = {"HOME": str(tmp_path), "RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    return usual | own


@pytest.fixture
def address(environment: dict[str, str]) -> Iterator[str]:
    """Of the head of two nodes with one processor each. Their processes are known by their open files in a folder
    that only they have (``ray stop`` would end every node of the machine)."""
    with private_folder("/tmp", "alsatian-ray-", "TMPDIR") as folder:  # names of sockets have to be short
        with socket.socket() as free:
            free.bind(("", 0))
            port = free.getsockname()[1]
        try:
            ray("get-auth-token", "--generate", environment=environment)
            head = ("--head", f"--port={port}", f"--temp-dir={folder}", "--include-dashboard=false")
            ray("start", *head, *SMALL, environment=environment)
            at = (Path(folder) / "ray_current_cluster").read_text()
            ray("start", f"--address={at}", *SMALL, environment=environment)
            yield at
        finally:
            end = time.monotonic() + 30
            while (left := users(str(folder), 0)) and time.monotonic() < end:
                for process in left:
                    os.kill(process, signal.SIGKILL)
                time.sleep(0.1)
            assert not left


def test_two_nodes_give_the_scores_of_one_process(
    family: ModelSet, tmp_path: Path, environment: dict[str, str], address: str
) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "store"), address]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    found, alone = json.loads(done.stdout), search(family, strategy=ALSATIAN)
    assert found["nodes"] == 2
    assert found["workers"].keys() == {"worker 1", "worker 2"}
    assert all(found["workers"].values())
    assert found["ranked"] == list(alone.ranked)
    assert found["scores"] == [[r.train_items, r.scores, r.fingerprints] for r in alone.rounds]
