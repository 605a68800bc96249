"""Figures in words: what the columns become, what is never mixed, and what is refused."""

import pytest

from alsatian.errors import ConfigError
from analysis.grammar.charts import charts
from analysis.grammar.words import Words

BUDGETS = {"2%": 9000, "10%": 6000, "100%": 2000}


def draw(runs, **words):
    return charts(runs, Words.of({"x": "cache.budget", **words}))


def one(runs, **words):
    (chart,) = draw(runs, **words)
    return chart


@pytest.fixture
def runs(load_runs, sweep_records):
    return load_runs(*sweep_records())


@pytest.fixture
def sized(load_runs, record):
    """Two strategies at three batch sizes."""
    return load_runs(
        *(
            record(name, (wall / size,), run_id=f"{name}{size}", config__batch_size=size)
            for name, wall in (("base", 160.0), ("alsatian", 80.0))
            for size in (8, 16, 128)
        )
    )


def test_a_point_is_a_run_with_median_and_range(runs):
    points = one(runs, y=["wall_s", "hit_ratio"]).points
    assert list(dict.fromkeys(points["curve"])) == ["belady", "lru", "none", "planned"]
    lru = points[points["curve"] == "lru"]
    assert list(lru["x"]) == ["2%", "10%", "50%", "100%"]
    assert list(lru["place"]) == [0.02, 0.1, 0.5, 1.0]
    assert list(lru[["wall_s", "wall_s_min", "wall_s_max", "repeats"]].iloc[1]) == [8.0, 6.0, 10.0, 3]
    assert lru["hit_ratio"].iloc[1] == 4 / 30
    assert [run.run_id for run in one(runs).runs] == list(points["run_id"])


def test_nothing_asked_for_is_no_ratio(load_runs, sweep_records):
    made_up = sweep_records({"lru": BUDGETS})
    for repeat in made_up[0]["repeats"]:
        del repeat["counters"]["hits"], repeat["counters"]["misses"]
    assert list(one(load_runs(*made_up), y=["wall_s", "hit_ratio"]).points["hit_ratio"].isna()) == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("axis", "words"),
    [
        ("curve", {"x": "strategy", "curve": "batch_size"}),
        ("row", {"x": "strategy", "row": "batch_size"}),
        ("column", {"x": "strategy", "column": "batch_size"}),
        ("x", {"x": "batch_size"}),
    ],
)
def test_any_setting_may_be_any_axis(sized, axis, words):
    chart = one(sized, **words)
    said = {"row": "batch_size=", "column": "batch_size="}.get(axis, "")
    assert chart.values(axis) == [f"{said}{size}" for size in (8, 16, 128)]
    assert len(chart.points) == 6


def test_numbers_lie_where_they_are_and_categories_side_by_side(sized):
    x = one(sized, x="batch_size").x
    assert (x.kind, x.log, x.name, x.ticks) == ("number", True, "batch_size", {8: "8", 16: "16", 128: "128"})
    x = one(sized, x="strategy").x
    assert (x.kind, x.log, x.ticks) == ("category", False, {0: "base", 1: "alsatian"})
    x = one(sized, x="wall_s", y="block_executions").x
    assert (x.kind, x.name, x.ticks, x.joined) == ("number", "wall time (s)", {}, False)


def test_budgets_are_shares_or_sizes(load_runs, sweep_records, runs):
    x = one(runs).x
    assert (x.kind, x.log, x.name) == ("share", True, "cache.budget (share of the working set)")
    assert list(x.ticks.values()) == ["2%", "10%", "50%", "100%"]
    both = {"lru": {"2%": 3, "10%": 2, 4_000_000: 1}}
    x = one(load_runs(*sweep_records(both))).x
    assert (x.kind, x.ticks) == ("bytes", {8e4: "80.0 kB", 4e5: "400 kB", 4e6: "4.00 MB"})


