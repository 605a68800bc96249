import copy
import math

import pytest

from alsatian.records import Run
from analysis.paper import figures
from analysis.paper.evidence import cells, published, slots, sources
from analysis.paper.evidence.sources import Key, number_of


def load(folder):
    return sources.load(folder, {number: figure.source for number, figure in figures().items()})


def cells_in(folder):
    found = load(folder)
    return figures()[found.number](found).cells


def one(found, approach, component="total", **labels):
    """The only cell with these labels."""
    (cell,) = [
        cell
        for cell in found
        if (cell.approach, cell.component) == (approach, component)
        and all(getattr(cell, name) == value for name, value in labels.items())
    ]
    return cell


def test_every_published_height_and_label_is_there():
    rows = published.rows()
    assert len(rows[rows["figure"] == "10"]) == 120
    assert list(rows["figure"].unique()) == ["5", "10", "11", "12", "13", "14", "15", "16", "17", "overlap"]
    assert list(rows["figure"].unique()) == list(figures())
    heights = published.values("10").set_index(["panel", "workload", "approach"])["value"]
    assert heights["f", "ViT-L-32", "base"] == 1363.706
    assert published.values("14")["value"].max() == pytest.approx(55.026 * 60)


@pytest.mark.parametrize("number", ["10", "13", "14", "15", "17"])
def test_printed_speedups_are_those_of_the_heights(tmp_path, write, as_published, number):
    found = cells_in(write(tmp_path, *as_published(number)))
    rows = published.rows()
    labels = rows[(rows["figure"] == number) & (rows["unit"] == "speedup")]
    assert not labels.empty
    for row in labels.to_dict("records"):
        cell = one(found, row["approach"], panel=row["panel"], workload=row["workload"])
        assert cell.published_speedup == pytest.approx(row["value"], abs=0.051)


@pytest.mark.parametrize("number", ["5", "10", "11", "13", "14", "15", "16", "17"])
def test_runs_as_published_give_the_published_numbers(tmp_path, write, as_published, number):
    found = cells_in(write(tmp_path, *as_published(number)))
    assert len(found) == len(published.values(number))
    assert all(cell.ok for cell in found)
    for cell in found:
        assert cell.percent == pytest.approx(cell.published_percent, rel=1e-3)
        if number != "5":
            assert cell.seconds == pytest.approx(cell.published_seconds / 20)
            assert cell.published_speedup == pytest.approx(cell.speedup, nan_ok=True)


def test_what_times_refer_to(tmp_path, write, as_published):
    ten = cells_in(write(tmp_path / "10", *as_published("10")))
    assert [cell.percent for cell in ten if cell.approach == "base"] == pytest.approx([100.0] * 24)
    eleven = cells_in(write(tmp_path / "11", *as_published("11")))
    last = one(eleven, "alsatian", panel="d", distribution="TOP_LAYERS")
    assert last.published_percent == pytest.approx(100 * 70.392 / 135.066)
    sixteen = cells_in(write(tmp_path / "16", *as_published("16")))
    tight = one(sixteen, "shift", panel="b", workload="ViT-L-32@5GB")
    assert tight.published_percent == pytest.approx(100 * 1332.118 / 1328.266)
    assert tight.published_speedup == pytest.approx(1469.022 / 1332.118)


def test_the_order_is_the_papers(tmp_path, write, as_published):
    found = cells_in(write(tmp_path, *reversed(as_published("10", best=True))))
    assert list(dict.fromkeys(cell.panel for cell in found)) == list("abcdef")
    inside = [cell for cell in found if cell.panel == "a"]
    assert list(dict.fromkeys(cell.workload for cell in inside)) == [
        "ResNet-18",
        "ResNet-152",
        "EffNetV2-L",
        "ViT-L-32",
    ]
    of_one = [cell.approach for cell in inside if cell.workload == "ViT-L-32"]
    assert of_one == ["base", "shift", "alsatian", "auto"]


def test_ours_at_its_best_has_a_panel_of_its_own_where_strategies_have(tmp_path, write, as_published):
    sixteen = cells_in(write(tmp_path / "16", *as_published("16", best=True)))
    assert {cell.panel for cell in sixteen if cell.approach == "auto"} == {"d"}
    eleven = cells_in(write(tmp_path / "11", *as_published("11", best=True)))
    assert {cell.panel for cell in eleven if cell.approach == "auto"} == {"a", "b", "c"}


def test_missing_and_failed_runs_are_cells_without_numbers(tmp_path, write, as_published):
    made = as_published("17")
    made[1] |= {"status": "oom", "error": "no memory", "repeats": [], "rounds": [], "ranking": [], "winner": None}
    found = cells_in(write(tmp_path, *made[:-1]))
    assert one(found, "shift", panel="a").status == "oom"
    assert one(found, "alsatian", panel="c").status == "not run"
    assert math.isnan(one(found, "shift", panel="a").seconds)
    assert one(found, "shift", panel="a").published_speedup == pytest.approx(1.765, abs=1e-3)


