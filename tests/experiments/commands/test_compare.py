"""``alsatian compare`` from end to end."""

from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.tables.comparison import FORMATS as WRITTEN
from experiments.commands.compare import FORMATS

pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]


def test_results_are_compared_in_every_format(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", "-m", "strategy=shift,alsatian") == 0
    capsys.readouterr()
    assert alsatian("compare", "results/single") == 0
    shown = capsys.readouterr().out
    assert "identical (6 scores)" in " ".join(shown.split())
    for suffix in ("txt", "csv", "md", "tex"):
        assert alsatian("compare", "results", "--output", f"out/table.{suffix}") == 0
        assert "alsatian" in (tmp_path / "out" / f"table.{suffix}").read_text()
    assert (tmp_path / "out" / "table.txt").read_text() == shown
    assert alsatian("compare", "results/single", "--format", "csv") == 0
    assert capsys.readouterr().out.endswith(
        (tmp_path / "out" / "table.csv").read_text().replace(",results,", ",results/single,")
    )


def test_the_help_names_every_format() -> None:
    assert tuple(WRITTEN) == FORMATS


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere: there is no such file or folder"),
        (["."], "no run records here"),
        ([".", "--output", "table.xls"], "--output=table.xls: end it in .txt"),
    ],
)
def test_bad_paths_are_one_line(
    alsatian: Alsatian, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("compare", *words) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
