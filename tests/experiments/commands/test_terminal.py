"""What commands say on a terminal: how much, how wide, for programs, and where settings come from."""

import json
import re
import subprocess
import sys
from collections.abc import Callable

import pytest
from rich.console import Console

from experiments.cli import COMMANDS, main
from experiments.configuration.composition import cells
from experiments.configuration.console import Volume, speaking
from experiments.runs.progress import Progress

Said = Callable[[Volume], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """What a run says that ends well, one that does not, and a warning."""

    def all_of_it(volume: Volume) -> str:
        with speaking(volume), Progress(Console(width=60, soft_wrap=True)) as progress:
            progress.start(2)
            progress.step("making", 1, 3)
            progress.repeat("first", 0, 1)
            progress.done("first", "1 s")
            progress.failed("two", "failed")
            progress.warn("a disk is full")
        return capsys.readouterr().out

    return all_of_it


def test_quiet_keeps_failures_and_warnings(said: Said) -> None:
    text = said(Volume.QUIET)
    assert "two: failed" in text
    assert "warning: a disk is full" in text
    assert "first" not in text


def test_verbose_says_every_step(said: Said) -> None:
    usual, verbose = said(Volume.USUAL), said(Volume.VERBOSE)
    assert "first: 1 s" in usual
    assert "making: 1 of 3" not in usual
    assert "making: 1 of 3" in verbose
    assert "first: repeat 1 of 1 starts" in verbose
    assert all(line[2] == line[5] == ":" for line in verbose.splitlines())


def test_a_run_is_one_line_of_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(Console(width=40, force_terminal=True, color_system=None)) as progress:
        progress.done("a label " * 20, "1 s")
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().out).replace("\r", "\n")
    lines = [line for line in text.splitlines() if "a label" in line]
    assert len(lines) == 1
    assert len(lines[0]) <= 40


@pytest.mark.parametrize("columns", [60, 80])
@pytest.mark.parametrize("words", [["config", "experiment=quickstart"], ["list"], ["--help"]])
def test_no_row_is_wider_than_the_terminal(
    words: list[str], columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    if words == ["--help"]:
        with pytest.raises(SystemExit):
            main(words)
        rows = capsys.readouterr().out.partition("examples:")[0].splitlines()
    else:
        assert main(words) == 0
        rows = capsys.readouterr().out.splitlines()
    assert rows
    assert max(map(len, rows)) <= columns


def test_settings_say_where_they_come_from(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "experiment=quickstart", "seed=3", "--json"]) == 0
    runs = json.loads(capsys.readouterr().out)
    assert len(runs) == 4
    assert runs[0]["config"]["seed"] == 3
    assert runs[0]["from"]["seed"] == "command line"
    assert runs[0]["from"]["name"] == "experiment/quickstart.yaml"
    (cell, *_) = cells(["experiment=fig10", "scale=ci"], origins=True)
    assert cell.origin("model_set.distribution") == "sweep"
    assert cell.origin("model_set.architecture") == "model_set/synthetic_network.yaml"
    assert cell.origin("batch_size") == "figure/searches.yaml"
    assert main(["config", "experiment=quickstart", "seed=3"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Settings of all 4 runs")
    common, differing = text.split("Settings in which they differ")
    assert re.search(r"^  seed +3 +command line", common, re.MULTILINE)
    assert re.search(r'^  strategy.name +"base" \(1\)', differing, re.MULTILINE)
    assert re.search(r"^  4 +strategy=", differing.partition("Runs")[2], re.MULTILINE)
    assert main(["config", "experiment=nothing"]) == 1


def test_lists_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "strategies", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out).values()
    assert {"base", "shift"} <= {one["name"] for one in listed}
    assert all(one["description"] for one in listed)


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_shell_learns_all_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab")
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)


def test_without_shtab_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert "needs shtab" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["completion bash", "config experiment=quickstart", "list --json"])
def test_these_load_no_torch(words: str) -> None:
    code = f"import sys; from experiments.cli import main; main({words.split()}); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=False).returncode == 0
