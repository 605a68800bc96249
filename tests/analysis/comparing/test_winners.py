"""Who is fastest where, and why, on made-up records."""

import math

import pytest

from analysis.comparing import sweeps, ties, winners
from analysis.comparing.checks import compare_scores
from analysis.report import figures, findings
from analysis.tables import experiment

# Seconds of each strategy by model set and budget.
WALLS = {
    ("digits", "10%"): {"base": 8.0, "alsatian": 4.0, "auto": 2.0, "shared_prefix": 5.0},
    ("digits", "100%"): {"base": 8.0, "alsatian": 2.0, "auto": 2.08, "shared_prefix": 2.5},
    ("families", "10%"): {"base": 8.0, "alsatian": 2.0, "auto": 2.2, "shared_prefix": 9.0},
}
BUDGETS = {"10%": 100, "100%": 1000}


@pytest.fixture
def field(record, load_runs):
    """Runs of all strategies in three cells; what a strategy takes longer, it takes for inference."""

    def made(walls=WALLS):
        return load_runs(*(one for (models, budget), own in walls.items() for one in _cell(models, budget, own)))

    def _cell(models, budget, own):
        for name, seconds in own.items():
            repeat = record(name)["repeats"][0]
            parts = dict.fromkeys(repeat["parts_s"], 0.0) | {"inference": seconds - 1, "prepare_model": 1.0}
            counters = {"bytes_read": 10, "block_executions": round(1000 * seconds)}
            yield record(
                name,
                run_id=f"{models}-{budget}-{name}".replace("%", ""),
                model_set__name=models,
                model_set__digest=models,
                resolved={"cache.budget": {"requested": budget, "bytes": BUDGETS[budget]}},
                repeats=[repeat | {"wall_s": seconds, "parts_s": parts, "counters": counters}],
            )

    return made


def test_a_cell_for_each_model_set_and_budget(field):
    found = winners.cells(field())
    assert [(cell.models, cell.budget) for cell in found] == list(WALLS)
    assert [cell.fastest for cell in found] == [("auto",), ("alsatian", "auto"), ("alsatian",)]
    assert [cell.next.strategy for cell in found] == ["alsatian", "shared_prefix", "auto"]
    assert found[0].reason == "2.0 s more on inference (4,000 block executions, not 2,000 block executions)"
    assert found[0].behind() == (0.5, "")
    assert found[2].behind() == (
        1.1,
        "0.20 s more on inference (2,200 block executions, not 2,000 block executions) than alsatian",
    )


def test_where_each_wins_and_where_ours_does_not(field):
    alsatian, auto, ours = winners.told(field())
    assert alsatian == (
        "alsatian is the fastest in 2 of 3 cells (digits at 100%; families at 10%), with auto within 5%; most "
        "clearly on digits at 100%, where shared_prefix takes 1.2× as long, 0.50 s more on inference (2,500 block "
        "executions, not 2,000 block executions)."
    )
    assert auto.startswith(
        "auto is the fastest in 1 of 3 cells (digits at 10%); most clearly on digits at 10%, where"
    )
    assert ours == (
        "auto is more than 5% slower than the best other strategy in 1 of 3 cells: families at 10% (1.10× its "
        "time: 0.20 s more on inference (2,200 block executions, not 2,000 block executions) than alsatian)."
    )


def test_ours_is_behind_nowhere(field):
    cells = {key: own for key, own in WALLS.items() if key[0] == "digits"}
    assert winners.told(field(cells))[-1] == (
        "auto is in no cell more than 5% slower than the best other strategy (at most 1.04× its time)."
    )


def test_one_strategy_is_no_field(field):
    assert winners.told(field({("digits", "10%"): {"auto": 2.0}})) == []


@pytest.fixture
def control(record):
    """A strategy whose scores take no data, in no time."""
    rounds = [{"train_items": 0, "chunks": 0, "scores": {"m0": 4e7, "m1": 4e7, "m2": 5e7, "m3": 2e7}}]
    return record("size_order", (0.0, 0.0, 0.0), rounds=rounds)


def test_what_computes_nothing_wins_nothing(load_runs, record, control):
    (cell,) = winners.cells(load_runs(record("base"), record("alsatian"), control))
    assert [run.strategy for run in cell.runs] == ["alsatian", "base"]


def test_what_computes_nothing_has_no_speed_and_no_accuracy(load_runs, record, control):
    runs = load_runs(record("base"), record("alsatian"), control)
    table = experiment.summary(runs).set_index("strategy")
    assert math.isnan(table["speedup"]["size_order"])
    assert table["scores_check"]["size_order"] == "nothing shared"
    assert not any("size_order" in line for line in ties.lines(runs))
    assert findings.headline(runs, compare_scores(runs)).startswith("alsatian ranks")
    assert findings.headline(load_runs(record("alsatian"), control), []).startswith("alsatian ranks")


def test_what_computes_nothing_has_no_figures_and_a_table_that_says_so(load_runs, record, control, tmp_path):
    runs = load_runs(record("base"), record("alsatian"), control)
    summary = experiment.summary(runs)
    assert set(summary["group"]) == {
        "digits_finetunes on digits · computed=features", "digits_finetunes on digits · computed=nothing"
    }  # fmt: skip
    plates = figures.Gallery(tmp_path).comparisons(runs, summary, drawn=False)
    assert len(plates) == 2
    assert not any("size_order" in path.read_text() for path in tmp_path.glob("*.csv"))


def test_what_computes_nothing_makes_no_line_of_a_sweep(load_runs, sweep_records):
    made_up = sweep_records()
    for record in made_up[:4]:
        record["rounds"] = [{"train_items": 0, "chunks": 0, "scores": dict.fromkeys(record["ranking"], 1.0)}]
    assert len(sweeps.find(load_runs(*made_up)).lines) == 3
