import csv
import io
import math

import pytest

from alsatian.records import ResultsError, find
from analysis.comparing.comparison import compare, letter
from analysis.comparing.measurements import MEASURED, Spread
from analysis.tables import comparison as tables


def comparison(*paths):
    return compare([find(path) for path in paths])


@pytest.fixture
def folder(tmp_path, write, four_records):
    return write(tmp_path / "results" / "made_up", *four_records)


def spread(row, name, ends=("median", "min", "max")):
    return tuple(row[f"{name}_{end}"] for end in ends)


def test_one_experiment_is_compared_with_its_base(folder):
    frame = comparison(folder).frame
    assert list(frame["run"]) == ["base", "shift", "shared_prefix", "alsatian"]
    assert list(frame["reference"]) == ["base"] * 4
    ours = frame.iloc[3]
    assert spread(ours, "wall_s", ("median", "min", "max", "repeats")) == (4.0, 2.0, 5.0, 3)
    # The extremes: base's fastest over the own slowest, base's slowest over the own fastest.
    assert spread(ours, "wall_s", ("factor", "factor_min", "factor_max")) == (16 / 4, 8 / 5, 17 / 2)
    assert ours["bytes_read_factor"] == 1.0
    assert ours["scores"] == "identical (2 scores)"
    assert ours["comparable"]
    assert "strategy=alsatian (reference: base)" in ours["differs"]


def test_of_two_experiments_the_same_runs_are_compared(tmp_path, folder, write, record):
    other = write(tmp_path / "other", record("alsatian", (8.0,)), record("base", (8.0,)))
    frame = comparison(folder, other).frame
    assert list(frame["run"]) == ["A base", "B base", "A shift", "A shared_prefix", "A alsatian", "B alsatian"]
    assert frame.set_index("run")["reference"]["B alsatian"] == "A alsatian"
    assert list(frame[frame["run"].str.startswith("B")]["wall_s_factor"]) == [2.0, 0.5]


@pytest.mark.parametrize("which", ["id-alsatian", "id-alsatian/run.json"])
def test_a_run_is_compared_with_another_whatever_its_strategy(folder, which):
    frame = comparison(folder / "id-base", folder / which).frame
    assert list(zip(frame["run"], frame["reference"], strict=True)) == [
        ("A base", "A base"),
        ("B alsatian", "A base"),
    ]


def test_a_folder_of_experiments_names_them(tmp_path, write, record):
    write(tmp_path / "results" / "one", record("base", experiment="one", config__name="one"))
    write(tmp_path / "results" / "two", record("base", experiment="two", config__name="two"))
    assert list(comparison(tmp_path / "results").frame["run"]) == ["one base", "two base"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataset__digest": "else"}, "other data"),
        ({"model_set__digest": "else"}, "other models"),
        ({"model_set__digest": "else", "dataset__digest": "else"}, "other models and other data"),
    ],
)
def test_other_models_or_data_are_not_compared(tmp_path, folder, write, record, change, reason):
    other = write(tmp_path / "other", record(**change))
    found = comparison(folder / "id-alsatian", other)
    assert found.frame[[f"{name}_factor" for name in MEASURED]].isna().all(axis=None)
    assert found.frame["group"].nunique() == 2
    assert any(f"B has nothing in common with A: {reason} (" in line for line in found.lines)


def test_other_hardware_is_marked_and_named(tmp_path, folder, write, record):
    other = write(tmp_path / "other", record(environment__cpu="Another CPU"))
    found = comparison(folder / "id-alsatian", other)
    assert list(found.frame["comparable"]) == [True, False]
    assert tables.table(found.frame).rows[1][2] == "1.0× (0.47–1.2)*"
    text = tables.text(found)
    assert "B alsatian: CPU=Another CPU (reference: Made-up CPU)" in text
    assert "* Not measured under the conditions of the reference" in text