def test_times_of_other_conditions_are_not_compared(tmp_path, write, as_published):
    made = as_published("17")
    made[0]["environment"]["cpu"] = "another"
    found = cells_in(write(tmp_path, *made))
    alsatian = one(found, "alsatian", panel="a")
    assert alsatian.ok
    assert math.isnan(alsatian.speedup)
    assert math.isnan(alsatian.percent)


def test_workloads_that_the_paper_has_not_come_behind_its_own(tmp_path, write, as_published):
    made = as_published("14")
    extra = [{**run, "run_id": f"{i:016x}"} for i, run in enumerate(made[:3])]
    for run in extra:
        run["config"] = run["config"] | {"paper": {"workload": "Swin", "items": 2000, "distribution": "hf"}}
    found = cells_in(write(tmp_path, *made, *extra))
    inside = list(dict.fromkeys(cell.workload for cell in found if cell.panel == "a"))
    assert inside == ["ViT-B-16", "DETR-50", "DETR-101", "DINOv2-L", "M-Res-152", "Swin"]
    assert math.isnan(one(found, "alsatian", workload="Swin").published_speedup)


def test_of_two_runs_of_a_cell_the_last_good_one_counts(tmp_path, write, as_published):
    first, *others = as_published("17")
    again = {**first, "run_id": "f" * 16, "started": "2027-01-01T00:00:00+00:00"}
    failed = {**first, "run_id": "e" * 16, "started": "2028-01-01T00:00:00+00:00", "status": "failed", "error": "x"}
    found = load(write(tmp_path, first, *others, again, failed))
    assert {run.run_id for key, run in found.runs.items() if key.approach == "base"} >= {"f" * 16}
    assert any(f"run {first['run_id']}: not drawn" in line for line in found.problems)


def test_a_run_without_a_cell_is_named(tmp_path, write, as_published):
    made = as_published("17")
    made[0]["config"].pop("paper")
    found = load(write(tmp_path, *made))
    assert any("config.paper" in line for line in found.problems)
    assert len(found.runs) == 8


def test_other_experiments_are_no_figures_of_the_paper(tmp_path, write, record):
    assert load(write(tmp_path, record())) is None


def test_numbers_of_figures():
    written = (5, "05", "fig10", "overlap", {"number": "10"}, "9", None)
    assert [number_of({"figure": text}, figures()) for text in written] == [
        "5", "5", "10", "overlap", "10", None, None,
    ]  # fmt: skip


def test_what_a_figure_varies_does_not_keep_its_times_apart_and_elsewhere_does(tmp_path, write, as_published):
    """Fig 16 varies the memory, so that its times refer to one bar; in Fig 17 all conditions have to be equal."""
    sixteen, seventeen = as_published("16"), as_published("17")
    for run in (*sixteen, *seventeen):
        if "5GB" in run["config"]["paper"]["workload"] or run["config"]["strategy"]["name"] == "shift":
            run["storage"] = {"bandwidth": 1_000_000, "cold": True}
    tight = one(cells_in(write(tmp_path / "16", *sixteen)), "shift", panel="b", workload="ViT-L-32@5GB")
    assert tight.percent == pytest.approx(tight.published_percent, rel=1e-3)
    other = one(cells_in(write(tmp_path / "17", *seventeen)), "shift", panel="a")
    assert math.isnan(other.percent)
    assert math.isnan(other.speedup)


def test_the_time_of_a_cell_has_its_spread(tmp_path, write, as_published):
    found = one(cells_in(write(tmp_path, *as_published("17"))), "base", panel="a")
    base = 523.559 / 20
    assert found.time.median == pytest.approx(base)
    assert (found.time.low, found.time.high) == pytest.approx((0.99 * base, 1.02 * base))
    assert found.time.count == found.repeats == 3


def more(runs, strategy="base", **labels):
    """A copy of the first run as another cell's."""
    run = copy.deepcopy(runs[0])
    run["config"]["paper"] |= labels
    run["config"]["strategy"]["name"] = strategy
    run["run_id"] = f"{strategy}-{'-'.join(map(str, labels.values()))}"
    return run


def test_a_further_model_of_figure_5_has_the_parts_of_one_strategy(tmp_path, write, as_published):
    made = as_published("5")
    found = cells_in(write(tmp_path, *made, more(made, workload="Swin")))
    own = [(cell.panel, cell.approach, cell.component) for cell in found if cell.workload == "Swin"]
    assert own == [("a", "base", part) for part in ("prepare_model", "prepare_data", "inference", "proxy_scoring")]


@pytest.mark.parametrize(("number", "letter"), [("10", "g"), ("13", "b"), ("99", "a")])
def test_cells_that_the_paper_has_not_have_panels_of_their_own(tmp_path, write, as_published, number, letter):
    made = as_published(number) or as_published("17")
    runs = {
        Key(labels["workload"], labels["items"], labels["distribution"], "base"): Run.of(run)
        for run in [more(made, workload="Swin", items=items, distribution="new") for items in (50, 60, 50)]
        for labels in [run["config"]["paper"]]
    }
    own = [cell for cell in cells.cells(number, slots.CELL, runs) if cell.workload == "Swin"]
    assert [(cell.panel, cell.items, cell.approach) for cell in own] == [
        (panel, items, approach)
        for panel, items in ((letter, 50), (chr(ord(letter) + 1), 60))
        for approach in ("base", "shift", "alsatian")
    ]
    assert {cell.component for cell in own} == {"total"}


