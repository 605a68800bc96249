"""Every figure, rebuilt from records of real runs at the scale ci."""

import csv
import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest

from alsatian.records import Run
from analysis import paper
from analysis.figures import style
from tests.analysis.layout import check_layout, check_paper
from tests.experiments.conftest import render_nothing

HERE = Path(__file__).parent
RECORDS = sorted((HERE / "records").glob("*.json"))
EACH = pytest.mark.parametrize("kept", RECORDS, ids=[path.stem for path in RECORDS])


@pytest.fixture(scope="module")
def unpack():
    spec = importlib.util.spec_from_file_location("pack", HERE / "pack.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.unpack


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def same(a, b):
    """Equal texts, or numbers that differ by rounding only: sums may be taken in another order."""
    if a == b:
        return True
    try:
        return float(a) == pytest.approx(float(b), rel=1e-9)
    except ValueError:
        return False


def test_every_figure_has_records():
    assert {path.stem for path in RECORDS} == {
        "fig05", "fig10", "fig11", "fig12", "fig13", "fig14", "fig15", "fig16", "fig17", "overlap",
    }  # fmt: skip


@EACH
def test_the_numbers_of_the_figure_are_as_they_were(tmp_path, unpack, kept, monkeypatch):
    render_nothing(monkeypatch)  # the numbers are in the files beside
    folder = unpack(kept, tmp_path)
    files = paper.section(folder).save(folder)
    for path in (path for path in files if path.suffix == ".csv"):
        end = "-verdict" if path.name == "verdict.csv" else ""
        found, expected = rows(path), rows(HERE / "expected" / f"{kept.stem}{end}.csv")
        assert len(found) == len(expected)
        for own, other in zip(found, expected, strict=True):
            assert len(own) == len(other)
            assert [(a, b) for a, b in zip(own, other, strict=True) if not same(a, b)] == []


@EACH
@pytest.mark.parametrize("columns", [None, 1])
def test_the_figure_is_fit_for_a_page_and_a_paper(tmp_path, unpack, kept, columns):
    picture = paper.section(unpack(kept, tmp_path)).picture
    check_paper(picture, columns)
    if columns is not None:
        return
    with style.drawing():
        figure = picture.draw(picture.title, picture.caption)
        figure.draw_without_rendering()
        check_layout(figure)


@EACH
def test_the_records_are_whole(kept):
    schema = Run.model_json_schema()
    documents = json.loads(kept.read_text())
    assert documents
    for place, document in documents.items():
        if place.endswith("/run.json"):
            assert Run.problems(document) == []
            jsonschema.validate(document, schema)
            assert document["config"]["scale"] == "ci"
