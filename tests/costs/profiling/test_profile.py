"""Profiles of this machine: everything a search needs, and nothing measured twice."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.costs.hardware import Hardware
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.costs.profiling import profile as module
from alsatian.costs.profiling import timing
from alsatian.costs.profiling.busy import Watch
from alsatian.costs.profiling.profile import (
    as_table,
    kept_profile,
    merged,
    portable,
    profile,
    profile_path,
    segment_keys,
)
from alsatian.costs.profiling.tiers import tier_speeds
from alsatian.data.dataset import Dataset
from alsatian.data.digits import digits
from alsatian.fingerprint import sealed
from alsatian.models.model_set import ModelSet
from alsatian.proxies.linear import Linear
from alsatian.runtime.storage.regime import Storage
from alsatian.store.store import BlockStore
from tests.stores import tiny_set

CPU = torch.device("cpu")
PROXY = Linear(epochs=2)
MEASURES = ("segment_times", "load_times", "read_ahead_times", "prepare_time", "score_cost", "tier_speeds")


@pytest.fixture(scope="module")
def data() -> Dataset:
    return digits(41)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    store = BlockStore(tmp_path_factory.mktemp("store"))
    return tiny_set(store, {letters: letters for letters in ("aaaa", "aaab", "aabb")})


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is measured, by name; read-ahead, which takes seconds, is made up."""
    made: list[str] = []
    for name in MEASURES:
        real = getattr(module, name)
        if name == "read_ahead_times":
            real = lambda *parts: {"read_ahead_loss": [], "read_ahead_s": 0.0}  # noqa: E731

        def measure(*parts: Any, _name: str = name, _real: Any = real) -> Any:
            made.append(_name)
            return _real(*parts)

        monkeypatch.setattr(module, name, measure)
    monkeypatch.setattr(Watch, "load", 0.0)
    return made


def test_a_profile_has_all_a_search_needs(
    models: ModelSet, data: Dataset, calls: list[str], tmp_path: Path
) -> None:
    hardware = profile(models, data, PROXY, 16, CPU, tmp_path)
    keys = segment_keys(models)
    assert hardware.segments.keys() == set(keys.values())
    assert keys_for(hardware, models.candidates, models.segments) == keys
    for cost in hardware.segments.values():
        sizes = [items for items, _ in cost.times]
        assert {2, 16} <= set(sizes)  # a full batch, and an eighth of it
    costs = CostModel.of(hardware, keys, Storage())
    block = models.candidates[0].blocks[0]
    assert costs.infer_s(block, 16) > 0
    assert costs.load_s(block) > 0
    assert costs.prepare_s(models.candidates[0].preprocessing, 16) > 0
    assert costs.score_s(32, 8, 8) > 0
    assert costs.cache_s("ssd", 10**6, write=True) > 0
    assert "torch" in hardware.source
    assert torch.__version__.split("+")[0] in hardware.source
    # Three models, but one architecture.
    assert calls.count("segment_times") == 1


