"""``alsatian reproduce`` with two small experiments that stand for figures of the paper."""

import contextlib
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from experiments.cli import main
from experiments.configuration import composition
from experiments.configuration import menu as whole_menu
from experiments.configuration.composition import take
from experiments.runs import reproduction
from experiments.runs.launchers import process
from experiments.runs.reproduction import Experiment, TimeLeft

pytestmark = pytest.mark.xdist_group("paper")

Alsatian = Callable[..., int]


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


Reproduce = Callable[..., Done]
ROOT = Path(__file__).parents[3]
SMALL = """# @package _global_
# A search that stands for cells of a figure.
name: {name}
title: Small {name}
figure: {{number: "{number}"}}
scaled: ["4 models instead of 35"]
paper: {{workload: ResNet-18, items: 2000, distribution: TOP_LAYERS}}
sweep:
  strategy: [{strategies}]
"""


def small_menu(folder: Path) -> Path:
    """The menu with two experiments of the paper and no others: fig10 with two runs, fig17 with one."""
    shutil.copytree(ROOT / "conf", folder)
    for path in (folder / "experiment").glob("*.yaml"):
        if re.search("^figure:", path.read_text(), re.MULTILINE):
            path.unlink()
    for name, strategies in (("fig10", "shift, alsatian"), ("fig17", "alsatian")):
        (folder / "experiment" / f"{name}.yaml").write_text(
            SMALL.format(name=name, number=name.removeprefix("fig"), strategies=strategies)
        )
    return folder


class InThisProcess:
    """What :func:`~experiments.runs.launchers.process.start` returns, of a command that has run in this process:
    without the seconds that a process of its own takes to import."""

    def __init__(self, module: str, *words: str, **settings: Any) -> None:
        assert (module, settings["stderr"]) == ("experiments.cli", subprocess.PIPE)
        told = io.StringIO()
        with contextlib.redirect_stderr(told):
            self.status = main(words)
        self.stderr = io.StringIO(told.getvalue())

    def wait(self) -> int:
        return self.status


@pytest.fixture
def reproduce(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Reproduce]:
    """The command with the small menu, and no process besides this one."""
    menu = small_menu(tmp_path / "conf")
    here = tmp_path / "here"
    here.mkdir(exist_ok=True)
    monkeypatch.chdir(here)
    monkeypatch.setattr(whole_menu, "CONF", menu)
    monkeypatch.setattr(reproduction, "start", InThisProcess)

    def call(*words: str) -> Done:
        capsys.readouterr()
        status = main(["reproduce", "scale=ci", f"store_dir={store}", *words])
        return Done(status, *capsys.readouterr())

    composition._all_keys.cache_clear()
    yield call
    composition._all_keys.cache_clear()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("run.json")}


