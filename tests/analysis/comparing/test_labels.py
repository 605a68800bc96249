from itertools import permutations

import pytest

from analysis.comparing.labels import comparable_groups, in_order


def labels(runs):
    return [label for label, _ in in_order(runs)]


def test_strategies_have_a_fixed_order(load_runs, record):
    names = ["zeta", "alsatian", "adaptive", "shared_prefix", "base", "shift"]
    assert labels(load_runs(*map(record, names))) == [
        "base",
        "shift",
        "shared_prefix",
        "alsatian",
        "adaptive",
        "zeta",
    ]


def test_order_and_labels_do_not_depend_on_the_order_of_runs(load_runs, record):
    runs = load_runs(record("base"), *(record(run_id=b, config__cache__budget=b) for b in ("8MiB", "16MiB")))
    assert {tuple(labels(order)) for order in permutations(runs)} == {
        ("base", "alsatian cache.budget=8MiB", "alsatian cache.budget=16MiB")
    }


def test_cells_of_one_strategy_are_told_apart_by_all_settings_that_differ(load_runs, record):
    runs = load_runs(
        record(run_id="a", config__batch_size=32, config__seed=0),
        record(run_id="b", config__batch_size=64, config__seed=1),
    )
    assert labels(runs) == ["alsatian batch_size=32 seed=0", "alsatian batch_size=64 seed=1"]


def test_two_budgets_that_change_together_are_both_named(load_runs, record):
    runs = load_runs(
        record(run_id="a", config__cache__budget="8MiB", config__cache__block_budget="1GiB"),
        record(run_id="b", config__cache__budget=None, config__cache__block_budget="2GiB"),
    )
    assert labels(runs) == [
        "alsatian cache.block_budget=1GiB cache.budget=8MiB",
        "alsatian cache.block_budget=2GiB cache.budget=null",
    ]


def test_a_component_is_named_by_its_class_which_speaks_for_its_settings(load_runs, record):
    runs = load_runs(
        record(run_id="a", config__order={"_target_": "orders.dfs.Dfs"}),
        record(run_id="b", config__order={"_target_": "orders.random.Random", "seed": 3}),
    )
    assert labels(runs) == ["alsatian order=dfs", "alsatian order=random"]


def test_settings_of_equal_components_are_named(load_runs, record):
    orders = [{"_target_": "orders.random.Random", "seed": seed} for seed in (10, 9)]
    runs = load_runs(*(record(run_id=f"r{o['seed']}", config__order=o) for o in orders))
    assert labels(runs) == ["alsatian order.seed=9", "alsatian order.seed=10"]


def test_a_model_set_is_known_by_its_name(load_runs, record):
    vit = {"_target_": "models.Other", "name": "vit", "count": 99}
    runs = load_runs(record(run_id="a"), record(run_id="b", config__model_set=vit, model_set__digest="bb"))
    assert labels(runs) == ["alsatian model_set=digits_finetunes", "alsatian model_set=vit"]


def test_settings_that_only_one_kind_of_component_has_are_not_named(load_runs, record):
    images = {"_target_": "data.image_files", "background": "white", "root": "data"}
    texts = {"_target_": "data.text_files", "label_column": None}
    data = [*({**images, "source": name} for name in "abc"), {**texts, "source": "d"}]
    digests = "xxyz"  # two folders hold the same files
    runs = load_runs(
        *(
            record(run_id=f"r{i}", config__dataset=dataset, dataset__digest=digest)
            for i, (dataset, digest) in enumerate(zip(data, digests, strict=True))
        )
    )
    assert labels(runs) == [
        "alsatian dataset=image_files dataset.source=a",
        "alsatian dataset=image_files dataset.source=b",
        "alsatian dataset=image_files dataset.source=c",
        "alsatian dataset=text_files dataset.source=d",
    ]


def test_scale_speaks_for_what_it_presets(load_runs, record):
    runs = load_runs(
        record(run_id="a"),
        record(run_id="b", config__scale="ci", config__repeats=1, config__proxy__epochs=10, dataset__digest="x"),
    )
    assert labels(runs) == ["alsatian scale=ci", "alsatian scale=laptop"]


