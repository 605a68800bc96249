"""The strategy that plans by predicted time: same bits, budgets kept, never predicted slower."""

from dataclasses import replace
from typing import Any

import pytest
from tiny_search import ALSATIAN, BASE, Known, check, search

from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.planning.hardware import Hardware, ScoreCost, SegmentCost
from alsatian.profiling.profile import segment_keys
from alsatian.runtime.loading import LoaderSettings
from alsatian.searching.api import SearchResult
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Adaptive, Exhaustive


def slow_reads(family: ModelSet, item_s: float = 1e-6, load: float = 1e5) -> Hardware:
    """A machine on which reading parameters is what counts."""
    return Hardware(
        "slow reads",
        "made up",
        {key: SegmentCost(((8, 8 * item_s),)) for key in segment_keys(family).values()},
        load_bytes_per_s=load,
        prepare_s={"": 1e-7},
        score=ScoreCost(fixed_s=1e-5),
    )


def tight(family: ModelSet, strategy: Any, budget: str, blocks: str, **changes: Any) -> SearchResult:
    loader = LoaderSettings(block_budget=blocks)
    return search(family, strategy=strategy, budget=budget, loader=loader, hardware=slow_reads(family), **changes)


@pytest.mark.parametrize("budget", ["100%", "40%", "25%"])
@pytest.mark.parametrize("blocks", ["100%", "50%", "20%"])
@pytest.mark.parametrize("schedule", [Exhaustive(), ALSATIAN.schedule, Adaptive()], ids=lambda s: s.name)
def test_auto_gives_the_same_bits_within_the_sum_of_the_budgets(
    family: ModelSet, truth: Known, budget: str, blocks: str, schedule: Any
) -> None:
    result = tight(family, Auto(schedule=schedule), budget, blocks)
    check(result, truth)
    memory, peaks = result.resolved["cache.memory"].bytes, result.measurement.peaks
    assert memory is not None
    assert 0 < peaks["memory_bytes"] <= memory
    notes = [event["note"] for event in result.measurement.events if event["kind"] == "plan"]
    assert len(notes) == len(result.rounds)
    assert all("predicted" in note for note in notes)


def test_with_room_for_all_auto_is_alsatian(family: ModelSet) -> None:
    usual, auto = (
        search(family, budget="100%"),
        search(family, strategy=Auto(), budget="100%", hardware=slow_reads(family)),
    )
    assert auto.measurement.counters["block_items"] == usual.measurement.counters["block_items"]
    assert all("as usual" in event["note"] for event in auto.measurement.events)


@pytest.mark.parametrize(("item_s", "chosen"), [(1e-2, "halving"), (1e-9, "exhaustive")])
def test_an_adaptive_schedule_takes_what_is_predicted_faster(family: ModelSet, item_s: float, chosen: str) -> None:
    """Much computing makes halving faster. Almost none leaves the reading, of which one round does least."""
    strategy = replace(BASE, schedule=Adaptive())
    result = search(family, strategy=strategy, hardware=slow_reads(family, item_s))
    (event,) = (event for event in result.measurement.events if event["kind"] == "schedule")
    assert event["chosen"] == chosen
    assert event["predicted_s"][chosen] == min(event["predicted_s"].values())
    assert (len(result.rounds) == 1) == (chosen == "exhaustive")


def test_without_a_machine_this_one_is_measured_once(family: ModelSet, truth: Known) -> None:
    check(search(family, strategy=Auto()), truth)
    (kept,) = (family.store.root / "profiles").glob("*.json")
    before = kept.read_bytes()
    check(search(family, strategy=Auto()), truth)
    assert kept.read_bytes() == before


def test_a_machine_that_lacks_the_models_is_refused_in_one_line(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match=r"hardware empty: has no times for") as error:
        search(family, strategy=Auto(), hardware=Hardware("empty", "made up"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("changes", [{"sharing": "none"}, {"cache": BASE.cache}])
def test_auto_takes_no_decisions_from_others(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="sharing=prefix and cache=planned"):
        Auto(**changes)
