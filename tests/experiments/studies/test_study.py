"""The command that lists and runs studies, their pages and their tables."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from alsatian.errors import AlsatianError
from experiments.cli import main
from experiments.configuration.console import Volume, volume
from experiments.studies import freshness, study
from experiments.studies.study import Page, Say, apart, spread, studies, table, write


def module(run: study.Callable[[argparse.Namespace, Say], Iterator[Page]]) -> ModuleType:
    """A study that does ``run``."""
    made = ModuleType("made", "A study that was made up.")
    made.__file__ = __file__
    made.configure, made.run = lambda parser: None, run  # type: ignore[attr-defined]
    return made


def test_all_studies_are_listed_in_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(studies())
    assert max(map(len, lines)) <= 80
    assert all(studies().values())


@pytest.mark.parametrize("name", studies())
def test_every_study_says_its_arguments(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as end:
        main(["study", name, "--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert f"usage: alsatian study {name}" in out
    assert "--out" in out
    assert max(map(len, out.splitlines())) <= 80


def test_a_wrong_name_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "ordrs"]) == 1
    assert capsys.readouterr().err == "alsatian: there is no study 'ordrs'; did you mean 'orders'?\n"


def test_pages_are_written_as_a_study_gets_on(tmp_path: Path) -> None:
    said: list[str] = []

    def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
        data = pd.DataFrame({"a": [1]})
        yield Page("First", ["some"], data)
        assert (tmp_path / "made.md").read_text().startswith("# First\n\nMade by `command` on ")
        yield Page("Second", ["all", table(data)], data, good=False)

    options = argparse.Namespace(out=tmp_path)
    assert write("made", "command", module(run), options, said.append) == 1
    assert (tmp_path / "made.md").read_text().endswith("\nall\n\n|   a |\n|----:|\n|   1 |\n")
    assert (tmp_path / "made.csv").read_text() == "a\n1\n"
    assert said[-1] == f"written: {tmp_path / 'made.md'}"
    (made,) = freshness.entries(tmp_path).values()
    assert made.command == "command"
    assert made.changed() == []
    assert {"alsatian/blocks", "tests/experiments/studies/test_study.py"} <= made.code.keys()


def test_a_page_of_what_was_measured_before_says_what_made_it(tmp_path: Path) -> None:
    def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
        yield Page("Page", [], source=lambda now: freshness.of_records(now, "alsatian run", []))

    write("made", "command", module(run), argparse.Namespace(out=tmp_path), print)
    (made,) = freshness.entries(tmp_path).values()
    assert made.command == "alsatian run"
    assert made.changed() == list(made.code)  # no commit, so nobody knows


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], ["1 of 2", "2 of 2", "# Page"]),
        (["made", "-q"], ["# Page"]),
        (["-q", "made"], ["# Page"]),
        (["made", "-v"], ["00:00:00 1 of 2", "00:00:00 2 of 2", "# Page"]),
    ],
)
def test_how_much_a_study_says(
    words: Sequence[str], expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
        say("1 of 2")
        say("2 of 2")
        yield Page("Page", [])

    monkeypatch.setattr(study, "studies", lambda: {"made": ""})
    monkeypatch.setitem(sys.modules, "experiments.studies.made", module(run))
    monkeypatch.setattr("time.strftime", lambda form: "00:00:00")
    assert main(["study", *(words or ["made"]), "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if line and not line.startswith(("Made by", "written"))] == expected
    assert f"Made by `alsatian study made --out {tmp_path}` on " in (tmp_path / "made.md").read_text()
    assert volume() is Volume.USUAL


def test_an_error_is_whole_where_all_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: argparse.Namespace, say: Say) -> Iterator[Page]:
        raise AlsatianError("no models")
        yield

    monkeypatch.setattr(study, "studies", lambda: {"made": ""})
    monkeypatch.setitem(sys.modules, "experiments.studies.made", module(run))
    for words in ["-q"], []:
        assert main(["study", "made", *words]) == 1
        assert capsys.readouterr().err.splitlines() == ["alsatian: no models"]
    assert main(["study", "made", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_tables_and_spreads() -> None:
    rows = [{"name": "0.10", "x": 0.25, "n": None}, {"name": "b", "x": 2.0, "n": 3.0}]
    lines = table(rows, x="{:.1%}").splitlines()
    assert [line.split() for line in lines[2:]] == [
        ["|", "0.10", "|", "25.0%", "|", "|"],
        ["|", "b", "|", "200.0%", "|", "3.0", "|"],
    ]
    assert spread([1, 3, 2]) == "2.00 (1.00–3.00)"
    assert spread([1.25], "{:.1f}") == "1.2"
    assert spread([], none="nothing") == "nothing"


def test_work_apart_gives_its_result() -> None:
    assert apart("counting", len, "four") == 4
