"""Repeats that others disturbed: left out of times, or marked where there is nothing else."""

import pytest

from analysis.comparing import checks, comparison, disturbances
from analysis.comparing.measurements import wall
from analysis.paper.evidence.cells import cells
from analysis.paper.evidence.sources import Key
from analysis.report import findings
from analysis.tables import comparison as compared
from analysis.tables import experiment


@pytest.fixture
def disturbed(record):
    """A record with the repeats of these numbers disturbed."""

    def make(strategy, *numbers, walls=(4.0, 5.0, 9.0)):
        made = record(strategy, walls)
        for number in numbers:
            made["repeats"][number]["conditions"] = {"cores": 2, "others_s": 100.0}
        return made

    return make


def test_times_are_of_the_undisturbed_repeats(load_runs, disturbed):
    (run,) = load_runs(disturbed("shift", 2))
    assert (wall(run).median, wall(run).high, wall(run).count) == (4.5, 5.0, 2)
    row = experiment.summary([run]).iloc[0]
    assert (row["repeats"], row["disturbed"]) == (2, False)
    assert row["inference_s"] == pytest.approx(2.0 * 4.5 / 4)
    assert disturbances.lines([run]) == [
        "Disturbed by other processes and left out of all times: shift (1 of 3 repeats)"
    ]
    assert disturbances.caption([run]) == " 1 repeat that other processes disturbed left out."


def test_where_all_are_disturbed_they_count_and_are_marked(load_runs, disturbed):
    runs = load_runs(disturbed("base", walls=(8.0, 8.0, 8.0)), disturbed("shift", 0, 1, 2))
    shown = experiment.tables(experiment.summary(runs))[0]
    assert [row[1] for row in shown.rows] == ["8.0 s (8.0–8.0, N=3)", "5.0 s (4.0–9.0, N=3)†"]
    assert disturbances.lines(runs) == ["† Other processes disturbed every repeat, which decides nothing: shift"]
    assert disturbances.caption(runs) == " †: other processes disturbed every repeat (1 of 2 runs)."


def test_a_comparison_marks_them_too(load_runs, write, tmp_path, disturbed):
    from alsatian.records import reading

    found = comparison.compare([reading.load(write(tmp_path, disturbed("base"), disturbed("shift", 0, 1, 2)))])
    assert list(found.frame["disturbed"]) == [False, True]
    text = compared.text(found)
    assert "N=3)†" in text
    assert "† Other processes disturbed every repeat, which decides nothing: shift" in text


def test_a_cell_of_a_figure_knows(load_runs, disturbed):
    runs = load_runs(disturbed("base", 2), disturbed("shift", 0, 1, 2))
    keyed = {Key("ResNet-18", 2000, "TOP_LAYERS", run.strategy): run for run in runs}
    found = {cell.approach: cell for cell in cells("10", "cell", keyed) if cell.ok}
    assert {name: cell.disturbed for name, cell in found.items()} == {"base": False, "shift": True}
    assert (found["base"].seconds, found["base"].repeats) == (4.5, 2)
    assert found["shift"].repeats == 3


def test_runs_beside_others_are_marked_as_such_and_decide_nothing(load_runs, record):
    """However quiet the system says it was."""
    made = [record(name, (4.0, 5.0), config__targets={"base": 0.5}) for name in ("base", "alsatian", "shift")]
    for one in made[:2]:
        for repeat in one["repeats"]:
            repeat["conditions"] = {"cores": 2, "others_s": 0.0, "beside": 3}
    runs = load_runs(*made)
    assert [run.disturbed for run in runs] == [True, True, False]
    assert [row[1][-1] for row in experiment.tables(experiment.summary(runs))[0].rows].count("†") == 2
    assert disturbances.lines(runs) == [
        "† Measured beside up to 3 other runs, which decides nothing: base, alsatian"
    ]
    assert disturbances.caption(runs) == " †: measured beside up to 3 other runs (2 of 3 runs)."
    assert checks.targets(runs) == ["alsatian over base: 1.0×† (target 0.5×: not decided)"]
    sentence = findings.headline(runs, checks.compare_scores(runs))
    assert sentence.startswith("alsatian ranks the same models as base; others disturbed their times")
    assert "faster" not in sentence


def test_nothing_is_said_of_quiet_runs_and_of_records_that_do_not_tell(load_runs, record):
    runs = load_runs(record("base"), record("shift"))
    assert disturbances.lines(runs) == []
    assert disturbances.caption(runs) == ""
    assert not any(map(disturbances.mark, runs))
