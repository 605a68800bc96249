import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.tables import experiment, formats


def text(summary, width=140):
    return "\n\n".join(f"{one.title}\n{formats.terminal(one, width)}" for one in experiment.tables(summary))


def row(frame, strategy):
    return frame.set_index("strategy").loc[strategy]


def test_medians_spread_and_speed_up(load_runs, record):
    frame = experiment.summary(load_runs(record("base", (20.0, 16.0, 15.0)), record(walls=(5.0, 3.0, 4.0, 2.0))))
    base, alsatian = row(frame, "base"), row(frame, "alsatian")
    assert (base.wall_s, base.wall_min, base.wall_max, base.repeats) == (16.0, 15.0, 20.0, 3)
    assert (alsatian.wall_s, alsatian.wall_min, alsatian.wall_max, alsatian.repeats) == (3.5, 2.0, 5.0, 4)
    assert base.speedup == 1.0
    assert alsatian.speedup == 16.0 / 3.5


def test_parts_and_counters_are_medians_and_the_cache_peak_is_the_largest(load_runs, record):
    made_up = record(walls=(4.0, 4.0, 4.0))
    for repeat, seconds, read, peak in zip(
        made_up["repeats"], (9.0, 1.0, 2.0), (30, 10, 20), (5, 7, 6), strict=True
    ):
        repeat["parts_s"] = {"prepare_model": seconds}
        repeat["counters"] = {"bytes_read": read, "block_executions": read * 2}
        repeat["peaks"] = {"cache_bytes": peak}
    found = row(experiment.summary(load_runs(made_up)), "alsatian")
    assert found.prepare_model_s == 2.0
    assert found.inference_s == 0.0
    assert (found.bytes_read, found.block_executions, found.cache_peak_bytes) == (20, 40, 7)


def test_absent_counters_are_zero(load_runs, record):
    made_up = record()
    for repeat in made_up["repeats"]:
        del repeat["counters"], repeat["peaks"]
    found = row(experiment.summary(load_runs(made_up)), "alsatian")
    assert (found.bytes_read, found.block_executions, found.cache_peak_bytes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_set__digest", "other"),
        ("dataset__digest", "other"),
        ("storage__bandwidth", None),
        ("storage__cold", False),
        ("config__batch_size", 32),
        ("config__proxy__epochs", 10),
        ("config__device__name", "cuda"),
        ("environment__cpu", "another"),
        ("environment__threads", 1),
        ("environment__gpu", "some GPU"),
    ],
)
def test_no_speed_up_over_a_base_under_other_conditions(load_runs, record, key, value):
    frame = experiment.summary(load_runs(record("base", **{key: value}), record()))
    assert math.isnan(row(frame, "alsatian").speedup)
    assert row(frame, "base").speedup == 1.0


def test_no_speed_up_without_a_finished_base(load_runs, record):
    failed = record("base", status="failed", error="x", repeats=[], rounds=[], ranking=[], winner=None)
    assert math.isnan(row(experiment.summary(load_runs(failed, record())), "alsatian").speedup)


def test_a_sweep_is_compared_with_the_base_that_has_the_same_setting(load_runs, record):
    sweep = [("8MiB", 20.0, 5.0), ("16MiB", 12.0, 6.0)]
    runs = load_runs(
        *(record("base", (base,), run_id=f"b{b}", config__cache__budget=b) for b, base, _ in sweep),
        *(record("alsatian", (own,), run_id=f"a{b}", config__cache__budget=b) for b, _, own in sweep),
    )
    assert list(experiment.summary(runs)["speedup"]) == [1.0, 1.0, 4.0, 2.0]


def test_the_columns_of_the_summary(load_runs, record):
    assert list(experiment.summary(load_runs(record())).columns) == [
        *("strategy", "wall_s", "wall_min", "wall_max", "repeats", "disturbed", "speedup"),
        *("over_limit", "stalled_share"),
        *("prepare_model_s", "prepare_data_s", "inference_s", "proxy_scoring_s"),
        *("planning_s", "cache_io_s", "other_s"),
        *("bytes_read", "block_executions", "cache_peak_bytes", "block_peak_bytes", "winner", "scores_check"),
        *("model_set", "dataset", "workload", "conditions", "kind", "group"),
    ]


def test_the_table_as_text(load_runs, record):
    lines = text(experiment.summary(load_runs(record("base", (16.0,)), record()))).splitlines()
    assert lines[-4].split()[:2] == ["strategy", "wall"]
    first = " ".join(lines[-2].split())
    assert first == "base 16.0 s (N=1) 1.0× 4.00 1.00 8.00 2.00 180 MB 5,400 m2 identical (2 scores)"
    assert "4.1 s (4.0–4.3, N=3)" in lines[-1]
    assert " 3.9× " in lines[-1]
    assert len({line.index("m2") for line in lines[-2:]}) == 1


