"""What a search leaves in its folder, and what people see of it."""

import io
import json
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from rich.console import Console

from alsatian.ranking import files, report, terminal
from alsatian.ranking.result import Ranking
from alsatian.records import ranking as records


def printed(record: records.Ranking, paths: dict[str, Path], top: int = 5, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, soft_wrap=True, markup=False, highlight=False)
    terminal.show(record, top, paths, console)
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


def test_every_file_holds_the_ranking(found: Ranking, tmp_path: Path) -> None:
    paths = files.write(found.record, tmp_path / "a" / "b")
    document = json.loads(paths["ranking.json"].read_text())
    jsonschema.validate(document, records.Ranking.model_json_schema(by_alias=True, mode="serialization"))
    assert [row["model"] for row in document["ranked"]] == list(found.ranked)
    table = pd.read_csv(paths["ranking.csv"])
    assert tuple(table["model"]) == found.ranked
    assert table["score"].tolist() == found.ranking["score"].tolist()
    page = paths["report.html"].read_text()
    assert all(name in page for name in found.ranked)
    assert "<script" not in page
    assert "built-in method" not in page


def test_a_report_can_be_written_anywhere(found: Ranking, tmp_path: Path) -> None:
    assert found.report(tmp_path / "x" / "page.html").read_text() == report.page(found.record)


@pytest.mark.parametrize("width", [80, 60])
def test_the_table_fits_the_terminal(found: Ranking, tmp_path: Path, width: int) -> None:
    long = [row.model_copy(update={"model": f"team/{'very-' * 12}long/{row.model}"}) for row in found.record.ranked]
    record = found.record.model_copy(update={"ranked": tuple(long)})
    text = printed(record, files.write(record, tmp_path / "out"), width=width)
    snippet = set(report.snippet(record))
    assert all(len(line) <= width for line in text.splitlines() if line not in snippet and "Report:" not in line)
    joined = "".join(text.split())
    assert all(row.model in joined for row in long[:1])


def test_only_the_best_are_shown_and_the_rest_is_counted(found: Ranking, tmp_path: Path) -> None:
    text = printed(found.record, files.write(found.record, tmp_path), top=2)
    shown = [name for name in found.ranked if f" {name} " in text]
    assert shown[:2] == list(found.ranked[:2])
    assert "… and 4 more in" in text
    assert "weighted Kendall's tau" in text
