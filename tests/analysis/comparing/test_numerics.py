from collections.abc import Callable
from typing import Any

from alsatian.records import Run
from analysis.comparing import numerics
from analysis.comparing.comparable import arithmetic, conditions

Load = Callable[..., list[Run]]
Make = Callable[..., Any]


def moved(record: Any, **scores: float) -> Any:
    record["rounds"][-1]["scores"].update(scores)
    return record


def halves(record: Make, **changes: Any) -> Any:
    return record(config__numerics="bf16", config__kernels="layout", run_id="halves", **changes)


def test_scores_of_other_numbers_are_told_by_their_distance(load_runs: Load, record: Make) -> None:
    (line,) = numerics.lines(load_runs(record(), moved(halves(record), m2=0.75 - 0.01, m1=0.625 + 0.03)))
    assert line == (
        "bf16 by layout kernels against fp32 by eager kernels: 6 scores, which differ by 0 in the median and 0.03 "
        "at most; 0 of 2 models on 960 training items changed places, the best is the same"
    )


def test_models_that_change_places_are_counted(load_runs: Load, record: Make) -> None:
    (line,) = numerics.lines(load_runs(moved(halves(record), m1=0.9), record()))
    assert "2 of 2 models on 960 training items changed places, the best is another" in line


def test_a_tie_that_opens_leaves_the_best_one_best(load_runs: Load, record: Make) -> None:
    tied = moved(record(), m1=0.75)
    (line,) = numerics.lines(load_runs(tied, halves(record)))
    assert "1 of 2 models on 960 training items changed places, the best is the same" in line


def test_equal_scores_are_said_to_be(load_runs: Load, record: Make) -> None:
    (line,) = numerics.lines(load_runs(record(), record(config__kernels="layout", run_id="laid")))
    assert line == "fp32 by layout kernels against fp32 by eager kernels: 6 scores, all equal"


def test_fp32_is_what_others_are_measured_by(load_runs: Load, record: Make) -> None:
    laid = record(config__kernels="layout", run_id="laid")
    (line,) = numerics.lines(load_runs(halves(record), laid))
    assert line.startswith("bf16 by layout kernels against fp32 by layout kernels: ")


def test_runs_that_differ_otherwise_are_not_compared(load_runs: Load, record: Make) -> None:
    assert numerics.lines(load_runs(record(), record("base"))) == []
    assert numerics.lines(load_runs(record(), halves(record, config__batch_size=32))) == []
    assert numerics.lines(load_runs(record(), halves(record, model_set__digest="other"))) == []


def test_times_and_bits_compare_within_one_choice(load_runs: Load, record: Make) -> None:
    runs = load_runs(
        record(),
        record(config__kernels="eager", config__numerics="fp32", run_id="named"),
        halves(record),
        record(config__kernels="layout", run_id="laid"),
    )
    by_id = {run.run_id: run for run in runs}
    old, named, other, laid = (by_id[name] for name in ("id-alsatian", "named", "halves", "laid"))
    assert conditions(old) == conditions(named)
    assert arithmetic(old) == arithmetic(named)
    assert len({conditions(run) for run in (old, other, laid)}) == 3
    assert len({arithmetic(run) for run in (old, other, laid)}) == 3


def test_times_compare_where_as_much_is_verified(load_runs: Load, record: Make) -> None:
    """Every read was, before there was a choice; results are the same either way."""
    once, always, old = (
        load_runs(record(config__storage={"cold": True, **more}))[0]
        for more in ({"verify_blocks": "once"}, {"verify_blocks": "always"}, {})
    )
    assert conditions(always) == conditions(old) != conditions(once)
    assert len({arithmetic(run) for run in (once, always, old)}) == 1


def test_times_compare_where_the_store_holds_the_same_deltas(load_runs: Load, record: Make) -> None:
    """None, before there was a choice; where a mirror lies is no matter."""
    regimes = ({}, {"deltas": None, "mirrors": "a", "mirror_size": None}, {"deltas": "200MB"}, {"mirror_size": 5})
    old, none, some, small = (load_runs(record(config__storage={"cold": True, **more}))[0] for more in regimes)
    assert conditions(old) == conditions(none)
    held = [record(config__storage={"cold": True, "deltas": "200MB"}, sources={"storage.deltas": d}) for d in "ab"]
    found = {conditions(run) for run in (old, some, small, *(load_runs(one)[0] for one in held))}
    assert len(found) == 5
