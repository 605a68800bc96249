"""Searches by inner layers: what decides is the best layer of a model, or the mean over them, by definition."""

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import alsatian
from alsatian.data.digits import digits
from alsatian.errors import AlsatianError, BadModelError, ConfigError, StoreError
from alsatian.fingerprint import features_fingerprint
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Evaluation
from alsatian.ranking.result import Ranking
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from tests.conftest import scramble
from tests.searching.tiny_search import ALSATIAN, BASE, BATCH, FEW, PREPROCESSING, PROXY, by_name

IDS = ("aaaa", "aaab", "abbb", "bbbb", "twin")
DEPTH = 3  # layers behind the first, which embeds the input
Truth = dict[tuple[int, str], tuple[float, str, int]]


class Stack(nn.Module):
    """Convolutions of one size over maps of another; letter ``i`` decides layer ``i`` alone."""

    def __init__(self, letters: str) -> None:
        super().__init__()
        sizes = [(3, 6), *[(6, 6)] * DEPTH]
        self.blocks = nn.ModuleList([nn.Conv2d(*size, 3, padding=1) for size in sizes])
        for i, (letter, block) in enumerate(zip(letters, self.blocks, strict=True)):
            scramble(block, torch.Generator().manual_seed(1000 * i + ord(letter)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.layers(images)[-1]

    def layers(self, images: torch.Tensor) -> list[torch.Tensor]:
        """The mean over all positions behind each layer but the first."""
        found, hidden = [], images
        for block in self.blocks:
            hidden = torch.relu(block(hidden))
            found.append(hidden.flatten(2).mean(2))
        return found[1:]


def stack(model: str) -> Stack:
    return Stack("aaab" if model == "twin" else model).eval()


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory, tiny: Callable[[str], nn.Module]) -> ModelSet:
    """All models, one with a layer that is no number, and one whose layers differ in size."""
    broken = stack("abbb")
    with torch.no_grad():
        broken.blocks[2].bias.fill_(float("nan"))  # type: ignore[union-attr, operator]
    modules = {**{model: stack(model) for model in IDS}, "broken": broken, "odd": tiny("aaaa")}
    return ModelSet.from_modules(BlockStore(tmp_path_factory.mktemp("store")), modules, PREPROCESSING)


def only(family: ModelSet, *ids: str) -> ModelSet:
    return replace(family, candidates=tuple(c for c in family.candidates if c.id in ids))


@pytest.fixture(scope="module")
def models(family: ModelSet) -> ModelSet:
    return only(family, *IDS)


def evaluated(features: list[torch.Tensor], labels: list[torch.Tensor], classes: int) -> tuple[float, str]:
    train_x, test_x = features
    score = Evaluation.of(PROXY.score(train_x, labels[0], test_x, labels[1], classes)).score
    return score, features_fingerprint([train_x, test_x])


@pytest.fixture(scope="module")
def truth() -> Mapping[str, Truth]:
    """Score, digest and layer of every model alone on every number of training batches, by choice."""
    data = digits(FEW)
    test, train = data.batches(BATCH, len(IDS))
    known: dict[str, Truth] = {"best": {}, "mean": {}}
    for model in IDS:
        module = stack(model)
        with torch.no_grad():
            by_batch = {b.index: module.layers(PREPROCESSING(data.items(b))[0]) for b in (*test, *train)}
        for count in range(1, len(train) + 1):
            parts = [train[:count], test]
            labels = [torch.from_numpy(data.labels(part)) for part in parts]
            layers = [[torch.cat([by_batch[b.index][i] for b in part]) for part in parts] for i in range(DEPTH)]
            each = [evaluated(features, labels, data.classes) for features in layers]
            highest = max(score for score, _ in each)
            best = max(i for i, (score, _) in enumerate(each) if score == highest)
            means = [torch.cat([torch.stack(by_batch[b.index]).mean(0) for b in part]) for part in parts]
            key = sum(batch.items for batch in train[:count]), model
            known["best"][key] = (*each[best], best + 1)
            known["mean"][key] = (*evaluated(means, labels, data.classes), 0)
    assert len({layer for _, _, layer in known["best"].values()}) > 1
    return known


def search(models: Any, choice: str, strategy: Strategy = ALSATIAN, items: int = FEW, **changes: Any) -> Ranking:
    settings: dict[str, Any] = {"proxies": PROXY, "batch_size": BATCH, "verify": True}
    if strategy.needs_costs:
        settings["hardware"] = "quick"
    return alsatian.search(models, digits(items), strategy=strategy, layers=choice, **settings | changes)


def outcomes(found: Ranking) -> Truth:
    return {
        (one.train_items, model): (score, one.fingerprints[model], one.layers.get(model, 0))
        for one in found.rounds
        for model, score in one.scores.items()
    }


def check(found: Ranking, truth: Truth) -> None:
    ours = outcomes(found)
    assert ours == {key: truth[key] for key in ours}
    assert sorted(found.ranked) == sorted(IDS)


@by_name
@pytest.mark.parametrize("choice", ["best", "mean"])
def test_what_decides_is_that_of_every_model_alone(
    models: ModelSet, truth: Mapping[str, Truth], strategy: Strategy, choice: str
) -> None:
    found = search(models, choice, strategy)
    check(found, truth[choice])
    assert [len(one.scores) for one in found.rounds] == ([5] if strategy is BASE else [5, 3, 2])


@pytest.mark.parametrize("choice", ["best", "mean"])
def test_small_budgets_change_nothing(models: ModelSet, truth: Mapping[str, Truth], choice: str) -> None:
    whole, small = (search(models, choice, budget=budget) for budget in (None, 3 * BATCH * 6 * 8 * 8 * 4))
    assert max(one.chunks for one in small.rounds) > max(one.chunks for one in whole.rounds)
    check(small, truth[choice])


@pytest.mark.parametrize("choice", ["best", "mean"])
def test_layers_cost_no_run_of_a_block_but_those_that_pool(models: ModelSet, choice: str) -> None:
    strategy = Strategy(schedule=Exhaustive())
    last, inner = (search(models, one, strategy) for one in ("last", choice))
    prefixes = {model[: i + 2] for model in (*IDS[:-1], "aaab") for i in range(DEPTH - 1)}
    batches = sum(map(len, digits(FEW).batches(BATCH, len(IDS))))
    extra = len(prefixes) * batches
    executions = [one.measurement.counters["block_executions"] for one in (last, inner)]
    assert executions[1] == executions[0] + extra
    assert inner.record.work.alone == last.record.work.alone


def test_the_mean_is_scored_once_a_model(models: ModelSet) -> None:
    calls = []

    class Counting:
        name = "counting"

        def score(self, train_x: torch.Tensor, *_: object) -> float:
            calls.append(train_x)
            return float(train_x.mean())

    search(models, "mean", Strategy(schedule=Exhaustive()), proxies=Counting())
    assert len(calls) == len(IDS) - 1  # the twin shares its features


@pytest.mark.parametrize("choice", ["best", "mean"])
def test_features_are_those_that_were_scored(models: ModelSet, choice: str) -> None:
    found = search(models, choice, Strategy(schedule=Exhaustive()))
    (one,) = found.rounds
    for model in IDS[1:3]:
        features = found.features(model)
        assert features_fingerprint([features["train_x"], features["test_x"]]) == one.fingerprints[model]


def test_the_model_is_whole_whichever_layer_is_best() -> None:
    found = search({model: stack(model) for model in IDS[:2]}, "best", preprocessing=PREPROCESSING)
    images = torch.rand(2, 3, 8, 8)
    for model in IDS[:2]:
        with torch.no_grad():
            assert torch.equal(found.load(model)(images), stack(model)(images))


def test_the_ranking_says_which_layer_of_how_many(models: ModelSet) -> None:
    found = search(models, "best")
    chosen = {model: layer for one in found.rounds for model, layer in one.layers.items()}
    table = found.ranking
    assert dict(zip(table["model"], table["layer"], strict=True)) == chosen
    assert set(table["layers"]) == {DEPTH}
    assert "layer" in found._repr_html_()
    last = search(models, "last")
    assert not {"layer", "layers"} & set(last.ranking.columns)
    assert last.record.layers == "last"


@pytest.mark.parametrize("choice", ["best", "mean"])
def test_features_of_layers_are_reused(models: ModelSet, truth: Mapping[str, Truth], choice: str) -> None:
    shutil.rmtree(models.store.features, ignore_errors=True)
    first, again = (search(models, choice, reuse=True) for _ in range(2))
    check(again, truth[choice])
    assert first.measurement.counters["block_executions"] > 0
    assert again.measurement.counters.get("block_executions", 0) == 0
    own = search(models, "last", reuse=True)
    assert own.rounds[0].scores == search(models, "last").rounds[0].scores
    assert own.record.work.reused_items > 0


@pytest.mark.parametrize("choice", ["best", "mean"])
def test_an_interrupted_search_goes_on(
    models: ModelSet, truth: Mapping[str, Truth], tmp_path: Path, choice: str
) -> None:
    class Stopped(Exception):
        pass

    steps = iter(range(1000))
    last = threading.Event()

    def stop() -> None:
        if last.is_set() and next(steps) > 1:
            raise Stopped

    watcher = alsatian.api.Watcher.of(stop)
    watcher.round_ends = lambda number, result, left: last.set()  # type: ignore[method-assign]
    with pytest.raises(Stopped):
        search(models, choice, checkpoint=tmp_path, progress=watcher)
    found = search(models, choice, checkpoint=tmp_path)
    assert [event["rounds"] for event in found.measurement.events if event["kind"] == "resumed"] == [1]
    check(found, truth[choice])
    with pytest.raises(ConfigError, match="finished rounds of another search"):
        search(models, "mean" if choice == "best" else "best", checkpoint=tmp_path)


@pytest.mark.parametrize("strategy", [BASE, ALSATIAN], ids=lambda strategy: strategy.name)
@pytest.mark.parametrize("choice", ["best", "mean"])
def test_a_model_with_a_broken_layer_is_excluded(
    family: ModelSet, truth: Mapping[str, Truth], strategy: Strategy, choice: str
) -> None:
    models = only(family, "broken", *IDS)
    with pytest.raises(BadModelError, match=r"model 'broken.*': its features are not finite"):
        search(models, choice, strategy)
    found = search(models, choice, strategy, on_bad_model="exclude")
    assert found.ranked[-1] == "broken"
    assert list(found.excluded) == ["broken"]
    ours = outcomes(found)
    assert ours == {key: truth[choice][key] for key in ours}


@pytest.mark.parametrize("choice", ["best", "mean"])
def test_a_model_with_a_damaged_block_is_excluded(tmp_path: Path, choice: str) -> None:
    store = BlockStore(tmp_path)
    models = ModelSet.from_modules(store, {model: stack(model) for model in ("bbbb", "aaaa")}, PREPROCESSING)
    store.block_path(models.candidates[0].blocks[1].identity).write_bytes(b"damaged")
    with pytest.raises(StoreError, match="damaged block of model 'bbbb"):
        search(models, choice)
    found = search(models, choice, on_bad_model="exclude")
    assert found.ranked == ("aaaa", "bbbb")
    assert list(found.excluded) == ["bbbb"]


def test_layers_of_several_sizes_have_no_mean(family: ModelSet) -> None:
    models = only(family, "aaaa", "odd")
    with pytest.raises(BadModelError) as error:
        search(models, "mean")
    said = "model 'odd': its layers have features of 4, 8, 128 values, which have no mean; layers=best takes"
    assert str(error.value).startswith(said)
    found = search(models, "mean", on_bad_model="exclude")
    assert found.ranked == ("aaaa", "odd")
    assert found.record.ranked[1].failed == found.excluded["odd"]
    assert search(models, "best").excluded == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"choice": "lst"}, "layers=lst: did you mean 'last'"),
        ({"choice": None}, "layers=None: valid are: best, last, mean"),
        ({"choice": "best", "proxies": "logistic,leep"}, "layers=best: proxy leep scores a model's own classifier"),
        ({"choice": "mean", "proxies": "nce"}, "layers=mean: proxy nce"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(models: ModelSet, changes: Mapping[str, Any], message: str) -> None:
    with pytest.raises(AlsatianError, match=message) as error:
        search(models, **changes)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("schedule", "rounds"), [("halving", [5, 3, 2]), ("exhaustive", [5]), ("adaptive", None)])
def test_a_prediction_counts_models_and_not_layers(
    models: ModelSet, schedule: str, rounds: list[int] | None
) -> None:
    found = search(models, "best", items=4 * FEW, hardware="quick", schedule=schedule)  # enough to measure one
    assert found.expected is not None
    counts = [count for count, _, _ in found.expected.rounds]
    assert counts == (rounds or [len(one.scores) for one in found.rounds])
    assert min(found.expected.wall_s, found.expected.alone_s) > 0
