import json

import numpy as np
import pandas as pd
import pytest

from alsatian.records import ResultsError
from analysis.figures import style
from analysis.paper import fig12, section
from analysis.report import build

NUMBERS = ["5", "10", "11", "13", "14", "15", "16", "17"]


def drawn(folder):
    """The figure of the records in ``folder``, laid out."""
    picture = section(folder).picture
    with style.drawing():
        figure = picture.draw(picture.title, picture.caption)
        figure.draw_without_rendering()
    return figure


def save(folder):
    """The files of the figure of the records in ``folder``."""
    return section(folder).save(folder)


def texts(figure):
    """Every text that is not empty: labels, numbers, titles, legends."""
    found = [*figure.texts, *(text for one in figure.subfigs[0].legends for text in one.get_texts())]
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label, axes.title, axes._left_title]
        low, high = axes.get_ylim()
        found += [t.label1 for t in axes.xaxis.get_major_ticks()]
        found += [t.label1 for t in axes.yaxis.get_major_ticks() if low <= t.get_loc() <= high]
    return [text for text in found if text.get_text()]


def check_layout(figure):
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    inside = figure.bbox.padded(0.5)
    assert [t for t, b in boxes if not (inside.contains(*b.min) and inside.contains(*b.max))] == []
    # Numbers stand close to each other: what counts is the ink, which is a little smaller than its box.
    shrunk = [(text, box.padded(-1.5)) for text, box in boxes]
    clash = [(a, b) for i, (a, x) in enumerate(shrunk) for b, y in shrunk[:i] if x.overlaps(y)]
    assert clash == []


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("best", [False, True])
def test_texts_neither_overlap_nor_leave_the_figure(tmp_path, write, as_published, number, best):
    check_layout(drawn(write(tmp_path, *as_published(number, best))))


@pytest.mark.parametrize("count", [1, 3, 12, 35, 70])
def test_nor_do_they_where_runs_are_missing(tmp_path, write, as_published, count):
    made = as_published("10", best=True)
    chosen = [made[i] for i in np.random.default_rng(count).permutation(len(made))[:count]]
    for run in chosen[1::4]:
        run |= {"status": "timeout", "error": "late", "repeats": [], "rounds": [], "ranking": [], "winner": None}
    figure = drawn(write(tmp_path, *chosen))
    check_layout(figure)
    said = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert "not run" in said
    total = 96 if any(run["config"]["strategy"]["name"] == "auto" for run in chosen) else 72
    missing = total - sum(run["status"] == "ok" for run in chosen)
    assert f"Missing: {missing} of {total} runs: " in figure.get_supxlabel()


def test_many_workloads_of_ones_own_have_room(tmp_path, write, as_published):
    made = as_published("14")
    for i in range(12):
        for run in as_published("14")[:3]:
            run["run_id"] = f"{i:08x}{run['run_id'][:8]}"
            run["config"]["paper"] = {
                "workload": f"a long name of a family {i}",
                "items": 2000,
                "distribution": "hf",
            }
            made.append(run)
    check_layout(drawn(write(tmp_path, *made)))


def test_if_no_run_ended_well_all_are_drawn_as_missing(tmp_path, write, as_published):
    made = as_published("17")[:2]
    for run in made:
        run |= {"status": "failed", "error": "x", "repeats": [], "rounds": [], "ranking": [], "winner": None}
    check_layout(drawn(write(tmp_path, *made)))
    assert len(save(tmp_path)) == 6


def test_bars_and_marks_are_the_csv(tmp_path, write, as_published):
    save(write(tmp_path, *as_published("10", best=True)))
    shown = pd.read_csv(tmp_path / "figures" / "fig10.csv")
    figure = drawn(tmp_path)
    heights = [patch.get_height() for axes in figure.axes for patch in axes.patches]
    assert heights == pytest.approx(list(shown["percent"]))
    marks = [line.get_ydata()[0] for axes in figure.axes for line in axes.lines if line.get_marker() == "D"]
    published = shown[shown["approach"].isin(["shift", "alsatian"])]
    assert marks == pytest.approx(list(published["published_percent"]))
    colours = [patch.get_facecolor() for patch in figure.axes[0].patches[:4]]
    assert len(set(colours)) == 4
    assert colours == [patch.get_facecolor() for patch in figure.axes[5].patches[-4:]]


