"""Searches that reuse features: bit for bit the results of the same batches computed afresh, with less work."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.data.dataset import Dataset
from alsatian.data.digits import digits
from alsatian.machines.real import real_machine
from alsatian.models.model_set import ModelSet
from alsatian.progress import unheard
from alsatian.runtime.features import Keep
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.reuse import feature_cache, kept_files
from alsatian.runtime.reuse.feature_cache import FeatureCache, Session
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.checkpoint import Checkpoint
from alsatian.searching.search import Search, SearchResult
from alsatian.searching.strategy import Strategy
from tests.searching.tiny_search import (
    ALSATIAN,
    BASE,
    BATCH,
    FEW,
    MODELS,
    PROXY,
    SECOND,
    SHARED_PREFIX,
    SHIFT,
    eager,
    first,
    outcomes,
    search,
)

CPU = torch.device("cpu")
MORE = 75
Flip = Callable[[Path], None]


@pytest.fixture(scope="module")
def modules(tiny: Callable[[str], torch.nn.Module]) -> Mapping[str, torch.nn.Module]:
    return {model: tiny(letters) for model, letters in MODELS.items()}


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "features")


@pytest.fixture(autouse=True)
def warnings_again() -> None:
    """What is said once a process is said in every test."""
    kept_files._warn.cache_clear()


def reusing(
    cache: FeatureCache,
    models: ModelSet,
    data: Dataset,
    strategy: Strategy = ALSATIAN,
    keep: Callable[[Session], Keep] = lambda session: session.keep,
    checkpoint: Checkpoint | None = None,
) -> tuple[SearchResult, Session]:
    data = data.in_batches(BATCH, len(models.candidates))
    session = cache.session(models.candidates, data, BATCH, CPU)
    planned = Search.of(models.candidates, session.dataset.batches(BATCH), strategy, None, None)
    settings: dict[str, Any] = {"storage": Storage(), "verify": True, "progress": unheard, "keep": keep(session)}
    with real_machine(
        models, session.dataset, [PROXY, SECOND], Meter(CPU), **settings, **planned.for_machine()
    ) as machine:
        machine.restore(session.features)
        return planned.run(machine, checkpoint=checkpoint), session


def more_digits(order: int) -> Dataset:
    """As if the files had other names in another ``order``: nobody asks for another seed."""
    return replace(digits(MORE, seed=order), seed=0)


def executions(result: SearchResult) -> int:
    return result.measurement.counters.get("block_executions", 0)


@pytest.mark.parametrize("strategy", [BASE, SHIFT, SHARED_PREFIX, ALSATIAN], ids=lambda s: s.name)
def test_the_same_search_again_extracts_nothing(cache: FeatureCache, family: ModelSet, strategy: Strategy) -> None:
    data = digits(FEW)
    before, empty = reusing(cache, family, data, strategy)
    again, session = reusing(cache, family, data, strategy)
    assert (empty.reused.models, empty.reused.text) == (0, "")
    assert session.dataset.train_items is data.train_items
    assert executions(before) > executions(again) == 0
    assert outcomes(again) == outcomes(before) == outcomes(search(family, data, strategy))
    assert again.ranked == before.ranked


@pytest.mark.parametrize("strategy", [BASE, SHIFT, SHARED_PREFIX, ALSATIAN], ids=lambda s: s.name)
@pytest.mark.parametrize("order", [0, 1])
def test_grown_data_give_what_the_same_batches_give_afresh(
    cache: FeatureCache, family: ModelSet, modules: Mapping[str, torch.nn.Module], strategy: Strategy, order: int
) -> None:
    reusing(cache, family, digits(FEW), BASE)
    result, session = reusing(cache, family, more_digits(order), strategy)
    afresh = search(family, session.dataset, strategy)
    truth = eager(modules, session.dataset)
    assert outcomes(result) == outcomes(afresh) == {key: truth[key] for key in outcomes(afresh)}
    assert result.ranked == afresh.ranked
    assert executions(result) < executions(afresh)
    # One full batch to test with, and all to train with, the last of which is full, of each model.
    assert session.reused.batches == 6 * len(MODELS)
    assert session.reused.items == FEW * len(MODELS)
    assert session.reused.text == (
        f"features of 5 of 5 models from earlier searches, {6 * len(MODELS)} of {11 * len(MODELS)} batches; items "
        "stand in the order and the parts of an earlier search"
    )
    # And from there on, as often as one likes: what was added is kept, too.
    again, session = reusing(cache, family, more_digits(order), strategy)
    assert executions(again) == 0
    assert outcomes(again) == outcomes(result)


def test_more_models_extract_only_what_is_new(cache: FeatureCache, family: ModelSet) -> None:
    data = digits(FEW)
    reusing(cache, first(family, 2), data, BASE)
    result, session = reusing(cache, family, data, BASE)
    # In the batches that the search of two models had, which the one of all would cut elsewhere.
    assert outcomes(result) == outcomes(search(family, session.dataset, BASE))
    # The twin is the second model under another id.
    assert session.features.keys() == {"first", "second", "twin"}
    assert session.features["twin"][0] is session.features["second"][0]
    alone = search(
        replace(family, candidates=tuple(c for c in family.candidates if c.id in ("third", "alone"))), data, BASE
    )
    assert executions(result) == executions(alone)


def test_models_that_share_features_share_a_file(cache: FeatureCache, family: ModelSet) -> None:
    reusing(cache, family, digits(FEW), BASE)
    contents = {candidate.content for candidate in family.candidates}
    assert {path.parent.name for path in cache.folder.glob("*/*.safetensors")} == contents
    assert len(contents) == len(set(MODELS.values())) == 4


@pytest.mark.parametrize("strategy", [BASE, ALSATIAN], ids=lambda s: s.name)
def test_a_search_killed_in_its_only_round_goes_on_with_what_was_finished(
    cache: FeatureCache, family: ModelSet, strategy: Strategy
) -> None:
    data = digits(FEW)
    finished: list[str] = []

    def killed(session: Session) -> Keep:
        def keep(models: Sequence[str], features: Mapping[int, torch.Tensor]) -> None:
            if finished:
                raise KeyboardInterrupt
            session.keep(models, features)
            finished.extend(models)

        return keep

    with pytest.raises(KeyboardInterrupt):
        reusing(cache, family, data, strategy, killed)
    result, session = reusing(cache, family, data, strategy)
    assert {*finished} <= session.features.keys() < MODELS.keys()
    whole = search(family, data, strategy)
    assert outcomes(result) == outcomes(whole)
    assert 0 < executions(result) < executions(whole)


def test_a_checkpoint_adds_to_what_is_reused(cache: FeatureCache, family: ModelSet, tmp_path: Path) -> None:
    """The finished rounds' features count beside those of other batches."""
    data = digits(MORE)
    reusing(cache, first(family, 3), digits(FEW))
    kept = Checkpoint(tmp_path / "rounds", "key")
    scored: list[str] = []

    def killed(session: Session) -> Keep:
        def keep(models: Sequence[str], features: Mapping[int, torch.Tensor]) -> None:
            if models[0] in scored:  # the second round
                raise KeyboardInterrupt
            scored.extend(models)

        return keep

    with pytest.raises(KeyboardInterrupt):
        reusing(cache, family, data, ALSATIAN, killed, kept)
    result, session = reusing(cache, family, data, ALSATIAN, checkpoint=kept)
    assert [event["kind"] for event in result.measurement.events if event["kind"] == "resumed"] == ["resumed"]
    assert outcomes(result) == outcomes(search(family, session.dataset))


