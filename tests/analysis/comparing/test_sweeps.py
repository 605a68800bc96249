import re

import pandas as pd
import pytest

from alsatian.records import Budget
from analysis.comparing import checks, sweeps
from analysis.comparing.labels import in_order
from analysis.comparing.sweeps import cache_budget, share_of_working_set, without_budget
from analysis.report import build, findings, sections


@pytest.fixture
def sweep(load_runs, sweep_records):
    return sweeps.find(load_runs(*sweep_records()))


def test_a_line_for_each_policy_and_a_point_for_each_budget(sweep):
    assert sweep.lines == ["none", "lru", "belady", "planned"]  # most executions first
    assert sweep.axis == "budget_share"
    assert sweep.budgets == [0.02, 0.1, 0.5, 1.0]
    lru = sweep.points[sweep.points["line"] == "lru"].set_index("budget_share")
    assert list(lru["budget_bytes"]) == [80_000, 400_000, 2_000_000, 4_000_000]
    assert list(lru["block_executions"]) == [9000, 8000, 3000, 2000]
    assert [run.run_id for run in sweep.runs[4:8]] == ["lru-2%", "lru-10%", "lru-50%", "lru-100%"]


@pytest.mark.parametrize(
    "executions",
    [
        {"lru": {"2%": 3, "10%": 2}, "fifo": {"2%": 3, "10%": 2}},
        {"lru": {"2%": 3}, "fifo": {"10%": 2}, "lfu": {"100%": 2}},
    ],
    ids=["two budgets", "one budget a line"],
)
def test_fewer_budgets_than_three_make_no_sweep(load_runs, sweep_records, executions):
    assert sweeps.find(load_runs(*sweep_records(executions))) is None


def test_runs_that_make_no_line_are_left_out(load_runs, record, sweep_records):
    unlimited = record("none", run_id="unlimited", resolved={"cache.budget": {"requested": None, "bytes": None}})
    runs = load_runs(*sweep_records(), record("base"), unlimited)
    found = sweeps.find(runs)
    assert found.lines[0].startswith("none")
    assert len(found.lines) == 4
    assert not {"id-base", "unlimited"} & {run.run_id for run in found.runs}
    assert not {"id-base", "unlimited"} & found.beside(0.1)


def test_shares_are_an_axis_only_if_all_budgets_are(load_runs, sweep_records):
    executions = {"lru": {"2%": 3, "10%": 2, "100%": 1}, "planned": {"2%": 1, 400_000: 1, 4_000_000: 1}}
    found = sweeps.find(load_runs(*sweep_records(executions)))
    assert found.axis == "budget_bytes"
    assert found.budgets == [80_000, 400_000, 4_000_000]
    assert [found.text(budget) for budget in found.budgets] == ["2%", "400 kB", "4.00 MB"]


def test_budgets_are_called_as_they_were_asked_for(load_runs, sweep_records):
    executions = {"lru": {"2%": 3, "12.5%": 2, "100%": 1}}
    found = sweeps.find(load_runs(*sweep_records(executions)))
    assert [found.text(budget) for budget in found.budgets] == ["2%", "12.5%", "100%"]
    assert found.middle == 0.125


def test_what_was_resolved_counts_and_without_it_the_configuration(load_runs, record):
    (resolved,) = load_runs(record(resolved={"cache.budget": {"requested": "5%", "bytes": 77}}))
    assert cache_budget(resolved) == Budget(requested="5%", bytes=77)
    (plain,) = load_runs(record(resolved={}))
    assert cache_budget(plain) == Budget(requested="16MiB", bytes=16 * 1024**2)
    assert share_of_working_set(Budget(requested="12.5%", bytes=1)) == 0.125
    others = [Budget(requested=asked, bytes=1) for asked in ("16MiB", 5, None, "many%")]
    assert [share_of_working_set(budget) for budget in others] == [None] * 4
    assert without_budget("lru cache.budget=2% seed=1") == "lru seed=1"


def test_budgets_are_ordered_by_size(load_runs, sweep_records):
    labels = [label for label, _ in in_order(load_runs(*sweep_records()))]
    assert labels[:4] == [f"belady cache.budget={share}%" for share in (2, 10, 50, 100)]


def test_the_crossing_says_from_which_budget_on(sweep):
    assert sweeps.crossing(sweep) == (
        "Fewest block executions (2,000) by cache budget (share of the working set): "
        "planned from 2% on; belady from 50% on; lru from 100% on; never: none"
    )