def test_speedups_are_printed(tmp_path, write, as_published):
    figure = drawn(write(tmp_path, *as_published("17")))
    printed = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert printed == ["26.2 s", "1.8×", "4.8×", "26.4 s", "1.8×", "8.0×", "26.4 s", "1.8×", "13.8×"]


def test_what_was_scaled_stands_under_the_figure(tmp_path, write, as_published):
    files = save(write(tmp_path, *as_published("17")))
    assert [path.name for path in files] == [
        "fig17.png", "fig17.pdf", "fig17.svg", "fig17.csv", "verdict.csv", "verdict.md",
    ]  # fmt: skip
    assert "Scaled: 8 models instead of 35" in section(tmp_path).picture.caption
    assert "scaled: 8 models instead of 35" in (tmp_path / "verdict.md").read_text()


def test_vector_files_look_the_same_whatever_fonts_a_reader_has(tmp_path, write, as_published):
    save(write(tmp_path, *as_published("17")))
    svg = (tmp_path / "figures" / "fig17.svg").read_text()
    assert "<text" not in svg  # letters are shapes
    assert b"/FontFile2" in (tmp_path / "figures" / "fig17.pdf").read_bytes()


def test_the_same_records_give_the_same_bytes(tmp_path, write, as_published):
    files = save(write(tmp_path, *as_published("17")))
    before = [path.read_bytes() for path in files]
    assert [path.read_bytes() for path in save(tmp_path)] == before


def test_the_report_shows_the_figure_and_the_verdicts(tmp_path, write, as_published):
    built = build.build(write(tmp_path, *as_published("17")))
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure") == 1
    assert "Figure 17 (laptop scale)" in page
    assert "The paper&#39;s claims" in page or "The paper's claims" in page
    assert "does not hold" not in page
    assert "holds: Alsatian is faster than SHiFT." in built.text
    assert not (tmp_path / "figures" / "speedup.png").exists()


def test_a_figure_without_runs_is_drawn_too(tmp_path, place, blocks_document):
    place(tmp_path, "blocks.json", blocks_document("ViT-L-32", [10] * 53, [0.1] * 53))
    built = build.build(tmp_path)
    check_layout(drawn(tmp_path))
    assert [path.name for path in built.files][:4] == ["fig12.png", "fig12.pdf", "fig12.svg", "fig12.csv"]
    shown = pd.read_csv(tmp_path / "figures" / "fig12.csv")
    ours = shown[shown["source"] == "ours"]
    assert len(ours) == 2 * 24
    assert list(ours["relative"]) == pytest.approx([1.0] * 48)


def test_families_are_drawn(tmp_path, place, overlap_document):
    place(tmp_path, "overlap.json", overlap_document("DETR-50", 0.87), overlap_document("DINOv2-L", 0.5))
    save(tmp_path)
    check_layout(drawn(tmp_path))
    shown = pd.read_csv(tmp_path / "figures" / "overlap.csv").set_index("workload")
    assert shown.loc["DETR-50", "percent"] == shown.loc["DETR-50", "published_percent"] == 87


def test_files_that_are_none_are_named(tmp_path, place, blocks_document):
    good = blocks_document("ViT-L-32", [10] * 3, [0.1] * 3)
    bad = json.loads(json.dumps(good))
    bad["blocks"][1]["inference_s"] = [-1]
    bad["config"]["paper"]["workload"] = "ResNet-152"
    found = section(place(tmp_path, "blocks.json", good, bad, {"schema": 1}))
    assert [line.partition(": skipped: ")[2] for line in found.sources.problems] == [
        "blocks[1].inference_s[0]: input should be greater than or equal to 0, not -1",
        "blocks is missing",
    ]


def test_without_the_folder_there_is_nothing(tmp_path):
    with pytest.raises(ResultsError, match="no such folder"):
        section(tmp_path / "nowhere")
    assert section(tmp_path) is None


def test_blocks_are_spread_by_depth():
    assert list(fig12.spread([1, 1, 4], 3)) == pytest.approx([0.5, 0.5, 2])
    assert list(fig12.spread([2, 4], 4)) == pytest.approx([2 / 3, 2 / 3, 4 / 3, 4 / 3])
    assert list(fig12.spread([3, 0, 3], 2)) == pytest.approx([1, 1])
    assert list(fig12.spread([0, 0], 2)) == [1, 1]
