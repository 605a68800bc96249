"""What a search leaves in its folder, and what people see of it."""

import io
import json
from itertools import combinations
from pathlib import Path

import jsonschema
import pandas as pd
import pytest
from rich.console import Console

from alsatian.ranking import files, report, tables, terminal
from alsatian.ranking.result import Ranking
from alsatian.records import ranking as records
from tests.browser import find, tab
from tests.pages import Page


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
    Page(page).check_alone()
    assert "built-in method" not in page


@pytest.mark.skipif((browser := find()) is None, reason="no Chromium in PATH and none of Playwright's")
def test_the_report_is_whole_on_a_phone_and_sorts(found: Ranking, tmp_path: Path) -> None:
    path = found.report(tmp_path / "report.html")
    names = f"[...document.querySelectorAll('.id')].slice(0, {len(found.ranked)}).map(cell => cell.textContent)"
    with tab(str(browser)) as chromium:
        chromium.open(path, width=390, phone=True)
        assert chromium.evaluate("document.documentElement.scrollWidth") == 390
        ends = "[...document.querySelectorAll('td, th')].map(cell => cell.getBoundingClientRect().right)"
        assert max(chromium.evaluate(ends)) <= 390
        chromium.open(path)
        assert chromium.evaluate(names) == list(found.ranked)
        chromium.evaluate("document.querySelectorAll('th')[1].querySelector('button').click()")
        assert chromium.evaluate(names) == sorted(found.ranked)
        assert chromium.complaints == []


def test_a_report_can_be_written_anywhere(found: Ranking, tmp_path: Path) -> None:
    assert found.report(tmp_path / "x" / "page.html").read_text() == report.page(found.record)


@pytest.mark.parametrize("width", [80, 60])
def test_the_table_fits_the_terminal(found: Ranking, tmp_path: Path, width: int) -> None:
    long = [row.model_copy(update={"model": f"team/{'very-' * 12}long/{row.model}"}) for row in found.record.ranked]
    record = found.record.model_copy(update={"ranked": tuple(long)})
    text = printed(record, files.write(record, tmp_path / "out"), width=width)
    snippet = set(report.snippet(record))
    assert all(
        len(line) <= width
        for line in text.splitlines()
        if line not in snippet and not line.startswith(("Report:", "Best:"))
    )
    joined = "".join(text.split())
    assert all(row.model in joined for row in long[:1])


@pytest.mark.parametrize(("width", "shown", "further"), [(30, 3, 0), (40, 4, 0), (80, 6, 3), (200, 6, 11)])
def test_columns_are_whole_or_not_there(
    found: Ranking, tmp_path: Path, width: int, shown: int, further: int
) -> None:
    """A number that is cut is another number."""
    names = [f"proxy{i}" for i in range(11)]
    rows = [
        row.model_copy(update={"further": dict.fromkeys(names, -0.1234 * row.place)}) for row in found.record.ranked
    ]
    pairs = [records.Agreement(proxies=pair, tau=1.0) for pair in combinations(["logistic", *names], 2)]
    update = {"proxies": ("logistic", *names), "ranked": tuple(rows), "agreement": tuple(pairs)}
    record = found.record.model_copy(update=update)
    paths = {name: Path(name) for name in ("ranking.csv", "report.html")}
    text = printed(record, paths, width=width)
    title, *lines = text.splitlines()[1 : 2 + 5]
    assert all(len(line) <= width for line in lines)
    titles = tables.titles(record)
    there = title.split()
    assert there == [name for name in titles[1:] if name in there]
    assert len(there) == shown - 1 + further
    assert there[:2] == ["model", "logistic"]
    for row, line in zip(rows, lines, strict=False):
        cells = dict(zip(titles, tables.cells(row, record), strict=True))
        assert line.split() == " ".join(cells[name] for name in ("", *there)).split()
    said = " ".join(text.split())
    gone = [name for name in titles[1:] if name not in there]
    assert not gone or f"… and {', '.join(gone)} in ranking.csv, for which there is no room" in said
    assert text.count("Kendall") == 11  # one each with what decides; all are in the report


def test_only_the_best_are_shown_and_the_rest_is_counted(found: Ranking, tmp_path: Path) -> None:
    text = printed(found.record, files.write(found.record, tmp_path), top=2)
    shown = [name for name in found.ranked if f" {name} " in text]
    assert shown[:2] == list(found.ranked[:2])
    assert "… and 4 more in" in text
    assert "weighted Kendall's tau" in text


def test_every_mark_beside_a_place_is_explained(found: Ranking, tmp_path: Path) -> None:
    first, *others = found.record.ranked
    marks = [{"tied": True, "equal": True}, {"tied": True}, {"equal": True}, {}]
    plain = [
        row.model_copy(update={"tied": False, "equal": False} | m) for row, m in zip(others, marks, strict=False)
    ]
    record = found.record.model_copy(update={"ranked": (first, *plain)})
    assert [tables.cells(row, record)[0] for row in record.ranked] == ["1", "2≈=", "3≈", "4=", "5"]
    text = printed(record, files.write(record, tmp_path))
    assert "≈ 2 cannot be told from the first by these" in text
    assert "= round and score are those of the model before" in text
    unmarked = record.model_copy(update={"ranked": (first,)})
    assert not any(
        line.startswith(("≈", "=")) for line in printed(unmarked, {"report.html": tmp_path}).splitlines()
    )


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.0, "0.0000"),
        (1.0, "1.0000"),
        (0.00123, "0.0012"),
        (-0.00012, "-0.00012"),
        (-7.25e-12, "-7.25e-12"),
        (99.5, "99.5000"),
        (-1234.567, "-1235"),
    ],
)
def test_no_score_is_only_zeros(score: float, text: str) -> None:
    assert tables.score_text(score) == text


@pytest.mark.parametrize(
    ("work", "text"),
    [
        ({"block_items": 50, "alone": 200}, "sharing saved 75% of 200 runs of a block on an item"),
        ({"block_items": 0, "alone": 0, "reused_items": 9}, "9 features taken from earlier searches"),
        ({"block_items": 0, "alone": 0}, "nothing was computed"),
        (
            {"block_items": 8, "alone": 8, "reused_items": 1},
            "sharing saved 0% of 8 runs of a block on an item; 1 feature taken from earlier searches",
        ),
    ],
)
def test_what_was_saved(work: dict[str, int], text: str) -> None:
    assert tables.work_text(records.Work(bytes_read=0, distinct_bytes=1, total_bytes=2, **work)) == text


def test_rankings_that_cannot_be_compared_have_no_tau(found: Ranking, tmp_path: Path) -> None:
    pair = records.Agreement(proxies=("logistic", "ridge"), tau=None)
    record = found.record.model_copy(update={"agreement": (pair,)})
    text = "undefined: one gives all models the same score"
    shown = " ".join(printed(record, files.write(record, tmp_path)).split())
    assert f"logistic and ridge: weighted Kendall's tau {text}" in shown
    assert text in (tmp_path / "report.html").read_text()