def test_only_what_is_missing_is_measured(
    models: ModelSet, data: Dataset, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = profile(models, data, PROXY, 16, CPU, tmp_path)
    content = profile_path(tmp_path, CPU).read_bytes()
    calls.clear()
    assert profile(models, data, PROXY, 16, CPU, tmp_path) == first
    assert calls == []
    assert profile_path(tmp_path, CPU).read_bytes() == content
    profile(models, data, Linear(epochs=3), 16, CPU, tmp_path)
    assert calls == ["score_cost"]
    calls.clear()
    larger = profile(models, data, PROXY, 32, CPU, tmp_path)
    assert calls == ["segment_times"]
    for key, cost in larger.segments.items():
        assert {items for items, _ in first.segments[key].times} < {items for items, _ in cost.times}
    calls.clear()
    monkeypatch.setattr(module, "machine", lambda device: {"cpu": "another"})
    profile(models, data, PROXY, 16, CPU, tmp_path)
    assert set(calls) == set(MEASURES)


def test_loading_is_measured_as_reads_are_verified(
    models: ModelSet, data: Dataset, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such small blocks take about no time either way, so what is measured of loading is made up."""
    speeds = {"once": 2e9, "always": 1e9}

    def load_times(own: ModelSet, *_: Any) -> dict[str, float]:
        calls.append("load_times")
        speed = speeds[own.store.verify]
        return {"store_fixed_s": 0.0, "store_bytes_per_s": 3e9, "load_fixed_s": 0.0, "load_bytes_per_s": speed}

    monkeypatch.setattr(module, "load_times", load_times)
    once = profile(models, data, PROXY, 16, CPU, tmp_path)
    calls.clear()
    always = models.verifying("always")
    verified = profile(always, data, PROXY, 16, CPU, tmp_path)
    assert calls == ["load_times", "read_ahead_times"]
    assert (once.load_bytes_per_s, verified.load_bytes_per_s) == (2e9, 1e9)
    calls.clear()
    assert profile(always, data, PROXY, 16, CPU, tmp_path) == verified
    assert profile(models, data, PROXY, 16, CPU, tmp_path) == once
    assert calls == []


def test_again_measures_everything_but_other_sets(
    models: ModelSet, data: Dataset, calls: list[str], tmp_path: Path
) -> None:
    profile(models, data, PROXY, 16, CPU, tmp_path)
    path = profile_path(tmp_path, CPU)
    known = json.loads(path.read_text())
    known["segments"]["of another set"] = [[16, 1.0]]
    path.write_text(json.dumps(sealed(known)))
    calls.clear()
    profile(models, data, PROXY, 16, CPU, tmp_path, again=True)
    assert set(calls) == set(MEASURES)
    assert json.loads(path.read_text())["segments"]["of another set"] == [[16, 1.0]]


def test_what_was_measured_on_a_busy_machine_is_marked_and_replaced_by_a_quiet_one(
    models: ModelSet, data: Dataset, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Watch, "load", 1.7)
    assert kept_profile(models, data, PROXY, 16, CPU, tmp_path) is None
    turns: list[int] = []
    usual = timing.usual
    monkeypatch.setattr(timing, "usual", lambda s, longer=1: turns.append(longer) or usual(s, longer))
    busy = profile(models, data, PROXY, 16, CPU, tmp_path)
    assert set(turns) == {3}
    monkeypatch.setattr(timing, "usual", usual)
    assert busy.about.endswith("; measured on a busy machine, load 1.7")
    assert merged([busy, replace(busy, busy=0.0)], "both").busy == 1.7
    assert Hardware.from_dict(json.loads(json.dumps(busy.as_dict()))) == busy
    calls.clear()
    assert profile(models, data, PROXY, 16, CPU, tmp_path) == busy
    assert kept_profile(models, data, PROXY, 16, CPU, tmp_path) == busy
    assert calls == []
    monkeypatch.setattr(Watch, "load", 0.0)
    quiet = profile(models, data, PROXY, 16, CPU, tmp_path)
    assert set(calls) == set(MEASURES)
    assert quiet.about == quiet.source
    assert kept_profile(models, data, PROXY, 16, CPU, tmp_path) == quiet
    assert kept_profile(models, data, PROXY, 32, CPU, tmp_path) is None


@pytest.mark.parametrize("content", ["", "[]", '{"segments": {"a": [[1]]}}', '{"segments": 3}'])
def test_a_damaged_profile_is_measured_anew(
    models: ModelSet, data: Dataset, calls: list[str], tmp_path: Path, content: str
) -> None:
    path = profile_path(tmp_path, CPU)
    path.write_text(content)
    profile(models, data, PROXY, 16, CPU, tmp_path)
    assert set(calls) == set(MEASURES)
    assert json.loads(path.read_text())["segments"]


def test_a_profile_with_another_number_is_measured_anew(
    models: ModelSet, data: Dataset, calls: list[str], tmp_path: Path
) -> None:
    """It would read well, and plans would follow from a time that nobody measured."""
    profile(models, data, PROXY, 16, CPU, tmp_path)
    path = profile_path(tmp_path, CPU)
    known = json.loads(path.read_text())
    known["score"][next(iter(known["score"]))]["fixed_s"] = 100.0
    path.write_text(json.dumps(known))
    calls.clear()
    profile(models, data, PROXY, 16, CPU, tmp_path)
    assert set(calls) == set(MEASURES)


def test_the_table_has_a_row_for_every_block_of_an_architecture(
    models: ModelSet, data: Dataset, calls: list[str]
) -> None:
    hardware = profile(models, data, PROXY, 16, CPU, None)
    rows = as_table(models, hardware, segment_keys(models), 16)
    assert [row["position"] for row in rows] == list(range(len(models.candidates[0].blocks)))
    for row, block in zip(rows, models.candidates[0].blocks, strict=True):
        assert row["parameter_bytes"] == block.parameter_bytes
        assert row["output_bytes_per_item"] == block.output_bytes
        assert row["infer_s_per_item"] > 0


def test_a_portable_profile_serves_sets_without_code(models: ModelSet, data: Dataset, calls: list[str]) -> None:
    spec = ArchitectureSpec("torchvision", "tiny")
    named = replace(models, candidates=tuple(replace(c, architecture=spec) for c in models.candidates))
    hardware = profile(named, data, PROXY, 16, CPU, None)
    moved = portable(hardware, named)
    keys = keys_for(moved, named.candidates)
    for block in named.candidates[1].blocks:
        assert moved.segments[keys[block.identity]] == hardware.segments[named.segments[block.identity].fingerprint]
    assert moved.prepare_s[""] == hardware.prepare_s[named.candidates[0].preprocessing.fingerprint]
    other = Hardware("x", "y", {"other@8/0": hardware.segments[next(iter(hardware.segments))]})
    both = merged([other, moved], "both")
    assert both.name == "both"
    assert both.segments == {**other.segments, **moved.segments}
    assert both.source == moved.source


def test_files_of_a_measured_tier_are_removed(tmp_path: Path) -> None:
    (write, read) = tier_speeds(CPU, tmp_path)["ssd"]
    assert write > 0
    assert read > 0
    assert list(tmp_path.iterdir()) == []