def test_no_limit_lies_behind_the_largest_budget_and_null_before_the_smallest(load_runs, record):
    def chart(key, values):
        return one(
            load_runs(*(record(run_id=f"r{i}", resolved={}, **{key: v}) for i, v in enumerate(values))),
            x=key.removeprefix("config__").replace("__", "."),
        )

    x = chart("config__cache__budget", ["1MiB", "4MiB", None]).x
    assert x.ticks == {2**20: "1MiB", 2**22: "4MiB", 2**24: "no limit"}
    x = chart("config__device__threads", [None, 1, 2]).x
    assert x.ticks == {0: "null", 1: "1", 2: "2"}


def test_runs_that_differ_in_more_are_other_curves_named_by_it(load_runs, sweep_records):
    slow = sweep_records({"lru": BUDGETS})
    for record in slow:
        record |= {"run_id": f"slow-{record['run_id']}"}
        record["config"]["batch_size"] = 8
    runs = load_runs(*sweep_records({"lru": BUDGETS, "fifo": BUDGETS}), *slow)
    assert one(runs).values("curve") == ["fifo batch_size=64", "lru batch_size=8", "lru batch_size=64"]
    assert one(runs, curve=["strategy", "batch_size"]).values("curve") == one(runs).values("curve")
    assert one(runs, where={"batch_size": 64}).values("curve") == ["fifo", "lru"]
    assert one(runs, column="batch_size").values("curve") == ["fifo", "lru"]


def test_what_changes_along_the_axis_is_said(load_runs, sweep_records):
    made_up = sweep_records({"lru": BUDGETS, "fifo": BUDGETS})
    for record in made_up:
        record["config"]["batch_size"] = {"2%": 8, "10%": 8, "100%": 64}[record["config"]["cache"]["budget"]]
    chart = one(load_runs(*made_up))
    assert chart.values("curve") == ["fifo", "lru"]
    assert chart.notes == ("Along the axis also differ in: batch_size.",)


def test_what_goes_with_the_curves_is_said_unless_a_strategy_chooses_it(load_runs, sweep_records):
    """The policy is what makes lru what it is; how many items a batch has is not."""
    made_up = sweep_records({"lru": BUDGETS, "fifo": BUDGETS})
    for record in made_up:
        record["config"]["batch_size"] = 8 if record["config"]["strategy"]["name"] == "lru" else 64
    runs = load_runs(*made_up)
    chart = one(runs)
    assert chart.values("curve") == ["fifo", "lru"]
    assert chart.notes == ("Curves also differ in: batch_size.",)
    assert one(runs, x="strategy", where={"cache": {"budget": "2%"}}).notes == (
        "Along the axis also differ in: batch_size.",
    )


def test_a_curve_is_not_named_by_what_only_others_have(load_runs, sweep_records):
    made_up = sweep_records({"lru": BUDGETS})
    for keep in (1, 2):
        for record in sweep_records({"fifo": BUDGETS}):
            record["config"]["strategy"]["keep"] = keep
            made_up.append(record | {"run_id": f"{record['run_id']}-{keep}"})
    found = one(load_runs(*made_up)).values("curve")
    assert found == ["fifo strategy.keep=1", "fifo strategy.keep=2", "lru"]


def with_models(made_up, name, digest):
    for record in made_up:
        record["run_id"] += digest
        record["model_set"] |= {"name": name, "digest": digest}
        record["config"]["model_set"]["name"] = name
    return made_up


def test_models_are_drawn_apart_unless_words_tell_them_apart(load_runs, sweep_records):
    runs = load_runs(
        *with_models(sweep_records({"lru": BUDGETS}), "cnn", "c"),
        *with_models(sweep_records({"fifo": BUDGETS}), "vit", "v"),
    )
    apart = draw(runs)
    assert {chart.title: chart.values("curve") for chart in apart} == {
        "vit on digits": ["fifo"],
        "cnn on digits": ["lru"],
    }
    assert one(runs, column="model_set").values("column") == ["model_set=vit", "model_set=cnn"]
    assert one(runs, curve="model_set").values("curve") == ["vit", "cnn"]


