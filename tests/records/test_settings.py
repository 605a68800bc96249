"""What makes a run another run: names and settings, never where a file lies."""

import re
from pathlib import Path

import pytest

from alsatian.records import Run
from alsatian.records.settings import NOT_IDENTITY, choice, difference, flat, measured


def component(module: str) -> dict:
    return {"cache": {"policy": {"_target_": f"{module}.Lru", "size": 3}}, "batch_size": 64}


def test_a_moved_file_makes_no_other_run():
    assert measured(component("old.place")) == measured(component("new.place.lru"))
    assert measured(component("old")) != measured({**component("old"), "batch_size": 32})
    assert measured({"a": [{"_target_": "x.B"}]}) == {"a": [{"_target_": "B"}]}


def test_a_nested_setting_can_be_left_out_alone():
    assert measured({"cache": {"ssd_dir": "/a", "budget": 1}}) == {"cache": {"budget": 1}}
    regimes = [{"storage": {"cold": True, **more}} for more in ({}, {"verify_blocks": "always"})]
    assert measured(regimes[0]) == measured(regimes[1])
    unset = {"cold": True, "deltas": None, "mirrors": "/a", "mirror_size": None}
    assert measured({"storage": unset}) == measured(regimes[0])
    for key in ("deltas", "mirror_size"):  # they decide about the bytes that are read
        assert measured({"storage": {**unset, key: "200MB"}}) != measured(regimes[0])
    assert all(name not in flat(measured(dict.fromkeys(NOT_IDENTITY, 1))) for name in NOT_IDENTITY)


def test_a_component_stands_under_its_own_key():
    assert flat(component("a")) == {"cache.policy": "lru", "cache.policy.size": "3", "batch_size": "64"}


@pytest.mark.parametrize("group", ["order", "cache", "proxy", "schedule"])
def test_a_class_is_called_as_on_a_command_line(group):
    for path in sorted((CONF / group).glob("*.yaml")):
        (target,) = re.findall(r"_target_: ([\w.]+)", path.read_text())
        assert choice(target) == path.stem


CONF = Path(__file__).parents[2] / "conf"


@pytest.mark.parametrize("group", sorted(path.name for path in CONF.iterdir() if path.is_dir()))
def test_in_every_group_a_name_says_which_class_it_is(group):
    text = "\n".join(path.read_text() for path in (CONF / group).glob("*.yaml"))
    targets = set(re.findall(r"_target_: ([\w.]+)", text))
    assert len({target.rpartition(".")[2] for target in targets}) == len(targets)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config__batch_size": 32}, "batch_size 64 -> 32"),
        ({"config__order": {"_target_": "anywhere.Dfs"}, "config__seed": 1}, "order given -> dfs, seed 0 -> 1"),
        ({"sources": {"strategy": "b"}}, "code of strategy"),
        ({"sources": {"hardware.file": "b"}}, "content of hardware.file"),
        ({"sources": {"storage.deltas": "b"}}, "content of storage.deltas"),
        ({"model_set__digest": "bb", "dataset__digest": "bb"}, "models, data"),
        ({"schema": 3}, "schema of records 2 -> 3"),
        ({"config__results_dir": "elsewhere", "config__title": "x"}, ""),
        ({"config__batch_size": 32, "config__k": None}, "batch_size 64 -> 32"),
        ({f"config__k{i}": i for i in range(7)}, ", ".join([*(f"k{i} none -> {i}" for i in range(5)), "2 more"])),
    ],
)
def test_a_difference_is_said_in_a_line(record, changes, said):
    assert difference(Run.of(record()), Run.of(record(**changes))) == said
