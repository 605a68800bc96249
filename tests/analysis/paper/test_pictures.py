import json

import numpy as np
import pandas as pd
import pytest

from alsatian.records import ResultsError
from analysis.figures import style
from analysis.paper import fig12, section
from analysis.report import build
from tests.analysis.layout import check_layout, check_paper

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


@pytest.mark.parametrize(
    ("number", "best"),
    [
        *((number, True) for number in NUMBERS),
        *(pytest.param(n, False, marks=[] if n in ("10", "15") else pytest.mark.thorough) for n in NUMBERS),
    ],
)
def test_texts_neither_overlap_nor_leave_the_figure(tmp_path, write, as_published, number, best):
    check_layout(drawn(write(tmp_path, *as_published(number, best))))


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("columns", [None, 1])
def test_in_a_paper_they_have_its_widths_and_are_large_enough(tmp_path, write, as_published, number, columns):
    check_paper(section(write(tmp_path, *as_published(number, best=True))).picture, columns)


def test_a_panel_that_is_too_wide_for_a_paper_goes_on_in_another(tmp_path, write, as_published):
    made = as_published("14")
    for i in range(12):
        for run in as_published("14")[:3]:
            run["run_id"] = f"{i:08x}{run['run_id'][:8]}"
            run["config"]["paper"] = {"workload": f"family {i}", "items": 2000, "distribution": "hf"}
            made.append(run)
    figure = check_paper(section(write(tmp_path, *made)).picture, 1)
    headings = [axes.get_title("left") for axes in figure.axes]
    assert [heading.partition(" ")[0] for heading in headings].count("(a)") > 2
    assert all("continued" in heading.replace("\n", " ") for heading in headings[1:3])
    assert len({axes.get_ylim() for axes in figure.axes if axes.get_title("left").startswith("(a)")}) == 1


def test_ordinates_end_at_the_data(tmp_path, write, as_published):
    for axes in drawn(write(tmp_path, *as_published("11", best=True))).axes:
        marks = [line.get_ydata()[0] for line in axes.lines if line.get_marker() == "D"]
        ends = [line.get_segments()[0][1, 1] for line in axes.collections]
        top = max([patch.get_height() for patch in axes.patches] + marks + ends)
        assert axes.spines["left"].get_bounds() == pytest.approx((0, top))
        assert all(0 <= tick <= top for tick in axes.get_yticks())


def test_panels_of_one_measure_have_one_ordinate(tmp_path, write, as_published):
    figure = drawn(write(tmp_path, *as_published("16", best=True)))
    assert len({(axes.get_ylim(), axes.spines["left"].get_bounds()) for axes in figure.axes}) == 1


def test_memory_is_written_with_its_unit_apart(tmp_path, write, as_published):
    folder = write(tmp_path, *as_published("16"))
    (legend,) = drawn(folder).subfigs[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["64 GB", "10 GB", "5 GB", "published"]
    numbers = " ".join(verdict.numbers for verdict in section(folder).verdicts)
    assert "ViT-L-32, 5 GB, Top 50%, 8,000 items" in numbers
    assert "5GB" not in numbers


def test_panels_without_any_run_are_left_out_and_the_legend_fills_the_gap(tmp_path, write, as_published):
    made = [run for run in as_published("10") if run["config"]["paper"]["items"] == 2000]
    figure = drawn(write(tmp_path, *made))
    assert [axes.get_title("left")[:3] for axes in figure.axes] == ["(a)", "(c)", "(e)"]
    (legend,) = figure.subfigs[0].legends
    beside = figure.axes[2].get_window_extent()
    box = legend.get_window_extent()
    assert box.x0 > beside.x1
    assert box.y1 < figure.axes[0].get_window_extent().y0


def test_a_low_bar_is_not_hidden_behind_a_rim(tmp_path, write, as_published):
    figure = drawn(write(tmp_path, *as_published("11", best=True)))
    rims = []
    for axes in figure.axes:
        marks = [line for line in axes.lines if line.get_marker() == "D"]
        bars = {patch.get_x() + patch.get_width() / 2: patch for patch in axes.patches}
        for mark in marks:
            bar = bars[min(bars, key=lambda x: abs(x - mark.get_xdata()[0]))]
            if mark.get_path_effects():
                rims.append(mark)
                assert bar.get_height() > mark.get_ydata()[0]
                assert bar.get_window_extent().height * 72 / style.DPI > 4
    assert len(rims) < sum(line.get_marker() == "D" for axes in figure.axes for line in axes.lines)


def test_titles_name_what_was_measured(tmp_path, write, as_published):
    figure = drawn(write(tmp_path, *as_published("17")))
    assert figure.axes[0].get_title("left").replace("\n", " ") == "(a) Top 50%, 1,200 items, standing for 2,000"
    made = as_published("17")
    for run in made:
        run["dataset"] |= {"train_items": 1600, "test_items": 400}
    figure = drawn(write(tmp_path / "whole", *made))
    assert figure.axes[0].get_title("left") == "(a) Top 50%, 2,000 items"


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
    assert len(drawn(tmp_path).axes) == 2  # none of ResNet-152, which was not run
    check_paper(section(tmp_path).picture)
    check_paper(section(tmp_path).picture, 1)


def test_families_are_drawn(tmp_path, place, overlap_document):
    place(tmp_path, "overlap.json", overlap_document("DETR-50", 0.87), overlap_document("DINOv2-L", 0.5))
    save(tmp_path)
    check_layout(drawn(tmp_path))
    shown = pd.read_csv(tmp_path / "figures" / "overlap.csv").set_index("workload")
    check_paper(section(tmp_path).picture)
    check_paper(section(tmp_path).picture, 1)
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
