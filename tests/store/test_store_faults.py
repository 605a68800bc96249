"""A store stays valid whatever happens to the processes that write to it, and to the disk."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from alsatian.blocks.candidate import Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.files import locked
from alsatian.store import maintenance, statistics
from alsatian.store.store import BlockStore
from tests.stores import add_block

ROOT = Path(__file__).parents[2]

# Adds models that share blocks until it is killed, or `count` of them.
WRITER = """
import sys, torch
from alsatian.blocks.candidate import Candidate
from alsatian.store.store import BlockStore
from alsatian.data.preprocessing import ImagePreprocessing

folder, prefix, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
store = BlockStore(folder)
print("ready", flush=True)
sys.stdin.readline()
for i in range(first, first + count):
    with store.adding() as adding:
        shared = [adding.add_block(f"shared-{j}", [torch.arange(50_000.0)], 4) for j in range(4)]
        own = [adding.add_block("own", [torch.full((60_000,), float(i)), torch.tensor(j)], 4) for j in range(4)]
        adding.add_model(Candidate(f"{prefix}-{i}", (*shared, *own), None, ImagePreprocessing(8)))
"""


def writer(folder: Path, prefix: str, first: int, count: int) -> subprocess.Popen[bytes]:
    """A process that adds models once a line comes in; returns when it is ready."""
    command = [sys.executable, "-c", WRITER, str(folder), prefix, str(first), str(count)]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert made.stdout is not None
    made.stdout.readline()
    return made


def start(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def loads(store: BlockStore, model_id: str) -> None:
    """Fail unless all blocks of the model can be read."""
    for block in store.model(model_id).blocks:
        store.load_block(block.identity, model_id)


def model(store: BlockStore, model_id: str, *values: float) -> Candidate:
    """Add a model of one block a value."""
    with store.adding() as adding:
        blocks = tuple(adding.add_block("code", [torch.full((9,), value)], 4) for value in values)
        made = Candidate(model_id, blocks, None, ImagePreprocessing(8))
        adding.add_model(made)
    return made


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_valid_store(tmp_path: Path) -> None:
    """One process is forked per kill from a ready one, so that the kills fall into writing, not importing."""
    store = BlockStore(tmp_path)
    rng = random.Random(0)
    interrupted = 0
    server = subprocess.Popen(
        [sys.executable, "-c", FORKING, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server:
        for round_ in range(12):
            server.stdin.write(f"{1000 * round_}\n".encode())
            server.stdin.flush()
            child = int(server.stdout.readline())
            if round_ % 3:  # some are killed early, most when they have written a model
                while not store.manifest_path(f"model-{1000 * round_}").exists():
                    time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.1))
            os.kill(child, signal.SIGKILL)
            server.stdout.readline()  # it is gone
            assert maintenance.verify(store) == []
            for model_id in store.model_ids():
                loads(store, model_id)
            interrupted += any(tmp_path.rglob(".*"))
        server.stdin.close()
    assert interrupted  # or nothing was interrupted and this test could not fail
    assert len(store.model_ids()) >= 8
    maintenance.gc(store, grace_s=0)
    assert not list(tmp_path.rglob(".*"))
    assert statistics.stats(store).unreferenced_blocks == 0
    assert maintenance.verify(store) == []


# Reads numbers; for each forks a process that adds models from there on, says its id and when it is dead.
FORKING = """
import os, sys
sys.stdin = open(0, closefd=False)
import torch
torch.set_num_threads(1)
import alsatian.store.store
code = compile(WRITER, "writer", "exec")
for line in iter(sys.stdin.readline, ""):
    child = os.fork()
    if not child:
        sys.stdout = open(os.devnull, "w")
        sys.stdin = open(os.devnull)
        sys.argv = ["", sys.argv[1], "model", line, "1000"]
        exec(code, {})
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
    print("gone", flush=True)
""".replace("WRITER", repr(WRITER))


@pytest.mark.slow
def test_two_processes_add_the_same_and_other_models_at_once(tmp_path: Path) -> None:
    writers = [writer(tmp_path, "same", 0, 5), writer(tmp_path, "same", 0, 5), writer(tmp_path, "other", 3, 5)]
    for process in writers:
        start(process)
    while any(process.poll() is None for process in writers):
        maintenance.gc(BlockStore(tmp_path), grace_s=0)  # meanwhile, and without any patience
        time.sleep(0.05)
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    store = BlockStore(tmp_path)
    assert len(store.model_ids()) == 10
    assert maintenance.verify(store) == []
    found = statistics.stats(store)
    assert found.blocks == 4 + 4 * 8
    assert found.unreferenced_blocks == 0
    assert not list(tmp_path.rglob(".*"))


def test_collecting_waits_for_those_who_add(tmp_path: Path) -> None:
    """A block that was found to be there is not removed before the manifest that needs it is written."""
    store = BlockStore(tmp_path)
    loose = add_block(store, "code", [torch.ones(9)], 4)
    with store.adding() as adding:
        again = adding.add_block("code", [torch.ones(9)], 4)
        collector = subprocess.Popen(
            [sys.executable, "-c", COLLECTOR, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert collector.stdout is not None
        assert collector.stdout.readline() == b"waiting\n"
        time.sleep(0.2)
        assert collector.poll() is None
        assert store.block_path(loose.identity).exists()
        adding.add_model(Candidate("m", (again,), None, ImagePreprocessing(8)))
    out, _ = collector.communicate(timeout=30)
    assert out == b"removed 0\n"
    loads(store, "m")


COLLECTOR = """
import sys
from alsatian.store.maintenance import gc
from alsatian.store.store import BlockStore
print("waiting", flush=True)
print("removed", len(gc(BlockStore(sys.argv[1]), grace_s=0).files), flush=True)
"""


def test_those_who_add_do_not_wait_for_each_other(tmp_path: Path) -> None:
    store = BlockStore(tmp_path)
    with store.adding() as adding:
        adding.add_block("code", [torch.ones(9)], 4)
        assert model(BlockStore(tmp_path), "m", 1.0, 2.0).blocks
    with locked(tmp_path, alone=True):
        pass  # everybody has left