def test_models_whose_runs_make_no_curve_keep_no_others_from_being_drawn(load_runs, sweep_records):
    alone = with_models(sweep_records({"fifo": {"2%": 1}}), "vit", "v")
    chart = one(load_runs(*with_models(sweep_records({"lru": BUDGETS}), "cnn", "c"), *alone))
    assert chart.values("curve") == ["lru"]
    assert chart.notes[0].startswith(
        "Not drawn: figure.x=cache.budget: needs two values at least, there is 2% (vit on"
    )


def test_runs_without_a_value_are_left_out_and_named(load_runs, sweep_records, record):
    runs = load_runs(
        *sweep_records({"lru": BUDGETS}), record("base", config__cache={"policy": "none"}, resolved={})
    )
    chart = one(runs)
    assert chart.values("curve") == ["lru"]
    assert chart.notes == ("Not drawn, for lack of a value: base.",)


def test_the_subject_is_ours_unless_another_is_named(runs, sized):
    assert one(runs).subject == "planned"
    assert one(runs, subject="lru").subject == "lru"
    assert one(sized, x="batch_size").subject == "alsatian"
    assert one(runs, where={"strategy": ["lru", "none"]}).subject == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"x": "cache.budge"}, "figure.x=cache.budge: no run has such a column; did you mean 'cache.budget'?"),
        ({"curve": "stategy"}, "figure.curve=stategy: no run has such a column; did you mean 'strategy'?"),
        ({"row": "wall_s"}, "figure.row=wall_s: is measured, not set"),
        ({"y": "wal_s"}, "figure.y=wal_s: there is no such metric; did you mean 'wall_s'?"),
        ({"y": "seed"}, "figure.y=seed: is set, not measured"),
        ({"x": "batch_size"}, "figure.x=batch_size: needs two values at least, there is 64; what differs is cache"),
        ({"where": {"cache": {"budget": "3MiB"}}}, "no run has cache.budget=3MiB; there are: 2%, 10%, 50%, 100%"),
        ({"where": {"seeds": 1}}, "figure.where=seeds: no run has such a column; did you mean 'seed'?"),
        ({"where": "lru"}, "figure.where=lru: write a setting and its value"),
        ({"colum": "seed"}, "figure.colum: there is no such key; did you mean 'column'?"),
        ({"x": None, "y": "wall_s"}, "figure.x: needs a value here"),
        ({"x": ""}, "figure.x: needs a value here"),
        ({"x": "", "y": None}, "figure.x: needs a value here"),
        ({"x": ["seed"]}, 'figure.x=["seed"]: a text is expected'),
        ({"curve": {"a": 1}}, 'figure.curve={"a":1}: a text is expected'),
        ({"subject": "lfu"}, "figure.subject=lfu: there is no such curve"),
        ({"y": ["wall_s", "hits"], "row": "seed", "column": "order"}, "figure.y: several take the rows or columns"),
        ({"y": "proxy_scoring_s"}, "figure.y=proxy_scoring_s: was measured in no run"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_said_in_a_line(load_runs, sweep_records, words, said):
    made_up = sweep_records()
    for record in made_up:
        for repeat in record["repeats"]:
            repeat |= {"level": "total", "parts_s": {}}
    with pytest.raises(ConfigError) as error:
        draw(load_runs(*made_up), **words)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_shares_and_sizes_that_nothing_resolves_have_no_common_axis(load_runs, record):
    runs = load_runs(*(record(run_id=f"r{i}", resolved={}, config__extra=v) for i, v in enumerate(("25%", "1MiB"))))
    with pytest.raises(ConfigError, match="25% and 1MiB have no common unit"):
        one(runs, x="extra")


def test_a_figure_of_the_paper_has_no_words():
    assert Words.of({"number": "10", "scaled": {}, "x": None, "where": {}}) is None
