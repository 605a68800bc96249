"""``fresh_process=true``: the same results from a process of its own, and every way that it can die."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from omegaconf import OmegaConf

from experiments.configuration.composition import cells
from experiments.runs import worker
from experiments.runs.repeat import RunFailed

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in folder.rglob("run.json")]


def config(**changes: Any) -> dict[str, Any]:
    (cell,) = cells(["scale=ci"])
    plain: Any = OmegaConf.to_container(cell.config, resolve=True)
    return plain | {"timeout_s": None} | changes


def impostor(monkeypatch: pytest.MonkeyPatch, code: str) -> list["subprocess.Popen[bytes]"]:
    """Have the worker be ``code`` instead; the processes that were started."""
    started: list[subprocess.Popen[bytes]] = []

    def start(words: IO[bytes]) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE
        started.append(subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=words))
        return started[-1]

    monkeypatch.setattr(worker, "_start", start)
    return started


@pytest.mark.slow
def test_a_fresh_process_finds_the_same_bit_for_bit(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "-m", "strategy=alsatian", "device.threads=1", "fresh_process=false,true")
    assert alsatian(*words) == 0
    here, apart = sorted(records(tmp_path), key=lambda record: record["config"]["fresh_process"])
    assert here["run_id"] != apart["run_id"]
    for key in ("rounds", "ranking", "winner", "status"):
        assert here[key] == apart[key]
    ours, theirs = here["repeats"][0], apart["repeats"][0]
    assert ours.keys() == theirs.keys()
    assert ours["counters"] == theirs["counters"]
    assert ours["wall_s"] != theirs["wall_s"]
    assert alsatian("run", "strategy=alsatian", "cache.budget=1000", "fresh_process=true") == 1
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    assert "set cache.budget=" in line


@pytest.mark.slow
def test_the_worker_ends_when_its_parent_is_gone(store: Path) -> None:
    with open(os.devnull, "wb") as words, worker._start(words) as process:
        assert process.stdin is not None
        # At this bandwidth the search would take days.
        settings = config(store_dir=str(store))
        settings["storage"] |= {"bandwidth": 10}
        process.stdin.write(json.dumps(settings).encode() + b"\n")
        process.stdin.close()
        assert process.wait(timeout=300) == 1


@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("SIGKILL", "oom", "ended by SIGKILL, most likely for lack of memory"),
        ("SIGSEGV", "failed", "ended by SIGSEGV"),
        ("SIGTERM", "failed", "ended by SIGTERM"),
    ],
)
def test_a_signal_is_named(monkeypatch: pytest.MonkeyPatch, name: str, status: str, said: str) -> None:
    impostor(monkeypatch, f"import os, signal; os.kill(os.getpid(), signal.{name})")
    with pytest.raises(RunFailed) as caught:
        worker.measure_apart(config())
    assert caught.value.status == status
    assert said in caught.value.error
    assert "\n" not in caught.value.error


def test_a_killed_process_is_on_record(
    alsatian: Alsatian, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    impostor(monkeypatch, "import os; os.kill(os.getpid(), 9)")
    assert alsatian("run", "strategy=alsatian", "fresh_process=true") == 1
    (record,) = records(tmp_path)
    assert record["status"] == "oom"
    assert "SIGKILL" in record["error"]
    assert capsys.readouterr().err.startswith("alsatian: failed: alsatian: the process of a repeat was ended by")


def test_last_words_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    impostor(monkeypatch, "import sys; print('noise'); sys.exit('no such thing')")
    with pytest.raises(RunFailed) as caught:
        worker.measure_apart(config())
    assert caught.value.status == "failed"
    assert caught.value.error == "the process of a repeat ended with status 1\nno such thing"


def test_an_answer_about_a_failure_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    impostor(monkeypatch, """print('{"status": "oom", "error": "too much"}')""")
    with pytest.raises(RunFailed) as caught:
        worker.measure_apart(config())
    assert (caught.value.status, caught.value.error) == ("oom", "too much")


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started = impostor(monkeypatch, "import time; time.sleep(1000)")
    with pytest.raises(RunFailed) as caught:
        worker.measure_apart(config(timeout_s=0.2))
    assert caught.value.status == "timeout"
    assert caught.value.error.startswith("a repeat took longer than timeout_s=0.2")
    assert started[0].returncode == -signal.SIGKILL


def test_an_interrupt_ends_the_process_too(monkeypatch: pytest.MonkeyPatch) -> None:
    started = impostor(monkeypatch, "import time; time.sleep(1000)")
    # Started in the background of a script, Python leaves SIGINT ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()

    def interrupt() -> None:
        while not started:
            time.sleep(0.01)
        time.sleep(0.3)  # by then the job was handed over and the answer is waited for
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            worker.measure_apart(config())
    finally:
        signal.signal(signal.SIGINT, before)
    assert started[0].returncode == -signal.SIGKILL


def test_a_search_in_this_process_can_take_too_long_as_well(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "strategy=alsatian", "timeout_s=0.000001") == 1
    (record,) = records(tmp_path)
    assert record["status"] == "timeout"
    assert "timeout_s=1e-06; allow more, or null for no limit" in capsys.readouterr().err
    assert alsatian("run", "strategy=alsatian") == 0
    (record,) = records(tmp_path)
    assert record["status"] == "ok"
