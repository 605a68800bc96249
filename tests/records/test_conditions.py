"""Repeats that others disturbed."""

import pytest

from alsatian.records import Conditions, Repeat, reading
from alsatian.records.conditions import LEAST_S, SHARE


def repeat(wall: float, **conditions: float | None) -> Repeat:
    return Repeat.of({"wall_s": wall, "parts_s": {}, "valid": True, "conditions": conditions or None})


@pytest.mark.parametrize(
    ("wall", "conditions", "disturbed"),
    [
        (10.0, {"cores": 2, "others_s": 0.9, "steal_s": 0.0}, False),
        (10.0, {"cores": 2, "others_s": 1.1, "steal_s": 0.0}, True),
        (10.0, {"cores": 2, "others_s": 0.6, "steal_s": 0.6}, True),
        (10.0, {"cores": 2, "others_s": None, "steal_s": 1.1}, True),
        (10.0, {"cores": 64, "others_s": 1.1, "steal_s": 0.0}, False),
        # A few ticks of the system say nothing about a short repeat.
        (0.1, {"cores": 2, "others_s": 0.04, "steal_s": 0.0}, False),
        (0.1, {"cores": 2, "others_s": 0.06, "steal_s": 0.0}, True),
        # What a system does not tell is no reason.
        (10.0, {"cores": 2, "load": 8.0, "cpu_s": 3.0}, False),
        (10.0, {}, False),
    ],
)
def test_a_repeat_is_disturbed_by_what_others_take_of_the_cores(wall, conditions, disturbed):
    assert (SHARE, LEAST_S) == (0.05, 0.05)
    assert repeat(wall, **conditions).disturbed is disturbed


def test_a_run_counts_its_quiet_repeats_and_all_if_there_is_none(tmp_path, record, write):
    loud = {"cores": 2, "others_s": 9.0}
    made_up = record("base", (8.0, 9.0, 12.0))
    assert not reading.load(write(tmp_path / "old", made_up)).runs[0].disturbed
    made_up["repeats"][2]["conditions"] = loud
    run = reading.load(write(tmp_path / "one", made_up)).runs[0]
    assert [one.wall_s for one in run.quiet] == [8.0, 9.0]
    assert not run.disturbed
    for one in made_up["repeats"]:
        one["conditions"] = loud
    run = reading.load(write(tmp_path / "all", made_up)).runs[0]
    assert [one.wall_s for one in run.quiet] == [8.0, 9.0, 12.0]
    assert run.disturbed


def test_two_stretches_add_up_and_what_one_does_not_tell_is_unknown():
    first = Conditions(load=0.5, cores=2, cpu_s=1.0, others_s=2.0, steal_s=None)
    whole = first.plus(Conditions(load=3.0, cores=2, cpu_s=4.0, others_s=0.5, steal_s=1.0, frequency_hz=2e9))
    assert whole == Conditions(load=0.5, cores=2, cpu_s=5.0, others_s=2.5, steal_s=None, frequency_hz=2e9)