def test_a_line_that_gets_worse_again_counts_from_where_it_stays_best(load_runs, sweep_records):
    executions = {"lru": {"1%": 2, "2%": 3, "10%": 2, "100%": 2}, "lfu": {"1%": 2, "2%": 2, "10%": 2, "100%": 3}}
    said = sweeps.crossing(sweeps.find(load_runs(*sweep_records(executions))))
    assert said.endswith("lru from 10% on; never: lfu")


def test_many_lines_are_not_all_called_by_name(load_runs, sweep_records):
    executions = {f"p{i}": {"1%": 3, "2%": 3, "10%": 3} for i in range(6)} | {"lru": {"1%": 3, "2%": 3, "10%": 2}}
    said = sweeps.crossing(sweeps.find(load_runs(*sweep_records(executions))))
    assert said.endswith("lru from 10% on; never: the other 6")


def test_the_headline_is_about_the_sweep_unless_there_is_base(load_runs, record, sweep_records):
    runs = load_runs(*sweep_records())
    said = findings.headline(runs, checks.compare_scores(runs))
    assert said.startswith("Fewest block executions (2,000)")
    assert said.endswith("never: none; all scores that two runs share are bit-identical.")
    made_up = sweep_records()
    made_up[0]["rounds"][0]["scores"]["m2"] = 0.1
    runs = load_runs(*made_up)
    assert findings.headline(runs, checks.compare_scores(runs)).endswith("; but scores DIFFER.")
    runs = load_runs(*sweep_records(), record("base"))
    assert "of base's speed" in findings.headline(runs, checks.compare_scores(runs))


def test_the_report_draws_lines_and_bars_at_the_middle_budget_only(tmp_path, write, sweep_records):
    built = build.build(write(tmp_path, *sweep_records()))
    names = {path.name for path in built.files if path.parent.name == "figures"}
    assert names == {f"{stem}.{end}" for stem in ("sweep", "breakdown") for end in ("png", "pdf", "csv")}
    bars = pd.read_csv(tmp_path / "figures" / "breakdown.csv", keep_default_na=False)
    assert list(bars["strategy"]) == [f"{line} cache.budget=50%" for line in ("belady", "lru", "none", "planned")]
    assert len(pd.read_csv(tmp_path / "figures" / "sweep.csv")) == 16
    page = (tmp_path / "report.html").read_text()
    assert "Over the cache budget: digits_finetunes" in page
    assert "Where the time goes: digits_finetunes, budget 50%" in page
    assert "Shown at the middle one of 4 cache budgets, 50%." in page
    assert "Cache peak (budget 2% = 80.0 kB): belady 1.00 kB, lru" in built.text
    assert page.count("<figure") == 2


def test_with_base_there_are_speedups_at_the_middle_budget(tmp_path, write, sweep_records):
    executions = {"base": {"1%": 9, "2%": 9, "10%": 9}, "alsatian": {"1%": 3, "2%": 2, "10%": 1}}
    build.build(write(tmp_path, *sweep_records(executions)))
    bars = pd.read_csv(tmp_path / "figures" / "speedup.csv")
    assert list(bars["strategy"]) == ["base cache.budget=2%", "alsatian cache.budget=2%"]
    assert list(bars["speedup"]) == [1.0, 4.5]


def test_other_runs_keep_their_bars_and_old_lines_go(tmp_path, write, record, sweep_records):
    write(tmp_path, *sweep_records(), record("base"))
    build.build(tmp_path)
    assert len(pd.read_csv(tmp_path / "figures" / "breakdown.csv")) == 5
    for share in ("2%", "10%", "50%"):
        for line in ("none", "lru", "belady", "planned"):
            (tmp_path / f"{line}-{share}" / "run.json").unlink()
    build.build(tmp_path)
    assert not list((tmp_path / "figures").glob("sweep*"))
    assert len(pd.read_csv(tmp_path / "figures" / "breakdown.csv")) == 5


def test_runs_that_agree_share_their_rounds_and_rankings(load_runs, sweep_records):
    runs = load_runs(*sweep_records())
    assert [table.title for table in sections.rounds(runs)] == ["all 16 runs"]
    assert [ranking.title for ranking in sections.rankings(runs)] == ["all 16 runs"]
    assert [who for _, who in sections.commands(runs)] == ["all 16 runs"]
    made_up = sweep_records()
    made_up[0]["rounds"][0]["chunks"] = 9
    titles = [table.title for table in sections.rounds(load_runs(*made_up))]
    assert len(titles) == 2
    assert "none cache.budget=2%" in titles
    assert not any(re.search(r"all \d+ runs", title) for title in titles)
