"""Searches over a family of tiny models, and what their results have to be."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch

import alsatian
from alsatian.api import SearchResult
from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost
from alsatian.costs.profiling.profile import segment_keys
from alsatian.data.dataset import Batch, Dataset
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.fingerprint import features_fingerprint
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.given import Given
from alsatian.proxies.base import Evaluation
from alsatian.proxies.linear import Linear
from alsatian.proxies.logme import LogMe
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.cache.policies.belady import Belady
from alsatian.runtime.cache.policies.fifo import Fifo
from alsatian.runtime.cache.policies.gdsf import Gdsf
from alsatian.runtime.cache.policies.lfu import Lfu
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.runtime.cache.policies.planned import Planned
from alsatian.searching.auto import Auto
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy

PREPROCESSING = ImagePreprocessing(8)
PROXY = Linear(epochs=5)
# On eight test items most accuracies are that of guessing; this score tells any two sets of labels apart.
SECOND = LogMe()
# A tiny model's letters name its blocks; the twin is another model under another id.
MODELS = {"first": "aaaa", "second": "aaab", "third": "aacc", "twin": "aaab", "alone": "dddd"}
BATCH = 8
FEW = 41  # items: one batch to test with, and five to train with, the last of a single item

BASE = Strategy(name="base", schedule=Exhaustive(), sharing="none", order=Given(), cache=NoCache())
SHIFT = Strategy(name="shift", sharing="none", order=Given(), cache=NoCache())
SHARED_PREFIX = Strategy(name="shared_prefix", order=Given(), cache=Lru())
ALSATIAN = Strategy()
AUTO = Auto()
STRATEGIES = [BASE, SHIFT, SHARED_PREFIX, ALSATIAN, AUTO]
POLICIES: list[CachePolicy] = [NoCache(), Fifo(), Lru(), Lfu(), Gdsf(), Belady(), Planned()]
by_name = pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)

Modules = Mapping[str, torch.nn.Module]
# By training items and model: the scores by all proxies, and the digest of the features.
Known = dict[tuple[int, str], tuple[tuple[float, ...], str]]


def few() -> Dataset:
    """Digits of three classes, so that even the first batch has several items of a class."""
    data = digits(FEW)
    train, test = data.train_labels // 4, data.test_labels // 4
    return dataclasses.replace(data, train_labels=train, test_labels=test, classes=3)


def first(models: ModelSet, count: int) -> ModelSet:
    return dataclasses.replace(models, candidates=models.candidates[:count])


def slow_reads(models: ModelSet, item_s: float = 1e-6) -> Hardware:
    """A made-up machine on which reading parameters is what counts."""
    return Hardware(
        "slow reads",
        "made up",
        {key: SegmentCost(((8, 8 * item_s),)) for key in segment_keys(models).values()},
        load_bytes_per_s=1e5,
        prepare_s={"": 1e-7},
        score=ScoreCost(fixed_s=1e-5),
    )


def search(models: Any, data: Any = None, strategy: Strategy = ALSATIAN, **changes: Any) -> SearchResult:
    """With a made-up machine if the strategy wants to know one, unless ``hardware`` says otherwise."""
    settings: dict[str, Any] = {"proxies": (PROXY, SECOND), "batch_size": BATCH, "verify": True}
    if strategy.needs_costs and isinstance(models, ModelSet):
        settings["hardware"] = slow_reads(models)
    settings |= changes
    return alsatian.search(models, data or few(), strategy=strategy, **settings)


def features(module: torch.nn.Module, data: Dataset, batches: Sequence[Batch]) -> torch.Tensor:
    """What the module itself returns, batch by batch, without any of the library's machinery."""
    with torch.no_grad():
        return torch.cat([module(PREPROCESSING(data.items(batch))[0]).flatten(1) for batch in batches])


def eager(modules: Modules, data: Dataset, batch_size: int = BATCH, models: int | None = None) -> Known:
    """Scores and feature digest of every model alone on every number of training batches, in the batches of a
    search of so many ``models`` (all)."""
    test, train = data.batches(batch_size, models or len(modules))
    known: Known = {}
    for model, module in modules.items():
        test_x = features(module, data, test)
        for count in range(1, len(train) + 1):
            train_x = features(module, data, train[:count])
            train_y, test_y = (torch.from_numpy(data.labels(part)) for part in (train[:count], test))
            task = (train_x, train_y, test_x, test_y, data.classes)
            scores = tuple(Evaluation.of(proxy.score(*task)).score for proxy in (PROXY, SECOND))
            known[len(train_x), model] = (scores, features_fingerprint([train_x, test_x]))
    return known


def outcomes(result: SearchResult) -> Known:
    """Scores and feature digest of every model of every round."""
    found: Known = {}
    for finished in result.rounds:
        assert finished.scores.keys() == finished.fingerprints.keys()
        for model, score in finished.scores.items():
            further = (scores[model] for scores in finished.further.values())
            found[finished.train_items, model] = ((score, *further), finished.fingerprints[model])
    return found


def troubles(result: SearchResult) -> list[dict[str, Any]]:
    """What happened in a search, without what its plans have to say and what its rounds and measuring took."""
    usual = ("plan", "round", "computed_ahead")
    events = [event for event in result.measurement.events if event["kind"] not in usual]
    return [event for event in events if "error" in event or event["kind"] != "profile"]


def check(result: SearchResult, truth: Known) -> None:
    """By as many proxies as the search had."""
    found = outcomes(result)
    assert found == {key: (truth[key][0][: len(scores)], truth[key][1]) for key, (scores, _) in found.items()}