@pytest.mark.slow
def test_experiments_run_in_processes_of_their_own(
    tmp_path: Path, store: Path, reproduce: Reproduce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process finds the small menu beside the code that it is given."""
    for package in ("alsatian", "analysis", "baselines", "experiments"):
        (tmp_path / package).symlink_to(ROOT / package)
    monkeypatch.setattr(process, "__file__", str(tmp_path / "experiments" / "runs" / "launchers" / "process.py"))
    monkeypatch.setattr(reproduction, "start", process.start)
    done = reproduce("reproduce.only=[fig17]")
    assert done.returncode == 0, done.stderr
    assert "[0/1 experiments done, 0 failed, time left unknown] fig17: Small fig17, 1 run" in done.stdout
    results = tmp_path / "here" / "results"
    (record,) = (json.loads(content) for content in contents(results).values())
    assert (record["experiment"], record["config"]["title"]) == ("fig17", "Small fig17")
    assert 'id="fig17"' in (results / "report.html").read_text()


def test_what_a_process_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "import sys; print('noise', file=sys.stderr); sys.exit('alsatian: failed: a: why')"

    def start(module: str, *words: str, **settings: Any) -> "subprocess.Popen[str]":
        return subprocess.Popen([sys.executable, "-c", code], **settings)

    monkeypatch.setattr(reproduction, "start", start)
    experiment = Experiment("fig17", "fig17", "Small", "ci", 1, tmp_path)
    said: list[str] = []
    warned: list[str] = []
    assert reproduction.run(experiment, ["seed=1"], said.append, warned.append) == ["a: why"]
    assert (said, warned) == (["alsatian run experiment=fig17 seed=1"], ["noise"])


def test_it_runs_what_is_missing_and_reports_on_all(reproduce: Reproduce, tmp_path: Path) -> None:
    results = tmp_path / "here" / "results"
    first = reproduce("reproduce.only=[fig17]")
    assert first.returncode == 0, first.stderr
    assert "[0/1 experiments done, 0 failed, time left unknown] fig17: Small fig17, 1 run" in first.stdout
    found = contents(results)
    assert {path.parent.parent.name for path in found} == {"fig17"}
    second = reproduce()
    assert second.returncode == 0, second.stderr
    assert re.search(r"\[1/2 experiments done, 0 failed, about 0 s left\] fig17", second.stdout)
    everything = contents(results)
    assert len(everything) == 3
    assert everything.items() >= found.items()
    page = (results / "report.html").read_text()
    for part in ('id="fig10"', 'id="fig17"', "4 models instead of 35", "alsatian run experiment=fig10 scale=ci"):
        assert part in page
    third = reproduce()
    assert third.returncode == 0, third.stderr
    assert third.stdout.count("finished before, skipped") == 3
    assert contents(results) == everything
    assert (results / "report.html").read_text() == page


def test_how_much_it_says_is_passed_on(reproduce: Reproduce, tmp_path: Path) -> None:
    noted = tmp_path / "here" / "results" / "sources.json"
    quiet = reproduce("reproduce.only=[fig17]", "-q")
    assert (quiet.returncode, quiet.stderr) == (0, "")
    assert "experiments done" not in quiet.stdout
    assert "alsatian run" not in quiet.stdout
    assert "models done" not in quiet.stdout
    assert "results/report.html" in quiet.stdout
    (entry,) = json.loads(noted.read_bytes()).values()
    assert entry["command"].startswith("alsatian reproduce scale=ci store_dir=")
    assert entry["code"]["alsatian/blocks"]
    again = reproduce("reproduce.only=[fig17]", "--verbose")
    assert re.search(r"^\d\d:\d\d:\d\d \[0/1 experiments done", again.stdout, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d alsatian run --verbose experiment=fig17", again.stdout, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d .*finished before, skipped", again.stdout, re.MULTILINE)
    assert json.loads(noted.read_bytes()) == {"report.html": entry}  # nothing was measured


def test_one_that_fails_stops_no_other_and_is_one_line(reproduce: Reproduce, tmp_path: Path) -> None:
    done = reproduce("cache.budget=1000")
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert [line.partition(" strategy=")[0] for line in lines if "failed: fig10" in line] == [
        "alsatian: failed: fig10:"
    ]
    assert any(line.startswith("alsatian: failed: fig17: ") for line in lines)
    records = [json.loads(content) for content in contents(tmp_path / "here" / "results").values()]
    assert sorted((r["experiment"], r["status"]) for r in records) == [
        *(("fig10", "failed"), ("fig10", "ok"), ("fig17", "failed"))
    ]
    page = (tmp_path / "here" / "results" / "report.html").read_text()
    assert "What failed" in page
    assert "set cache.budget=" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["reproduce.only=[quickstart]"], "reproduce.only: 'quickstart' is no experiment of the paper"),
        (["reproduce.only=[]"], "reproduce.only: names no experiment"),
        (["reproduce.only=3"], "reproduce.only=3: names of experiments are expected"),
        (["experiment=fig10"], "experiment=fig10: experiments of the paper are chosen with reproduce.only"),
        (["reproduce.olny=[fig10]"], "reproduce.olny: there is no such key"),
        (["scale=huge"], "scale=huge"),
        (["figure.style=papr"], "figure.style=papr: there is no such style; did you mean 'paper'?"),
    ],
)
def test_bad_words_are_one_line(
    alsatian: Alsatian, words: list[str], message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("reproduce", "scale=ci", *words) == 1
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert message in line
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("status", "lines", "expected"),
    [
        (0, ["a warning"], []),
        (1, ["alsatian: failed: strategy=a: why", "noise", "alsatian: failed: b: c"], ["strategy=a: why", "b: c"]),
        (1, ["alsatian: bad word"], ["bad word"]),
        (1, ["Traceback", "ValueError: x", ""], ["ValueError: x"]),
        (1, [], ["scores differ that must be equal; its report names them"]),
        (-9, ["noise"], ["ended by SIGKILL; the same command goes on behind what is finished"]),
    ],
)
def test_every_failure_is_a_line(status: int, lines: list[str], expected: list[str]) -> None:
    assert reproduction._failures(status, lines) == expected


def test_the_time_left_comes_from_what_is_finished(tmp_path: Path) -> None:
    now = 0.0
    one, two = (Experiment(name, name, name, "ci", 3, tmp_path) for name in ("one", "two"))

    def record(name: str, index: int, seconds: int, **changes: Any) -> None:
        path = tmp_path / name / str(index) / "run.json"
        path.parent.mkdir(parents=True)
        times = {"started": "2026-01-02T03:00:00+00:00", "finished": f"2026-01-02T03:00:{seconds:02}+00:00"}
        path.write_text(json.dumps({"status": "ok", "config": {"scale": "ci"}, **times, **changes}))

    left = TimeLeft([one, two], lambda: now)
    assert left.seconds([one, two]) is None
    record("one", 0, 10)
    record("one", 1, 20)
    record("one", 2, 40, status="failed")
    # 15 s a run: one of the first, three of the second; nothing took time beside the runs.
    assert left.seconds([one, two]) == 4 * 15
    record("two", 0, 30)
    assert left.seconds([two]) == 2 * 30
    now = 120.0  # twice what the runs took
    assert left.seconds([two]) == 2 * 2 * 30
    record("two", 1, 30)
    record("two", 2, 30)
    assert left.seconds([two]) == 0


def test_a_run_that_took_turns_with_others_took_its_own_repeats(tmp_path: Path) -> None:
    one = Experiment("one", "one", "one", "desktop", 2, tmp_path)
    path = tmp_path / "one" / "0" / "run.json"
    path.parent.mkdir(parents=True)
    times = {"started": "2026-01-02T03:00:00+00:00", "finished": "2026-01-02T04:00:00+00:00"}
    content = {"status": "ok", "config": {"scale": "desktop", "interleaved": True}, **times}
    path.write_text(json.dumps({**content, "repeats": [{"wall_s": 3.0}, {"wall_s": 4.0}]}))
    assert reproduction.finished(one) == [7.0]


def test_a_setting_of_the_command_itself_is_taken_out() -> None:
    assert take(["a=1", "b.c=[x,y]", "d=2"], "b.c") == (["a=1", "d=2"], ["x", "y"])
    assert take(["a=1"], "b.c") == (["a=1"], None)
