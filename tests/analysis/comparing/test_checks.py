import math

import pytest

from analysis.comparing import checks
from analysis.report import findings


def change(record, model, **values):
    """``record`` with the last round's score or fingerprint of ``model`` changed."""
    for field, value in values.items():
        record["rounds"][-1][field][model] = value
    return record


def test_equal_scores_of_every_pair(load_runs, four_records):
    found = checks.compare_scores(load_runs(*four_records))
    assert [(c.a, c.b, c.shared, c.mismatches, c.fingerprints) for c in found] == [
        ("base", "shift", 2, [], 2),
        ("base", "shared_prefix", 2, [], 2),
        ("base", "alsatian", 2, [], 2),
        ("shift", "shared_prefix", 6, [], 6),
        ("shift", "alsatian", 6, [], 6),
        ("shared_prefix", "alsatian", 6, [], 6),
    ]
    assert checks.verdict(found, "alsatian") == "identical (6 scores)"
    assert checks.verdict(found, "base") == "identical (2 scores)"


def test_one_unit_in_the_last_place_is_a_mismatch(load_runs, record):
    off = math.nextafter(0.75, 1)
    runs = load_runs(record("base"), change(record(), "m2", scores=off))
    (found,) = checks.compare_scores(runs)
    assert found.mismatches == [("m2", 960, 0.75, off)]
    assert checks.verdict(checks.compare_scores(runs), "alsatian") == "DIFFERENT: 1 of 2"
    assert checks.verdict(checks.compare_scores(runs), "base") == "DIFFERENT: 1 of 2"
    assert "0.75 against 0.7500000000000001" in findings.score_line([found])


def test_different_features_behind_equal_scores_are_a_mismatch(load_runs, record):
    runs = load_runs(record("base"), change(record(), "m1", fingerprints="other"))
    (found,) = checks.compare_scores(runs)
    assert found.mismatches == [("m1", 960, 0.625, 0.625)]
    assert checks.verdict(checks.compare_scores(runs), "alsatian") == "DIFFERENT: 1 of 2"
    assert "both 0.625, but from different features" in findings.score_line([found])


def test_features_are_compared_only_where_both_have_digests(load_runs, record):
    without = record("base")
    without["rounds"][0]["fingerprints"] = {"m1": "fp-m1"}
    (found,) = checks.compare_scores(load_runs(without, record()))
    assert (found.shared, found.fingerprints, found.mismatches) == (2, 1, [])


def test_scores_on_other_amounts_of_data_are_not_compared(load_runs, record):
    base = record("base")
    base["rounds"][0]["train_items"] = 959
    runs = load_runs(base, record())
    (found,) = checks.compare_scores(runs)
    assert found.shared == 0
    assert checks.verdict(checks.compare_scores(runs), "base") == "nothing shared"
    assert "none could be compared" in findings.score_line([found])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_set__digest", "other"),
        ("dataset__digest", "other"),
        ("config__batch_size", 32),
        ("config__seed", 1),
        ("config__proxy__epochs", 10),
        ("config__dataset__items", 1),
        ("config__device__name", "cuda"),
        ("environment__threads", 1),
        ("environment__libraries__torch", "2.14.0"),
    ],
)
def test_runs_that_need_not_agree_are_not_compared(load_runs, record, key, value):
    other = change(record("base", **{key: value}), "m2", scores=0.1)
    runs = load_runs(other, record())
    assert checks.compare_scores(runs) == []
    assert checks.verdict(checks.compare_scores(runs), "alsatian") == "nothing shared"


def test_storage_and_cache_do_not_excuse_different_scores(load_runs, record):
    other = record("base", storage__bandwidth=None, config__cache__budget="1MiB")
    (found,) = checks.compare_scores(load_runs(change(other, "m2", scores=0.1), record()))
    assert len(found.mismatches) == 1


def test_a_different_run_does_not_spoil_the_agreement_of_others(load_runs, record):
    runs = load_runs(record("shift"), record(), change(record("lazy"), "m2", scores=0.7))
    wrong = {(c.a, c.b) for c in checks.compare_scores(runs) if c.mismatches}
    assert wrong == {("shift", "lazy"), ("alsatian", "lazy")}


@pytest.mark.parametrize(
    ("wall", "text"),
    [
        (4.0, "alsatian over base: 4.0× (target 3×: reached)"),
        (16 / 3, "alsatian over base: 3.0× (target 3×: reached)"),
        (5.334, "alsatian over base: 2.99× (target 3×: not reached)"),
        (8.0, "alsatian over base: 2.00× (target 3×: not reached)"),
    ],
)
def test_target(load_runs, record, wall, text):
    wanted = record(walls=(wall,), config__targets={"base": 3.0})
    assert checks.targets(load_runs(record("base", (16.0,)), wanted)) == [text]


def test_a_target_is_not_measured_against_another_model_set(load_runs, record):
    other = record("base", (16.0,), model_set__digest="x")
    found = checks.targets(load_runs(other, record(config__targets={"base": 3.0})))
    assert found == ["alsatian over base: not measured (target 3×)"]


def test_targets_come_from_the_configuration(load_runs, record):
    wanted = {"base": 3.0, "shift": 2.5, "shared_prefix": 1.1}
    made_up = [record("base", (16.0,)), record("shift", (8.0,)), record(walls=(4.0,), config__targets=wanted)]
    runs = load_runs(*made_up)
    assert checks.targets(runs) == [
        "alsatian over base: 4.0× (target 3×: reached)",
        "alsatian over shift: 2.00× (target 2.5×: not reached)",
        "alsatian over shared_prefix: not measured (target 1.1×)",
    ]


def test_no_targets_without_configuration(load_runs, four_records):
    runs = load_runs(*four_records)
    assert checks.targets(runs) == []


def test_targets_of_a_sweep_name_each_cell(load_runs, record):
    cells = [
        record(walls=(wall,), run_id=b, config__cache__budget=b, config__targets={"base": 3})
        for b, wall in (("1MiB", 8.0), ("2MiB", 4.0))
    ]
    runs = load_runs(record("base", (16.0,)), *cells)
    assert checks.targets(runs) == [
        "alsatian cache.budget=1MiB over base: 2.00× (target 3×: not reached)",
        "alsatian cache.budget=2MiB over base: 4.0× (target 3×: reached)",
    ]