@pytest.mark.parametrize(
    ("change", "scores", "wrong"),
    [
        ({}, "DIFFERENT: 1 of 6", True),
        ({"environment__gpu": "Another GPU"}, "1 of 6 differ, as they may", False),
    ],
)
def test_scores_must_be_equal_where_the_arithmetic_is(tmp_path, folder, write, record, change, scores, wrong):
    changed = record("alsatian", **change)
    changed["rounds"][0]["scores"]["m1"] += 1e-12
    row = comparison(folder / "id-alsatian", write(tmp_path / "other", changed)).frame.iloc[1]
    assert (row["scores"], row["wrong"]) == (scores, wrong)


def test_a_prediction_stands_beside_the_measured_run(tmp_path, folder, write, record):
    said = {"hardware": "a5000", "source": "published bars", "scores": "recorded"}
    predicted = record("alsatian", (2.0,), environment__cpu="a5000 (predicted)", kind="predicted", prediction=said)
    row = comparison(folder / "id-alsatian", write(tmp_path / "predicted", predicted)).frame.iloc[1]
    assert row["run"] == "B alsatian, predicted for a5000"
    assert (row["scores"], row["wall_s_factor"]) == ("recorded", 2.0)
    assert not row["comparable"]
    assert not row["wrong"]


def test_what_was_not_measured_is_not_a_number(tmp_path, write, record):
    total = record("alsatian")
    for repeat in total["repeats"]:
        repeat["level"] = "total"
    frame = comparison(write(tmp_path / "results", total)).frame
    assert frame["inference_s_median"].isna().all()
    assert tables.table(frame).rows[0][3:7] == ("–",) * 4


def test_csv_holds_every_number(folder):
    rows = list(csv.DictReader(io.StringIO(tables.csv(comparison(folder)))))
    assert len(rows) == 4
    for name in MEASURED:
        parts = ("median", "min", "max", "repeats", "factor", "factor_min", "factor_max")
        assert {f"{name}_{part}" for part in parts} <= rows[0].keys()
    ours = rows[3]
    assert (float(ours["wall_s_median"]), int(ours["wall_s_repeats"])) == (4.0, 3)
    assert float(ours["wall_s_factor"]) == 4.0
    assert rows[0]["wall_s_factor"] == ""


def test_latex_and_markdown_hold_no_foreign_markup(tmp_path, write, record):
    evil = write(tmp_path / "results", record("a|b_c%$&#{}~^\\"))
    latex = tables.latex(comparison(evil))
    assert r"a|b\_c\%\$\&\#\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in latex
    assert latex.count(r"\begin{tabular}") == latex.count(r"\end{tabular}") == 1
    assert r"a\|b\_c" in tables.markdown(comparison(evil))


@pytest.mark.parametrize("width", [80, 140])
def test_tables_fit_a_terminal(folder, width):
    table = tables.text(comparison(folder), width).partition(tables.LEGEND)[0]
    assert max(map(len, table.splitlines())) <= width


def test_runs_that_did_not_end_well_are_named(tmp_path, write, record):
    failed = record("lazy", status="oom", error="no memory", repeats=[], rounds=[], ranking=[], winner=None)
    found = comparison(write(tmp_path / "results", record(), failed))
    assert found.lines == ("Not used: oom: lazy (run id-lazy): no memory",)
    with pytest.raises(ResultsError, match="no memory"):
        find(tmp_path / "results" / "id-lazy")


def test_a_path_that_is_not_there_names_the_nearest(tmp_path, folder):
    with pytest.raises(ResultsError, match="did you mean 'made_up'"):
        find(tmp_path / "results" / "made_upp")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 1}'])
def test_a_file_that_is_no_record_is_one_line(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_text(content)
    with pytest.raises(ResultsError) as error:
        find(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_an_empty_folder_is_one_line(tmp_path):
    with pytest.raises(ResultsError, match="no run records here"):
        find(tmp_path)


def test_letters_do_not_run_out():
    assert [letter(i) for i in (0, 25, 26, 51, 52)] == ["A", "Z", "AA", "AZ", "BA"]


def test_a_spread_over_nothing_is_not_a_number():
    assert math.isnan(Spread.of([]).median)
    assert math.isnan(Spread.of([1.0, math.nan]).median)
    assert math.isnan(Spread.of([1.0]).over(Spread.of([0.0, 1.0])).median)
