"""The picture of an overlap, from its file alone. All numbers are made up."""

import itertools
import json

import pandas as pd
import pytest

from alsatian.records import Overlap, ResultsError
from analysis.figures import overlap, style
from tests.analysis.layout import check_paper


def model(name, shared, blocks=10, near=False):
    miss = {"partner": "m0", "near": near, "reason": "low-rank difference", "rank": 4, "detail": "",
            "lost_blocks": 2, "lost_bytes": 200, "block": shared, "tensors": 1}  # fmt: skip
    return {
        "id": name, "family": 0, "blocks": blocks, "shared_blocks": shared, "shared_fraction": shared / blocks,
        "shared_bytes_fraction": shared / blocks, "common_blocks": shared, "partner": "m0" if shared else None,
        "parameter_bytes": 1000, "near_miss": miss if near else None,
    }  # fmt: skip


@pytest.fixture
def found():
    rows = [model("m0", 10), model("m1", 10), model("m2", 3), model("m3", 0), model("m4", 7, near=True)]
    return {
        "digest": "made up", "models": rows, "families": [], "total_bytes": 5000, "distinct_bytes": 2900,
        "total_blocks": 50, "distinct_blocks": 29,
    }  # fmt: skip


@pytest.fixture
def path(tmp_path, found):
    file = tmp_path / "overlap.json"
    file.write_text(json.dumps(found))
    return file


def test_picture_and_csv_are_written_from_the_file(path):
    before = path.read_bytes()
    written = overlap.draw(path)
    assert [file.name for file in written] == ["overlap.png", "overlap.pdf", "overlap.csv"]
    assert all(file.stat().st_size for file in written)
    assert path.read_bytes() == before
    shown = pd.read_csv(path.with_suffix(".csv"))
    assert list(shown["model"]) == ["m0", "m1", "m2", "m3", "m4"]
    assert list(shown["shared_blocks"]) == [10, 10, 3, 0, 7]
    assert shown["rank"][4] == 4
    assert shown["near_miss"].tolist() == [False] * 4 + [True]


def test_the_same_file_gives_the_same_bytes(path):
    first = [file.read_bytes() for file in overlap.draw(path)]
    assert [file.read_bytes() for file in overlap.draw(path)] == first


def test_bars_are_the_models(found):
    with style.drawing():
        left, right = overlap.overlap(Overlap.of(found)).draw("", "").axes
    heights = [patch.get_height() for patch in left.patches]
    assert sum(heights) == 5
    assert len(heights) == 2 * (overlap.BINS + 2)  # near misses stand on the others
    assert [text.get_text() for text in left.get_xticklabels()][::11] == ["none", "all"]
    assert [patch.get_height() for patch in right.patches] == [5000, 2900]
    assert [text.get_text() for text in right.texts] == ["5.00 kB", "2.90 kB"]


def test_only_bins_from_the_first_to_the_last_that_holds_a_model_are_drawn(found):
    for shared, labels in ([10, 10, 10], ["all"]), ([3, 3, 5], ["≤30", "≤40", "≤50"]):
        found["models"] = [model(f"m{i}", number) for i, number in enumerate(shared)]
        with style.drawing():
            left, _ = overlap.overlap(Overlap.of(found)).draw("", "").axes
        assert [text.get_text() for text in left.get_xticklabels()] == labels
        assert [bar.get_height() for bar in left.patches if bar.get_height()] == [
            shared.count(number) for number in dict.fromkeys(shared)
        ]


@pytest.mark.parametrize("columns", [None, 1])
def test_in_a_paper(found, columns):
    check_paper(overlap.overlap(Overlap.of(found)), columns)


def test_bins_hold_their_upper_bound():
    fractions = pd.Series([0.0, 0.01, 0.1, 0.3, 0.31, 0.95, 0.999, 1.0, 3 * 0.1])
    assert list(overlap.bins(fractions)) == [0, 1, 1, 3, 4, 10, 10, 11, 3]


def test_nothing_is_cut_off(found):
    found["models"] = [model(f"m{i}", i % 11, near=i % 3 == 0) for i in range(2000)]
    with style.drawing():
        picture = overlap.overlap(Overlap.of(found))
        figure = picture.draw(picture.title, picture.caption)
        figure.canvas.draw()
        (legend,) = figure.subfigs[0].legends
        width, height = figure.canvas.get_width_height()
        for axes in figure.axes:
            texts = (*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), legend)
            for text in texts:
                box = text.get_window_extent()
                assert 0 <= box.x0 <= box.x1 <= width
                assert 0 <= box.y0 <= box.y1 <= height
        ticks = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
        assert all(a.x1 < b.x0 for a, b in itertools.pairwise(ticks))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"models": [{}]}', '{"models": [1]}'])
def test_other_files_end_in_one_line(tmp_path, text):
    (tmp_path / "overlap.json").write_text(text)
    with pytest.raises(ResultsError, match=r"overlap\.json") as caught:
        overlap.draw(tmp_path / "overlap.json")
    assert "\n" not in str(caught.value)


def test_no_file_and_no_models(tmp_path, found):
    with pytest.raises(ResultsError, match="cannot be read"):
        overlap.draw(tmp_path / "overlap.json")
    (tmp_path / "overlap.json").write_text(json.dumps({**found, "models": []}))
    with pytest.raises(ResultsError, match="models: tuple should have at least 1 item"):
        overlap.draw(tmp_path / "overlap.json")