def test_further_strategies_stand_behind_ours_at_its_best(tmp_path, write, as_published):
    made = as_published("17", best=True)
    made += [more(made, name) for name in ("another", "zero")]
    inside = [cell.approach for cell in cells_in(write(tmp_path / "17", *made)) if cell.panel == "a"]
    assert inside == ["base", "shift", "alsatian", "auto", "another", "zero"]
    made = as_published("16")
    found = cells_in(write(tmp_path / "16", *made, more(made, "zero"), more(made, "another")))
    panels = {panel: [cell for cell in found if cell.panel == panel] for panel in "abcde"}
    assert [{cell.approach for cell in inside} for inside in panels.values()] == [
        {"base"}, {"shift"}, {"alsatian"}, {"another"}, {"zero"},
    ]  # fmt: skip
    assert len({len(inside) for inside in panels.values()}) == 1


def test_published_heights_are_in_seconds():
    rows = published.rows()
    inference = rows[(rows["figure"] == "12") & (rows["component"] == "inference")]
    assert set(inference["unit"]) == {"milliseconds"}
    own = published.values("12").query("component == 'inference'")
    assert list(own["value"]) == pytest.approx(list(inference["value"] / 1000))


def test_records_of_other_figures_and_kinds_are_no_part_of_it(
    tmp_path, write, place, as_published, blocks_document, overlap_document
):
    write(tmp_path / "runs", *as_published("17"), *as_published("15"))
    found = load(tmp_path / "runs")
    assert {run.config["figure"]["number"] for run in found.runs.values()} == {found.number}
    assert (found.made_of_runs, found.models, found.problems) == (True, {}, ())
    place(tmp_path / "12", "blocks.json", blocks_document("ViT-L-32", [1, 2], [0.1, 0.2]))
    place(tmp_path / "12", "overlap.json", overlap_document("DETR-50", 0.5))
    found = load(tmp_path / "12")
    assert (list(found.models), found.made_of_runs, found.problems) == (["ViT-L-32"], False, ())


def test_a_model_without_a_workload_is_named(tmp_path, place, blocks_document):
    nameless = blocks_document("", [1, 2], [0.1, 0.2])
    found = load(place(tmp_path, "blocks.json", nameless, blocks_document("ViT-L-32", [1, 2], [0.1, 0.2])))
    assert list(found.models) == ["ViT-L-32"]
    assert len(found.problems) == 1
    assert "workload" in found.problems[0]


@pytest.mark.parametrize("paper", [{"items": True}, {"items": "2000"}, {"workload": ""}])
def test_labels_of_no_cell_are_named(tmp_path, write, as_published, paper):
    made = as_published("17")
    made[0]["config"]["paper"] |= paper
    found = load(write(tmp_path, *made))
    assert len(found.runs) == 8
    assert found.problems == (f"run {made[0]['run_id']}: not drawn: config.paper names no cell of the paper",)


def test_labels_may_leave_out_items_and_distribution(tmp_path, write, as_published):
    made = as_published("17")
    made[0]["config"]["paper"] = {"workload": "Swin"}
    found = load(write(tmp_path, *made))
    assert Key("Swin", None, "", "base") in found.runs
    assert found.problems == ()


@pytest.mark.parametrize(
    ("scaled", "lines"), [("fewer", ("fewer",)), (["a", "b"], ("a", "b")), (None, ()), (3, ())]
)
def test_what_was_scaled_is_a_line_or_lines(tmp_path, write, as_published, scaled, lines):
    made = as_published("17")
    for run in made:
        run["config"]["scaled"] = scaled
    assert load(write(tmp_path, *made)).scaled == lines


def test_a_part_that_a_repeat_does_not_name_took_no_time(tmp_path, write, as_published):
    made = as_published("11")
    for repeat in made[0]["repeats"]:
        del repeat["parts_s"]["prepare_data"]
    found = cells_in(write(tmp_path, *made))
    labels = made[0]["config"]["paper"] | {"panel": "a"}
    assert one(found, made[0]["config"]["strategy"]["name"], "prepare_data", **labels).seconds == 0


def test_the_share_of_a_part_is_the_median_over_the_repeats(tmp_path, write, as_published):
    made = as_published("5", repeats=(1, 1, 1, 1, 1))
    for repeat, inference in zip(made[0]["repeats"], (1, 2, 3, 6, 9), strict=True):
        repeat["parts_s"] = {"prepare_model": 1, "prepare_data": 0, "inference": inference, "proxy_scoring": 0}
    labels = made[0]["config"]["paper"]
    assert one(cells_in(write(tmp_path, *made)), "base", "inference", **labels).percent == pytest.approx(75)