def test_models_of_equal_settings_are_told_apart_by_their_number_or_by_when_they_came(load_runs, record):
    other = {"run_id": "b", "model_set__digest": "bbbbbbbbbbbb"}
    later = {"started": "2026-03-04T05:06:07+00:00"}
    assert labels(load_runs(record(run_id="a"), record(**other, model_set__models=5))) == [
        "alsatian models=4",
        "alsatian models=5",
    ]
    assert labels(load_runs(record(run_id="a"), record(**other, **later))) == [
        "alsatian models=2026-01-02T03:04",
        "alsatian models=2026-03-04T05:06",
    ]
    changed = record(run_id="b", sources={"strategy": "edited"}, **later)
    assert labels(load_runs(record(run_id="a"), changed)) == [
        "alsatian source=2026-01-02T03:04",
        "alsatian source=2026-03-04T05:06",
    ]
    elsewhere = record(run_id="b", environment__cpu="Other CPU")
    assert labels(load_runs(record(run_id="a"), elsewhere)) == [
        "alsatian machine=Made-up_CPU_2_2",
        "alsatian machine=Other_CPU_2_2",
    ]


def test_a_component_is_called_as_it_was_typed(load_runs, record):
    """Also that of a run whose own words do not name it."""
    mine = {"_target_": "mine.Sideways"}
    runs = load_runs(
        record(run_id="a", schema=3, label="order=sidelong", config__order=mine),
        record(run_id="b", config__order=mine, config__seed=1),
        record(run_id="c", config__seed=2),
    )
    assert labels(runs) == [
        "alsatian order=given seed=2",
        "alsatian order=sidelong seed=0",
        "alsatian order=sidelong seed=1",
    ]


def test_groups_are_called_by_what_sets_them_apart(load_runs, record):
    def groups(*records):
        return {title: len(own) for title, own in comparable_groups(load_runs(*records)).items()}

    same = [record("base"), record("alsatian", config__order={"_target_": "orders.dfs.Dfs"})]
    assert groups(*same) == {"digits_finetunes on digits": 2}
    slow = [record(name, run_id=f"s{name}", config__batch_size=32) for name in ("base", "alsatian")]
    assert groups(*same, *slow) == {
        "digits_finetunes on digits · batch_size=64": 2,
        "digits_finetunes on digits · batch_size=32": 2,
    }
    more = record(run_id="m", model_set__digest="bb", model_set__models=9)
    assert groups(*same, more) == {
        "digits_finetunes on digits · models=4": 2,
        "digits_finetunes on digits · models=9": 1,
    }
    other = record(run_id="o", model_set__digest="bb", model_set__name="vit", config__model_set__name="vit")
    assert groups(*same, other) == {"digits_finetunes on digits": 2, "vit on digits": 1}
    elsewhere = [record(name, run_id=f"e{name}", environment__gpu="GPU") for name in ("base", "alsatian")]
    assert groups(*same, *elsewhere) == {
        "digits_finetunes on digits · machine=Made-up_CPU_2_2": 2,
        "digits_finetunes on digits · machine=Made-up_CPU_2_2_GPU": 2,
    }
    unsaid = [record(name, run_id=f"u{name}", storage__cold=False) for name in ("base", "alsatian")]
    assert groups(*same, *unsaid) == {"digits_finetunes on digits (1)": 2, "digits_finetunes on digits (2)": 2}


def test_groups_do_not_depend_on_the_order_of_runs(load_runs, record):
    """Rows of a table find their figures by the title, also where only a number tells two groups apart."""
    made = [record(name, run_id=f"{cold}{name}", storage__cold=cold)
            for cold in (True, False) for name in ("base", "alsatian")]  # fmt: skip
    runs = load_runs(*made)
    groups, again = comparable_groups(runs), comparable_groups(runs[::-1])
    assert len(groups) == 2
    assert groups == again


def test_one_strategy_under_many_conditions_makes_one_group(load_runs, record):
    runs = load_runs(*(record(run_id=f"r{size}", config__batch_size=size) for size in (8, 16, 32)))
    assert list(comparable_groups(runs)) == ["digits_finetunes on digits"]


@pytest.mark.parametrize("key", ["title", "results_dir", "store_dir", "force", "targets", "sweep"])
def test_settings_that_measure_nothing_do_not_tell_runs_apart(load_runs, record, key):
    runs = load_runs(record(run_id="a", **{f"config__{key}": 1}), record(run_id="b", **{f"config__{key}": 2}))
    assert labels(runs) == ["alsatian run=a", "alsatian run=b"]


def test_a_strategy_named_like_a_label_stays_unambiguous(load_runs, record):
    runs = load_runs(
        *(record(run_id=b, config__cache__budget=b) for b in ("8MiB", "16MiB")),
        record("alsatian cache.budget=8MiB", run_id="sly"),
    )
    assert len(set(labels(runs))) == 3


def test_unfinished_runs_have_no_label(load_runs, record):
    empty = {"repeats": [], "rounds": [], "ranking": [], "winner": None}
    runs = load_runs(record(), record("base", status="failed", error="x", **empty))
    assert len(runs) == 2
    assert labels(runs) == ["alsatian"]
