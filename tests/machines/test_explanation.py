"""What an explanation says of a search is what happens in it."""

import dataclasses
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from alsatian import explanation as explanations
from alsatian.api import SearchResult, predict
from alsatian.budgets import Budgets
from alsatian.data.digits import digits
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.searching import rounds
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.scores import recorded_scores
from alsatian.searching.strategy import Strategy
from tests.machines.timed.test_prediction import SEQUENTIAL, STORAGE, costs_of
from tests.searching.tiny_search import ALSATIAN, BATCH, FEW, MODELS, POLICIES, SHARED_PREFIX, STRATEGIES, search


def explain(models: ModelSet, strategy: Strategy, **settings: Any) -> tuple[dict[str, Any], SearchResult]:
    """The explanation of a search, and the search."""
    costs = costs_of(models)
    settings = {"loader": SEQUENTIAL, **settings}
    actual = search(models, None, strategy, storage=STORAGE, hardware=costs.hardware, **settings)
    found = predict(
        models.candidates,
        digits(FEW).batches(BATCH, len(models.candidates)),
        costs,
        strategy=strategy,
        scores=recorded_scores(actual.rounds),
        **settings,
    )
    return explanations.explain(found, models.candidates, costs), actual


def check_peaks(explanation: dict[str, Any], actual: SearchResult) -> None:
    """The largest of the rounds' peaks is the measured one, tier by tier, to the byte."""
    peaks = [entry["peaks"] for entry in explanation["rounds"]]
    largest = [max(of_tier) for of_tier in zip(*peaks, strict=True)]
    names = ["cache_bytes", "cache_ssd_bytes"][: len(largest)]
    assert largest == [actual.measurement.peaks.get(name, 0) for name in names]


@pytest.mark.parametrize("order", [Given(), Dfs(), Random(0), ALSATIAN.order], ids=lambda o: o.name)
@pytest.mark.parametrize("schedule", [Exhaustive(), ALSATIAN.schedule], ids=lambda s: s.name)
@pytest.mark.parametrize("budget", [None, "100%", "70%", "50%"])
def test_peaks_are_those_of_the_search(family: ModelSet, schedule: Any, order: Any, budget: str | None) -> None:
    strategy = Strategy(schedule=schedule, order=order)
    explanation, actual = explain(family, strategy, budget=budget)
    check_peaks(explanation, actual)
    assert [entry["chunks"] for entry in explanation["rounds"]] == [found.chunks for found in actual.rounds]


def test_peaks_of_many_chunks(family: ModelSet) -> None:
    whole, _ = explain(family, ALSATIAN)
    need = whole["rounds"][0]["chunking"]["whole_pass_bytes"]
    chunks = set()
    for budget in (need, need - 1, need // 2):
        explanation, actual = explain(family, ALSATIAN, budget=budget)
        check_peaks(explanation, actual)
        first = explanation["rounds"][0]
        assert (first["chunks"] == 1) == (budget >= need)
        assert first["chunk_items"] * first["chunking"]["c_min_bytes_per_item"] <= budget
        chunks.add(first["chunks"])
    assert chunks == {1, 2, 3}


@pytest.mark.parametrize("budget", ["60%", "35%", "10%"])
@pytest.mark.parametrize("ssd", ["100%", "60%"])
def test_peaks_of_two_tiers(family: ModelSet, budget: str, ssd: str, tmp_path: Path) -> None:
    strategy = Strategy(schedule=Exhaustive(), order=Random(0))
    check_peaks(*explain(family, strategy, budget=Budgets(budget=budget, ssd_budget=ssd, ssd_dir=tmp_path)))


@pytest.mark.parametrize("budget", ["100%", "40%"])
def test_peaks_of_chosen_plans(family: ModelSet, budget: str) -> None:
    explanation, actual = explain(family, Auto(), budget=Budgets(budget=budget, block_budget="100%"))
    check_peaks(explanation, actual)
    usual = "all blocks and intermediates fit"  # of fewer models, in later rounds
    assert all(entry["memory"] for entry in explanation["rounds"])
    assert all("predicted" in entry["note"] or usual in entry["note"] for entry in explanation["rounds"])
    assert (usual in explanation["rounds"][0]["note"]) == (budget == "100%")


@pytest.mark.parametrize(
    "strategy",
    [*STRATEGIES, *(dataclasses.replace(SHARED_PREFIX, name=policy.name, cache=policy) for policy in POLICIES)],
    ids=lambda s: s.name,
)
def test_times_and_seconds_of_vertices_add_up(family: ModelSet, strategy: Strategy) -> None:
    explanation, actual = explain(family, strategy, budget="50%")
    assert json.loads(json.dumps(explanation, allow_nan=False)) == explanation
    runs = 0
    for entry in explanation["rounds"]:
        tree = entry["tree"]
        models = Counter(model for vertex in tree for model in vertex["models"])
        assert len(models) == entry["models"] == models.total()
        assert models == Counter(model for step in entry["steps"] for model in step.get("models", ()))
        assert sum(vertex["seconds"] for vertex in tree) == pytest.approx(
            entry["predicted"]["parts_s"]["inference"]
        )
        assert entry["predicted"]["counters"]["block_executions"] == entry["sharing"]["block_executions"]
        if entry["chunks"] == 1:
            executed = sum(vertex["times"] * vertex["blocks"] for vertex in tree) * entry["batches"]
            assert executed == entry["sharing"]["block_executions"]
        runs += entry["sharing"]["block_executions"]
    assert runs == actual.measurement.counters["block_executions"]


def test_what_a_reactive_cache_lost_is_computed_again(family: ModelSet) -> None:
    tight, _ = explain(family, dataclasses.replace(SHARED_PREFIX, order=Random(0)), budget="10%")
    loose, _ = explain(family, dataclasses.replace(SHARED_PREFIX, order=Random(0)))
    assert max(vertex["times"] for vertex in tight["rounds"][0]["tree"]) > 1
    assert max(vertex["times"] for vertex in loose["rounds"][0]["tree"]) == 1


def untimed(tree: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A tree without what was measured."""
    return [{key: value for key, value in vertex.items() if key != "seconds"} for vertex in tree]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
def test_a_search_keeps_the_tree_of_its_first_round(family: ModelSet, strategy: Strategy) -> None:
    explanation, actual = explain(family, strategy)
    assert actual.tree is not None
    first, found = explanation["rounds"][0]["tree"], untimed(actual.tree)
    assert [{key: vertex[key] for key in found[0]} for vertex in first] == found
    took = next(event for event in actual.measurement.events if event["kind"] == "round")
    measured = {vertex["vertex"]: vertex["seconds"] for vertex in actual.tree}
    assert sum(measured.values()) == pytest.approx(took["parts_s"]["inference"])
    assert all(measured[vertex["vertex"]] > 0 for vertex in first if vertex["seconds"])
    assert {model for vertex in actual.tree for model in vertex["models"]} == set(MODELS)
    assert all(vertex["parent"] is None or vertex["parent"] < vertex["vertex"] for vertex in actual.tree)


def test_no_tree_is_kept_of_what_is_very_large_or_was_done_before(
    family: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert search(family, checkpoint=tmp_path).tree is not None
    assert search(family, checkpoint=tmp_path).tree is None
    first = search(family).tree
    assert first is not None
    monkeypatch.setattr(rounds, "MOST_DESCRIBED", len(first))
    again = search(family).tree
    assert again is not None
    assert untimed(again) == untimed(first)
    monkeypatch.setattr(rounds, "MOST_DESCRIBED", len(first) - 1)
    assert search(family).tree is None  # and not that of a later round, which is smaller
