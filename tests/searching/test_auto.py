"""The strategy that plans by predicted time: same bits, budgets kept, never predicted slower."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from alsatian.api import SearchResult
from alsatian.budgets import Budgets
from alsatian.costs.hardware import Hardware
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Adaptive, Exhaustive
from tests.searching.tiny_search import ALSATIAN, BASE, PROXY, Known, check, search, slow_reads, troubles


def tight(family: ModelSet, strategy: Any, budget: str, blocks: str, **changes: Any) -> SearchResult:
    budgets = Budgets(budget=budget, block_budget=blocks)
    return search(family, strategy=strategy, budget=budgets, hardware=slow_reads(family), **changes)


@pytest.mark.parametrize("budget", ["100%", "40%", "25%"])
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
    assert all("predicted" in note for note in notes)


def test_with_room_for_all_auto_is_alsatian(family: ModelSet) -> None:
    usual, auto = (
        search(family, budget="100%"),
        search(family, strategy=Auto(), budget="100%", hardware=slow_reads(family)),
    )
    assert auto.measurement.counters["block_items"] == usual.measurement.counters["block_items"]
    notes = [event["note"] for event in auto.measurement.events if event["kind"] == "plan"]
    assert notes
    assert all("as usual" in note for note in notes)


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
    check(search(family, strategy=Auto(), hardware=None), truth)
    (kept,) = (family.store.root / "profiles").glob("*.json")
    before = kept.read_bytes()
    check(search(family, strategy=Auto(), hardware=None), truth)
    assert kept.read_bytes() == before


def test_a_machine_that_lacks_the_models_is_refused_in_one_line(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match=r"hardware empty: has no times for") as error:
        search(family, strategy=Auto(), hardware=Hardware("empty", "made up"))
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
def test_where_measuring_fails_all_is_as_usual(family: ModelSet, truth: Known, strategy: Any) -> None:
    result = search(family, strategy=strategy, proxies=Full(1), hardware=None)
    check(result, truth)
    assert [event["error"] for event in troubles(result)] == ["OutOfMemoryError: CUDA out of memory"]
    usual = search(family)
    assert result.rounds == usual.rounds
    assert result.measurement.counters == usual.measurement.counters
    notes = [event["note"] for event in result.measurement.events if event["kind"] == "plan"]
    assert set(notes) <= {"as usual, since no times are known"}
    assert len(notes) == (len(result.rounds) if strategy.name == "auto" else 0)
