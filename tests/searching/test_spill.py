"""Intermediates on other tiers, budgets as shares, and searches that go on where they were broken off."""

import contextlib
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from alsatian.budgets import Budgets
from alsatian.errors import BudgetError, ConfigError, StoreError
from alsatian.fingerprint import sealed
from alsatian.models.model_set import ModelSet
from alsatian.searching.strategy import Strategy
from tests.searching.tiny_search import (
    ALSATIAN,
    BASE,
    SHARED_PREFIX,
    Known,
    by_name,
    check,
    outcomes,
    search,
    troubles,
)


@pytest.mark.parametrize("strategy", [SHARED_PREFIX, ALSATIAN], ids=lambda s: s.name)
@pytest.mark.parametrize(("memory", "ssd"), [("30%", "100%"), ("1%", "100%"), ("40%", "5%"), (1, "100%")])
def test_spilled_intermediates_change_nothing(
    family: ModelSet, truth: Known, strategy: Strategy, memory: str | int, ssd: str, tmp_path: Path
) -> None:
    result = search(family, strategy=strategy, budget=Budgets(budget=memory, ssd_budget=ssd, ssd_dir=tmp_path))
    check(result, truth)
    peaks = result.measurement.peaks
    limits = result.resolved
    assert peaks.get("cache_bytes", 0) <= (limits["cache.budget"].bytes or 0)
    assert peaks.get("cache_ssd_bytes", 0) <= (limits["cache.ssd_budget"].bytes or 0)
    assert not list(tmp_path.iterdir())
    if ssd == "100%":
        assert peaks["cache_ssd_bytes"] > 0
        assert all(finished.chunks == 1 for finished in result.rounds)
        whole = search(family, strategy=strategy)
        assert result.measurement.counters["block_items"] == whole.measurement.counters["block_items"]


def test_more_tiers_make_fewer_chunks(family: ModelSet, tmp_path: Path) -> None:
    memory = "60%"
    alone = search(family, budget=memory)
    both = search(family, budget=Budgets(budget=memory, ssd_budget="100%", ssd_dir=tmp_path))
    assert alone.rounds[0].chunks > both.rounds[0].chunks == 1


@by_name
def test_shares_are_of_the_same_working_set_for_every_strategy_with_the_same_schedule(
    family: ModelSet, strategy: Strategy
) -> None:
    whole = search(family, strategy=strategy, budget="100%").resolved["cache.budget"].bytes
    half = search(family, strategy=strategy, budget="50%").resolved["cache.budget"].bytes
    assert whole is not None
    assert half == whole // 2
    same = dataclasses.replace(ALSATIAN, schedule=strategy.schedule)
    assert search(family, strategy=same, budget="100%").resolved["cache.budget"].bytes == whole
    if strategy is SHARED_PREFIX:
        full = search(family, strategy=strategy, budget="100%").measurement
        assert full.counters.get("evictions", 0) == 0


@pytest.mark.parametrize("budget", ["0%", "-5%", "x%", "%", "nan%"])
def test_shares_that_are_none(family: ModelSet, budget: str) -> None:
    with pytest.raises(ConfigError, match=r"cache\.budget=.*not a share"):
        search(family, budget=budget)


def test_pinned_host_memory_needs_a_gpu(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match=r"cache\.host_budget"):
        search(family, budget=Budgets(host_budget="1MiB"))


def test_a_budget_too_small_even_with_an_ssd_names_one_that_does(family: ModelSet, tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"set cache\.budget="):
        search(family, budget=Budgets(budget=1, ssd_budget=1, ssd_dir=tmp_path))


class Interrupted(Exception):
    """Stands for a kill."""


def stop_after(steps: int) -> Callable[[], None]:
    left = iter(range(steps))

    def tick() -> None:
        if next(left, None) is None:
            raise Interrupted

    return tick


@by_name
@pytest.mark.parametrize("steps", [1, 9, 14, 17])
def test_a_search_goes_on_behind_its_finished_rounds(
    family: ModelSet, truth: Known, strategy: Strategy, steps: int, tmp_path: Path
) -> None:
    whole = search(family, strategy=strategy)
    with contextlib.suppress(Interrupted):
        search(family, strategy=strategy, checkpoint=tmp_path, progress=stop_after(steps))
    saved = (tmp_path / "rounds.json").exists()
    result = search(family, strategy=strategy, checkpoint=tmp_path)
    check(result, truth)
    assert result.rounds == whole.rounds
    assert result.ranked == whole.ranked
    assert [event["kind"] for event in troubles(result)] == (["resumed"] if saved else [])
    counters = result.measurement.counters
    if saved:
        # What finished rounds did counts, what was lost does not.
        assert counters["block_items"] == whole.measurement.counters["block_items"]
    again = search(family, strategy=strategy, checkpoint=tmp_path, progress=stop_after(0))
    assert again.rounds == whole.rounds


def test_rounds_of_another_search_are_refused(family: ModelSet, tmp_path: Path) -> None:
    search(family, checkpoint=tmp_path)
    with pytest.raises(ConfigError, match="another search"):
        search(family, strategy=BASE, checkpoint=tmp_path)
    with pytest.raises(ConfigError, match="another search"):
        search(family, batch_size=4, checkpoint=tmp_path)


@pytest.mark.parametrize("damage", ["features", "a feature", "state", "a score", "missing"])
def test_damaged_rounds_are_one_line(family: ModelSet, tmp_path: Path, damage: str) -> None:
    search(family, checkpoint=tmp_path)
    state = tmp_path / "rounds.json"
    features = tmp_path / json.loads(state.read_text())["features"]["file"]
    if damage == "features":
        features.write_bytes(features.read_bytes()[:9])
    elif damage == "a feature":
        content = features.read_bytes()
        features.write_bytes(content[:-4] + bytes([content[-4] ^ 1]) + content[-3:])  # its lowest digit
    elif damage == "a score":
        rounds = json.loads(state.read_text())
        model = next(iter(rounds["rounds"][0]["scores"]))
        rounds["rounds"][0]["scores"][model] += 1
        state.write_text(json.dumps(rounds))
    elif damage == "state":
        state.write_text(state.read_text()[:-20])
    else:
        features.unlink()
    with pytest.raises(StoreError, match="remove the folder"):
        search(family, checkpoint=tmp_path)


def test_excluded_models_stay_excluded(family: ModelSet, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    search(family, checkpoint=path)
    state = json.loads((path / "rounds.json").read_text())
    state["failed"] = {"alone": "was damaged"}
    (path / "rounds.json").write_text(json.dumps(sealed(state)))
    assert search(family, checkpoint=path).excluded == {"alone": "was damaged"}
    assert outcomes(search(family, checkpoint=path)) == outcomes(search(family))