def flipped(at: float) -> Flip:
    def flip(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(at * (len(content) - 1))] ^= 1
        path.write_bytes(content)

    return flip


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "damage", [*(flipped(at / 20) for at in range(21)), cut, emptied], ids=[*map(str, range(21)), "cut", "emptied"]
)
def test_a_flipped_bit_is_a_miss_and_never_another_ranking(
    cache: FeatureCache, family: ModelSet, damage: Flip, caplog: pytest.LogCaptureFixture
) -> None:
    few, data = first(family, 2), digits(FEW)
    before, _ = reusing(cache, few, data, BASE)
    for path in cache.folder.glob("*/*.safetensors"):
        damage(path)
    with caplog.at_level(logging.WARNING):
        again, session = reusing(cache, few, data, BASE)
    assert outcomes(again) == outcomes(before)
    assert not session.features
    assert "kept features are damaged and are extracted again" in caplog.text
    once_more, session = reusing(cache, few, data, BASE)  # what was damaged has been made again
    assert executions(once_more) == 0
    assert outcomes(once_more) == outcomes(before)


@pytest.mark.parametrize("damage", [flipped(0.1), flipped(0.5), flipped(0.9), emptied, Path.unlink])
def test_a_damaged_layout_costs_no_more_than_the_reuse(cache: FeatureCache, family: ModelSet, damage: Flip) -> None:
    few = first(family, 2)
    reusing(cache, few, digits(FEW), BASE)
    for path in cache.folder.glob("layouts/*.json"):
        damage(path)
    data = more_digits(1)
    result, session = reusing(cache, few, data, BASE)
    assert session.dataset.train_items is data.train_items
    assert outcomes(result) == outcomes(search(few, data, BASE))