def test_wall_time_over_the_limit_is_a_column_where_records_tell(load_runs, record):
    limit = {"reading_s": 1.0, "inference_s": 1.5, "decoding_s": 0.25, "scoring_s": 0.25}
    told = record(walls=(walls := (4.0, 3.0, 5.0)))
    for repeat, wall in zip(told["repeats"], walls, strict=True):
        repeat |= {"limit": limit, "stalled_s": {"prepare_model": wall / 10}}
    frame = experiment.summary(load_runs(told, record("base", (16.0,))))
    assert row(frame, "alsatian").over_limit == 2.0
    assert row(frame, "alsatian").stalled_share == pytest.approx(0.1)
    lines = text(frame).splitlines()
    assert "over" in lines[-5].split()
    assert "limit" in lines[-4].split()
    assert " 2.00× " in lines[-1]
    assert " – " in lines[-2]


@pytest.mark.parametrize("width", [40, 80, 140])
def test_a_wide_table_is_folded_and_loses_nothing(load_runs, record, width):
    winner = "organisation-with-a-long-name/model_with_a_long_name-and-a-digest-0123456789abcdef"
    budgets = ("8MiB", "16MiB")
    runs = load_runs(
        *(
            record(run_id=b, config__cache__budget=b, config__seed=b, winner=winner, ranking=[winner])
            for b in budgets
        )
    )
    lines = text(experiment.summary(runs), width).splitlines()
    assert max(len(line) for line in lines) <= width
    for column, whole in (
        ("winner", winner * 2),
        ("strategy", "".join(f"alsatian seed={b} cache.budget={b}" for b in budgets)),
    ):
        head = next(i for i, line in enumerate(lines) if column in line)
        place = lines[head].index(column)
        pieces = [line[place:].split("  ")[0] for line in lines[head + 2 :]]
        assert whole.replace(" ", "") in "".join(pieces).replace(" ", "")


@given(st.lists(st.tuples(st.text("ab é", max_size=30), st.floats(0, 1e9)), min_size=1), st.integers(40, 100))
def test_no_table_is_wider_than_the_terminal(rows, width):
    frame = pd.DataFrame([{"strategy": name} | dict.fromkeys(experiment.SHOWN[:-1], n) for name, n in rows])
    lines = formats.terminal(formats.Table.of(frame), width).splitlines()
    assert max(map(len, lines)) <= width


def test_workloads_are_separate_tables(load_runs, record):
    runs = load_runs(record("base"), record(), record("shift", model_set__digest="other", model_set__name="vit"))
    first, second = text(experiment.summary(runs)).split("\n\n")
    assert first.startswith("digits_finetunes on digits\n")
    assert second.startswith("vit on digits\n")
    assert "alsatian" in first
    assert "shift" in second
    assert "shift" not in first


def test_rows_do_not_repeat_what_their_table_has_in_common(load_runs, record):
    runs = load_runs(
        *(
            record(
                name,
                run_id=f"{name}{b}{m}",
                model_set__digest=m,
                config__model_set__name=m,
                config__cache__budget=b,
            )
            for name in ("base", "alsatian")
            for b in ("8MiB", "16MiB")
            for m in ("vit", "bert")
        )
    )
    summary = experiment.summary(runs)
    assert "base model_set=vit cache.budget=8MiB" in set(summary["strategy"])
    budgets = ("8MiB", "16MiB")
    shown = [f"{name} cache.budget={b}" for name in ("base", "alsatian") for b in budgets]
    assert [[row[0] for row in table.rows] for table in experiment.tables(summary)] == [shown, shown]


def test_a_brief_table_has_the_times_only(load_runs, record):
    (table,) = experiment.tables(experiment.summary(load_runs(record("base"), record())), brief=True)
    assert table.header == ("strategy", "wall time", "speed-up", "scores")


def test_control_characters_do_not_reach_the_terminal(load_runs, record):
    shown = text(experiment.summary(load_runs(record(winner="m\x1b[2J", ranking=["m\x1b[2J"]))))
    assert "\x1b" not in shown
    assert "m\\x1b[2J" in shown


def test_markdown_cells_cannot_break_out(load_runs, record):
    (table,) = experiment.tables(experiment.summary(load_runs(record(winner="a|b<c", ranking=["a|b<c"]))))
    shown = formats.markdown(table)
    assert "a\\|b\\<c" in shown
    assert len(shown.splitlines()) == 3
