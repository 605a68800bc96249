"""The command that lists and runs studies, their pages and their tables."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import main
from experiments.studies.study import Page, Say, apart, spread, studies, table, write

PAGES = Path(__file__).parents[3] / "docs" / "results"


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


@pytest.mark.parametrize("name", sorted(set(studies()) - {"reproduction", "coverage"}))
def test_every_page_in_the_documentation_names_its_command(name: str) -> None:
    assert f"alsatian study {name}" in (PAGES / f"{name}.md").read_text()


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
    assert write("made", "command", run, options, said.append) == 1
    assert (tmp_path / "made.md").read_text().endswith("\nall\n\n|   a |\n|----:|\n|   1 |\n")
    assert (tmp_path / "made.csv").read_text() == "a\n1\n"
    assert said[-1] == f"written: {tmp_path / 'made.md'}"


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
