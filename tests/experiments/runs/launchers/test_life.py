"""A command's life: what its processes see of it, and that they end with it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.runs.launchers import life, process

FOLLOWER = """
import sys, time
from pathlib import Path
from experiments.runs.launchers import life
life.end_with(Path(sys.argv[1]))
print("there", flush=True)
time.sleep(1000)
"""
COMMAND = """
import time
from experiments.runs.launchers.life import Life
print(Life().folder, flush=True)
time.sleep(1000)
"""


@contextlib.contextmanager
def started(code: str, *words: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **process.environment()},
    ) as one:
        try:
            yield one
        finally:
            one.kill()  # else a failure would wait for it


def line(one: "subprocess.Popen[str]") -> str:
    assert one.stdout is not None
    return one.stdout.readline().strip()


@pytest.fixture
def command() -> Iterator[life.Life]:
    own = life.Life()
    yield own
    own.close()


def test_runs_are_wanted_until_the_command_says_otherwise(command: life.Life) -> None:
    assert life.is_wanted(command.folder)
    assert command.folder.stat().st_mode & 0o077 == 0
    command.stop()
    assert not life.is_wanted(command.folder)
    life.wait_while_wanted(command.folder)
    assert command.folder.is_dir()
    command.close()
    assert not command.folder.exists()
    assert not life.is_wanted(command.folder)


def test_every_process_has_a_slot_of_its_own(command: life.Life) -> None:
    assert [life.take_slot(command.folder, 3) for _ in range(4)] == [0, 1, 2, 2]


@pytest.mark.parametrize("killed", [False, True])
def test_processes_end_with_the_command_however_it_ends(killed: bool) -> None:
    with started(COMMAND) as other:
        folder = Path(line(other))
        with started(FOLLOWER, str(folder)) as follower:
            assert line(follower) == "there"
            assert follower.poll() is None
            other.send_signal(signal.SIGKILL if killed else signal.SIGINT)
            assert follower.wait(60) == 1
    assert not folder.exists()  # also where nobody else could remove it


def test_a_process_of_a_command_that_is_gone_ends_at_once(tmp_path: Path) -> None:
    before = time.monotonic()
    with started(FOLLOWER, str(tmp_path / "gone")) as follower:
        assert follower.wait(60) == 1
    assert time.monotonic() - before < 60