@pytest.mark.parametrize("change", ["code", "threads", "cpu_capability", "libraries"])
def test_what_may_change_a_bit_makes_other_features(
    cache: FeatureCache, family: ModelSet, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, data = first(family, 1), digits(FEW)
    reusing(cache, few, data, BASE)
    known = feature_cache.surroundings(CPU)
    assert change in known
    monkeypatch.setattr(feature_cache, "surroundings", lambda device: {**known, change: "another"})
    result, session = reusing(cache, few, data, BASE)
    assert not session.features
    assert executions(result)


def test_batches_of_another_size_or_order_are_other_batches(cache: FeatureCache, family: ModelSet) -> None:
    few, data = first(family, 1), digits(FEW)
    reusing(cache, few, data, BASE)
    assert cache.session(few.candidates, data, BATCH, CPU).features
    assert not cache.session(few.candidates, data, BATCH // 2, CPU).features
    moved = replace(data, train_items=data.train_items[::-1], train_labels=data.train_labels[::-1])
    # The items are the same, so the earlier order is taken up again.
    assert cache.session(few.candidates, moved, BATCH, CPU).dataset.digest == data.digest
    changed = data.train_items.copy()
    changed[0, 0, 0] ^= 1
    other = cache.session(few.candidates, replace(data, train_items=changed), BATCH, CPU)
    assert (other.reused.batches, other.reused.of_batches) == (5, 6)


def test_labels_do_not_matter_for_features(cache: FeatureCache, family: ModelSet) -> None:
    few, data = first(family, 2), digits(FEW)
    reusing(cache, few, data, BASE)
    other = replace(data, train_labels=data.train_labels % 2, test_labels=data.test_labels % 2, classes=2)
    result, session = reusing(cache, few, other, BASE)
    assert executions(result) == 0
    assert outcomes(result) == outcomes(search(few, session.dataset, BASE))


def test_the_least_recently_used_go_first(cache: FeatureCache, family: ModelSet) -> None:
    data = digits(FEW)
    one, two = first(family, 1), replace(family, candidates=family.candidates[-1:])
    reusing(cache, one, data, BASE)
    reusing(cache, two, data, BASE)
    held = sum(path.stat().st_size for path in cache.folder.glob("*/*"))
    small = FeatureCache(cache.folder, held)
    assert small.session(one.candidates, data, BATCH, CPU).features  # a use
    reusing(small, replace(family, candidates=family.candidates[1:2]), data, BASE)
    assert sum(path.stat().st_size for path in cache.folder.glob("*/*")) <= held
    assert cache.session(one.candidates, data, BATCH, CPU).features
    assert not cache.session(two.candidates, data, BATCH, CPU).features


def test_what_is_larger_than_the_limit_is_not_kept(tmp_path: Path, family: ModelSet) -> None:
    nothing = FeatureCache(tmp_path / "features", 100)
    result, _ = reusing(nothing, first(family, 1), digits(FEW), BASE)
    assert executions(result)
    assert not list(tmp_path.glob("features/*/*.safetensors"))


def test_a_full_disk_only_costs_the_reuse(
    cache: FeatureCache, family: ModelSet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept_files, "save_file", full)
    with caplog.at_level(logging.WARNING):
        result, _ = reusing(cache, family, digits(FEW), BASE)
    assert outcomes(result) == outcomes(search(family, digits(FEW), BASE))
    assert len([line for line in caplog.messages if "No space left on device" in line]) == 1
    assert not list(cache.folder.rglob("*.tmp"))


def test_a_folder_that_cannot_be_used_only_costs_the_reuse(
    tmp_path: Path, family: ModelSet, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "features").write_text("a file")
    with caplog.at_level(logging.WARNING):
        result, _ = reusing(FeatureCache(tmp_path / "features"), first(family, 1), digits(FEW), BASE)
    assert outcomes(result) == outcomes(search(first(family, 1), digits(FEW), BASE))
    assert "features are not kept for later searches" in caplog.text


def test_searches_at_the_same_time_do_not_disturb_each_other(cache: FeatureCache, family: ModelSet) -> None:
    """Both began before either kept anything; one makes room while the other reads."""
    data, few = digits(FEW), first(family, 1)
    both = [cache.session(few.candidates, data, BATCH, CPU) for _ in range(2)]
    features = {index: torch.ones(4, 2) * index for index in range(3)}
    for session in both:
        session.keep(["first"], features)
    again = cache.session(few.candidates, data, BATCH, CPU)
    assert again.features["first"].keys() == features.keys()
    (path,) = cache.folder.glob("*/*.safetensors")
    path.unlink()
    assert torch.equal(again.features["first"][2], features[2])
    assert not cache.session(few.candidates, data, BATCH, CPU).features


@pytest.mark.parametrize("moment", ["before it is opened", "while it is opened"])
@pytest.mark.parametrize("place", ["header", "features"])
def test_a_file_that_another_search_removes_is_a_miss_without_a_word(
    cache: FeatureCache,
    family: ModelSet,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    moment: str,
    place: str,
) -> None:
    few, data = first(family, 1), digits(FEW)
    reusing(cache, few, data, BASE)
    opened = kept_files.safe_open
    calls: list[Path] = []

    def vanishing(path: Path, **settings: Any) -> Any:
        calls.append(path)
        if len(calls) == (1 if place == "header" else 2):
            path.unlink()
            if moment == "while it is opened":  # as PyTorch says it, which opens the file a second time
                raise RuntimeError(f"unable to open file <{path}> in read-only mode: No such file or directory (2)")
        return opened(path, **settings)

    monkeypatch.setattr(kept_files, "safe_open", vanishing)
    with caplog.at_level(logging.WARNING):
        assert not cache.session(few.candidates, data, BATCH, CPU).features
    assert not caplog.messages
