"""The strategy that plans by predicted time: same bits, budgets kept, never predicted slower."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from alsatian.api import SearchResult
from alsatian.budgets import Budgets
from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.costs.profiling import quick
from alsatian.costs.profiling.busy import Watch
from alsatian.costs.profiling.profile import profile, segment_keys
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.runtime.meter.measurement import NOT_PREDICTED
from alsatian.searching import known_costs
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Adaptive, Exhaustive
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import (
    ALSATIAN,
    BASE,
    BATCH,
    MODELS,
    PROXY,
    Known,
    Modules,
    check,
    eager,
    few,
    search,
    slow_reads,
    troubles,
)
from tests.stores import tiny_set

LITTLE = Budgets(budget="37%", block_budget="20%")


def tight(family: ModelSet, strategy: Any, budget: str, blocks: str, **changes: Any) -> SearchResult:
    budgets = Budgets(budget=budget, block_budget=blocks)
    return search(family, strategy=strategy, budget=budgets, hardware=slow_reads(family), **changes)


@pytest.mark.parametrize("budget", ["100%", "50%", "37%"])
@pytest.mark.parametrize("blocks", ["100%", "50%", "20%", "1%"])
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
    assert all("predicted" in note or "blocks and intermediates fit" in note for note in notes)


def test_with_room_for_all_auto_is_alsatian(family: ModelSet) -> None:
    usual, auto = (
        search(family, budget="100%"),
        search(family, strategy=Auto(), budget="100%", hardware=slow_reads(family)),
    )
    assert auto.measurement.counters["block_items"] == usual.measurement.counters["block_items"]
    notes = [event["note"] for event in auto.measurement.events if event["kind"] == "plan"]
    assert notes
    assert all("all blocks and intermediates fit" in note for note in notes)


@pytest.mark.parametrize(("item_s", "chosen"), [(1e-2, "halving"), (1e-9, "exhaustive")])
def test_an_adaptive_schedule_takes_what_is_predicted_faster(family: ModelSet, item_s: float, chosen: str) -> None:
    """Much computing makes halving faster. Almost none leaves the reading, of which one round does least."""
    strategy = replace(BASE, schedule=Adaptive())
    result = search(family, strategy=strategy, hardware=slow_reads(family, item_s))
    (event,) = (event for event in result.measurement.events if event["kind"] == "schedule")
    assert event["chosen"] == chosen
    assert event["predicted_s"][chosen] == min(event["predicted_s"].values())
    assert (len(result.rounds) == 1) == (chosen == "exhaustive")


def profiles(result: SearchResult) -> list[dict[str, Any]]:
    """What was measured before the search."""
    return [event for event in result.measurement.events if event["kind"] == "profile"]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "load", 0.0)


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few items of a tiny search may be measured."""
    monkeypatch.setattr(quick, "SHARE", 1.0)


def test_without_a_machine_this_one_is_measured_once(
    family: ModelSet, truth: Known, quiet: None, allowed: None
) -> None:
    results = []
    for _ in range(2):
        results.append(search(family, strategy=Auto(), budget=LITTLE, hardware=None))
        check(results[-1], truth)
        assert any("predicted" in event["note"] for event in results[-1].measurement.events if "note" in event)
    (kept,) = (family.store.root / "profiles").glob("*.json")
    before = kept.read_bytes()
    check(search(family, strategy=Auto(), budget=LITTLE, hardware=None), truth)
    assert kept.read_bytes() == before
    for result in results:
        (event,) = profiles(result)
        assert event["wall_s"] >= 0
        assert event["at_s"] == 0  # before the clock, whose time is the search's alone
        assert "a few items" in event["source"]


def test_where_everything_fits_nothing_is_measured(family: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_costs, "quick_profile", None)
    monkeypatch.setattr(known_costs, "kept_profile", None)
    assert profiles(search(family, strategy=Auto(), budget="100%", hardware=None)) == []
    # Where it does not the same would fail, and say so.
    assert "error" in profiles(search(family, strategy=Auto(), budget=LITTLE, hardware=None))[0]


def test_a_search_that_is_too_short_is_planned_as_usual(modules: Modules, tmp_path: Path) -> None:
    two = tiny_set(BlockStore(tmp_path), {model: MODELS[model] for model in ("first", "second")})
    result = search(two, strategy=Auto(), budget=LITTLE, hardware=None)
    check(result, eager(modules, few(), models=2))
    (event,) = profiles(result)
    assert event["source"] == "nothing measured: the search is too short"


def test_a_full_profile_that_is_kept_is_used(
    family: ModelSet, truth: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile(family, few(), PROXY, BATCH, torch.device("cpu"), family.store.root / "profiles")
    monkeypatch.setattr(known_costs, "quick_profile", None)
    words: dict[str, Any] = {"proxies": PROXY, "budget": LITTLE, "hardware": None}
    result = search(family, few(), Auto(schedule=Adaptive()), **words)
    check(result, truth)
    assert profiles(result)[0]["source"].startswith("measured on 2")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_whatever_was_measured_scores_are_the_same(family: ModelSet, truth: Known, data: st.DataObject) -> None:
    """Plans follow what was measured, which noise decides; features and scores do not."""
    times = st.floats(1e-7, 1e-1)
    hardware = Hardware(
        "noise",
        "made up",
        {key: SegmentCost(((8, data.draw(times)),)) for key in segment_keys(family).values()},
        load_bytes_per_s=data.draw(st.floats(1e3, 1e9)),
    )
    budgets = Budgets(budget=data.draw(st.sampled_from(["20%", "40%"])), block_budget="20%")
    result = search(family, strategy=Auto(), budget=budgets, hardware=hardware)
    check(result, truth)
    memory = result.resolved["cache.memory"].bytes
    assert memory is not None
    assert result.measurement.peaks["memory_bytes"] <= memory


def test_a_machine_that_lacks_the_models_is_refused_in_one_line(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match=r"hardware empty: has no times for") as error:
        search(family, strategy=Auto(), budget=LITTLE, hardware=Hardware("empty", "made up"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("changes", [{"sharing": "none"}, {"cache": BASE.cache}])
def test_auto_takes_no_decisions_from_others(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="sharing=prefix and cache=planned"):
        Auto(**changes)


class Full:
    """A proxy that has too little memory for whoever measures it, as many times as ``times``."""

    name = "full"

    def __init__(self, times: int) -> None:
        self.times = times

    def score(self, *features: Any) -> float:
        self.times -= 1
        if self.times >= 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return PROXY.score(*features)


@pytest.mark.parametrize("strategy", [Auto(schedule=Adaptive()), replace(ALSATIAN, schedule=Adaptive())])
def test_where_measuring_fails_all_is_as_usual(
    family: ModelSet, truth: Known, strategy: Any, allowed: None
) -> None:
    result = search(family, strategy=strategy, proxies=Full(1), hardware=None)
    check(result, truth)
    assert [event["error"] for event in troubles(result)] == ["OutOfMemoryError: CUDA out of memory"]
    usual = search(family, proxies=PROXY)
    assert result.rounds == usual.rounds
    counters = [
        {name: count for name, count in found.measurement.counters.items() if name not in NOT_PREDICTED}
        for found in (result, usual)
    ]
    assert counters[0] == counters[1]
    notes = [event["note"] for event in result.measurement.events if event["kind"] == "plan"]
    assert set(notes) <= {"as usual, since all blocks and intermediates fit"}
    assert len(notes) == (len(result.rounds) if strategy.name == "auto" else 0)
