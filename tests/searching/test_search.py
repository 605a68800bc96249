"""Whatever is shared, ordered, cached and chunked: features and scores are those of every model alone."""

import dataclasses
import math
import re
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch.fx import Graph, GraphModule

from alsatian.api import SearchResult
from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment
from alsatian.budgets import Budgets
from alsatian.data.dataset import Dataset
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import AlsatianError, BudgetError, ConfigError, StoreError
from alsatian.fingerprint import features_fingerprint
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.base import Order
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.proxies.linear import Linear
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.loading.block_loader import BlockLoader
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.measurement import Measurement
from alsatian.searching.schedules import Round, Rounds, Schedule
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import (
    ALSATIAN,
    BASE,
    BATCH,
    FEW,
    MODELS,
    POLICIES,
    PREPROCESSING,
    STRATEGIES,
    Known,
    Modules,
    by_name,
    check,
    eager,
    few,
    first,
    outcomes,
    search,
)
from tests.stores import add_block


@by_name
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_scores_and_features_are_those_of_every_model_alone(
    family: ModelSet, modules: Modules, strategy: Strategy, count: int
) -> None:
    result = search(first(family, count), strategy=strategy)
    check(result, eager(modules, few(), models=count))
    halves = strategy.name != "base"
    assert [len(r.scores) for r in result.rounds] == (
        {1: [1], 2: [2], 3: [3, 2], 5: [5, 3, 2]}[count] if halves else [count]
    )
    assert result.rounds[-1].train_items == 33
    assert sorted(result.ranked) == sorted(list(MODELS)[:count])
    assert result.winner == result.ranked[0]


@by_name
def test_data_smaller_than_a_batch(family: ModelSet, modules: Modules, strategy: Strategy) -> None:
    data = digits(30)
    result = search(family, data, strategy, batch_size=128)
    assert [len(r.scores) for r in result.rounds] == ([5] if strategy.name == "base" else [5, 3, 2])
    check(result, eager(modules, data, 128))


@by_name
def test_batches_of_one_item(family: ModelSet, modules: Modules, strategy: Strategy) -> None:
    data = digits(12)
    check(search(first(family, 3), data, strategy, batch_size=1), eager(modules, data, 1))


def smallest_budget(family: ModelSet, order: Order) -> int:
    """The budget that the error names, which is one batch at a time."""
    with pytest.raises(BudgetError) as error:
        search(family, strategy=Strategy(order=order), budget=1)
    return int(re.findall(r"cache\.budget=(\d+)", str(error.value))[0])


@pytest.mark.parametrize("cache", POLICIES, ids=lambda c: c.name)
@pytest.mark.parametrize("order", [Given(), Random(3), Dfs(), DfsPlus()], ids=lambda o: o.name)
def test_every_order_and_policy_with_and_without_a_tight_budget(
    family: ModelSet, truth: Known, order: Order, cache: CachePolicy
) -> None:
    budget = smallest_budget(family, order)
    strategy = Strategy(order=order, cache=cache)
    for limit in (None, budget, 2 * budget, 1) if not cache.planned else (None, budget, 2 * budget):
        result = search(family, strategy=strategy, budget=limit)
        check(result, truth)
        assert limit is None or result.measurement.peaks.get("cache_bytes", 0) <= limit
        if cache.planned and limit != 2 * budget:
            # The first round has one batch to test with and two to train with.
            assert result.rounds[0].chunks == (3 if limit else 1)
            assert limit is None or result.measurement.peaks["cache_bytes"] == limit


def narrow(letters: str) -> torch.nn.Module:
    """Convolutions that are wide, narrow (``n``), wide again; a letter and its place decide one."""
    layers: list[torch.nn.Module] = []
    channels = 3
    for i, letter in enumerate(letters):
        width = 1 if letter == "n" else 16
        layer = torch.nn.Conv2d(channels, width, 3, padding=1)
        with torch.no_grad():
            for tensor in layer.parameters():
                tensor.uniform_(-0.3, 0.3, generator=torch.Generator().manual_seed(100 * i + ord(letter)))
        layers.append(layer)
        channels = width
    return torch.nn.Sequential(*layers).eval()


def test_the_budget_of_the_first_round_does_for_later_ones(tmp_path: Path) -> None:
    """Without ``other`` the narrow intermediate is no branch any more, but both wide ones beside it are."""
    letters = {"one": "anba", "two": "anbb", "other": "anc", "early": "ad"}
    models = {model: narrow(text) for model, text in letters.items()}
    family = ModelSet.from_modules(BlockStore(tmp_path), models, PREPROCESSING)
    schedule = Comeback(((tuple(models), 1), (("one", "two", "early"), 5)))
    strategy = dataclasses.replace(ALSATIAN, schedule=schedule)
    with pytest.raises(BudgetError, match=r"cache\.budget=34816 or") as error:  # 8 items of 8 x 8 x 17 numbers
        search(family, strategy=strategy, budget=1)
    assert "\n" not in str(error.value)
    result = search(family, strategy=strategy, budget=34816)
    check(result, eager(models, few()))
    assert result.measurement.peaks["cache_bytes"] == 34816


def test_modules_in_labels_out(modules: Modules, truth: Known) -> None:
    """The call of the documentation, on raw images and labels of any kind."""
    data = few()
    result = search(modules, data, preprocessing=PREPROCESSING)
    check(result, truth)
    images = np.concatenate([data.train_items, data.test_items])
    labels = np.concatenate([data.train_labels, data.test_labels])
    pair = {model: modules[model] for model in ("first", "third")}
    plain = search(pair, (images, labels), preprocessing=PREPROCESSING)
    renamed = search(pair, (images, labels * 7 - 3), preprocessing=PREPROCESSING)
    assert outcomes(plain) == outcomes(renamed)


@by_name
def test_a_second_search_gives_the_same(family: ModelSet, strategy: Strategy) -> None:
    """A strategy is a description: a search leaves nothing behind in it."""
    one, two = (search(family, strategy=strategy, budget="1MB") for _ in range(2))
    assert outcomes(one) == outcomes(two)
    assert one.ranked == two.ranked
    counters = [
        {
            k: v
            for k, v in r.measurement.counters.items()
            if k not in ("bytes_read", "blocks_read", "bytes_verified")
        }
        for r in (one, two)
    ]
    assert counters[0] == counters[1]


@by_name
def test_identical_models_get_equal_scores(family: ModelSet, strategy: Strategy) -> None:
    result = search(family, strategy=strategy)
    together = [r for r in result.rounds if {"second", "twin"} <= r.scores.keys()]
    assert together
    for finished in together:
        assert finished.scores["second"] == finished.scores["twin"]
        assert finished.fingerprints["second"] == finished.fingerprints["twin"]
        assert finished.fingerprints["second"] != finished.fingerprints["first"]


def test_models_rank_by_the_round_they_reached_then_by_score(family: ModelSet) -> None:
    result = search(family)
    last = {model: i for i, r in enumerate(result.rounds) for model in r.scores}
    keys = [(-last[m], -result.rounds[last[m]].scores[m], list(MODELS).index(m)) for m in result.ranked]
    assert keys == sorted(keys)
    assert set(result.ranked[:2]) == set(result.rounds[-1].scores)


@dataclasses.dataclass(frozen=True)
class Falling:
    """Scores are lower the more data there is, as they may be when the last items are the hard ones."""

    name: ClassVar[str] = "falling"

    def score(self, train_x: torch.Tensor, *_: Any) -> float:
        return 1000 / len(train_x) + float(train_x.mean())


def test_an_early_score_never_beats_a_later_round(family: ModelSet) -> None:
    result = search(family, proxies=Falling())
    last = [max(i for i, r in enumerate(result.rounds) if model in r.scores) for model in result.ranked]
    assert last == [2, 2, 1, 0, 0]
    scores = [result.rounds[i].scores[model] for i, model in zip(last, result.ranked, strict=True)]
    assert scores[0] >= scores[1]
    assert scores[3] >= scores[4]
    assert scores[1] < scores[2] < scores[4]


@pytest.mark.parametrize("budget", [None, "tight"])
@by_name
def test_a_model_that_is_a_prefix_of_another(
    family: ModelSet, modules: Modules, strategy: Strategy, budget: str | None
) -> None:
    whole = family.candidates[0]
    cut = [dataclasses.replace(whole, id=f"cut{n}", blocks=whole.blocks[:n]) for n in (2, 3, 1)]
    models = dataclasses.replace(family, candidates=(cut[0], *family.candidates[:2], *cut[1:]))
    parts = {f"cut{n}": torch.nn.Sequential(*list(modules["first"])[:n]) for n in (1, 2, 3)}  # type: ignore[call-overload]
    limit = smallest_budget(models, strategy.order) if budget else None
    result = search(models, strategy=strategy, budget=limit)
    check(result, eager({**modules, **parts}, few()))
    assert {m for r in result.rounds for m in r.scores} == {"first", "second", "cut1", "cut2", "cut3"}


def identity_segment(fingerprint: str, item_bytes: int) -> Segment:
    """Multiplies the state by its only parameter."""
    graph = Graph()
    state, scale = graph.placeholder("s0"), graph.placeholder("p0")
    graph.output((graph.call_function(torch.ops.aten.mul.Tensor, (state, scale)),))
    return Segment(fingerprint, ("scale",), (True,), item_bytes, GraphModule({}, graph))


@by_name
def test_a_chain_of_2000_blocks(tmp_path: Path, strategy: Strategy) -> None:
    store, size = BlockStore(tmp_path), PREPROCESSING.output_bytes
    segment = identity_segment("scaling", size)
    up, down, odd = (add_block(store, "scaling", [torch.tensor(x)], size) for x in (2.0, 0.5, 0.25))
    chain = (up, down) * 1000
    candidates = tuple(
        Candidate(name, blocks, None, PREPROCESSING)
        for name, blocks in (("deep", chain), ("fork", (*chain[:1990], odd, *chain[1991:])), ("half", chain[:1000]))
    )
    models = ModelSet(candidates, store, dict.fromkeys((b.identity for b in (up, down, odd)), segment))
    data = digits(24)
    result = search(models, data, strategy, batch_size=16, budget="1MiB")
    # Powers of two scale without rounding, so the deep model returns its input and the fork an eighth.
    alone = {"deep": torch.nn.Identity(), "half": torch.nn.Identity(), "fork": Scale(1 / 8)}
    check(result, eager(alone, data, 16))


class Scale(torch.nn.Module):
    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def distinct_work(models: ModelSet, result: SearchResult, shared: bool) -> int:
    """Block executions in items: every distinct prefix once for the new items of each round."""
    blocks = {c.id: tuple(b.identity for b in c.blocks) for c in models.candidates}
    test, _ = few().batches(BATCH)
    work = seen = 0
    for i, finished in enumerate(result.rounds):
        new = finished.train_items - seen + (sum(b.items for b in test) if i == 0 else 0)
        chains = [blocks[m] for m in finished.scores]
        prefixes = [chain[: n + 1] for chain in chains for n in range(len(chain))]
        work += len(set(prefixes) if shared else prefixes) * new
        seen = finished.train_items
    assert seen == len(few().train_items)
    return work


@by_name
@pytest.mark.parametrize("count", [1, 2, 5])
def test_what_is_shared_is_computed_once(family: ModelSet, strategy: Strategy, count: int) -> None:
    models = first(family, count)
    counters = search(models, strategy=strategy).measurement.counters
    result = search(models, strategy=strategy)
    assert counters["block_items"] == distinct_work(models, result, strategy.shares)
    if strategy is BASE:
        assert counters["block_items"] == count * 4 * FEW
        assert counters["misses"] == count
        assert counters["data_bytes"] == count * FEW * 64


def test_a_plan_in_chunks_computes_no_more(family: ModelSet) -> None:
    whole, tight = search(family), search(family, budget=smallest_budget(family, DfsPlus()))
    assert tight.measurement.counters["block_items"] == whole.measurement.counters["block_items"]
    assert tight.measurement.counters["block_items"] == distinct_work(family, tight, True)
    assert tight.measurement.counters["data_bytes"] == whole.measurement.counters["data_bytes"]


@pytest.mark.parametrize("ahead", [False, True], ids=["on demand", "ahead"])
def test_shared_blocks_are_read_once(family: ModelSet, ahead: bool) -> None:
    paths = {family.store.block_path(b.identity) for c in family.candidates for b in c.blocks}
    counters = search(family, loader=LoaderSettings(read_ahead=ahead)).measurement.counters
    assert counters["blocks_read"] == len(paths)
    assert counters["bytes_read"] == sum(path.stat().st_size for path in paths)
    # Without sharing, every model's blocks are read by themselves, as often as they are needed.
    assert search(family, strategy=BASE).measurement.counters["blocks_read"] == 5 * 4


def test_resident_blocks_keep_their_budget(family: ModelSet) -> None:
    sizes = {b.identity: b.parameter_bytes for c in family.candidates for b in c.blocks}
    limit = max(sizes.values()) + min(sizes.values())
    result = search(family, budget=Budgets(block_budget=limit))
    assert 0 < result.measurement.peaks["resident_block_bytes"] <= limit
    assert result.measurement.counters["blocks_read"] > len(sizes)
    assert outcomes(result) == outcomes(search(family))


def valid_measurement(models: ModelSet, data: Dataset, strategy: Strategy, **changes: Any) -> Measurement:
    """The first of three whose parts add up; another process may get in the way of one so short."""
    for _ in range(3):
        measurement = search(models, data, strategy, **changes).measurement
        if measurement.valid:
            break
    assert measurement.valid, measurement
    return measurement


@by_name
def test_the_parts_add_up(family: ModelSet, strategy: Strategy) -> None:
    measurement = valid_measurement(family, digits(400), strategy, batch_size=64, proxies=Linear())
    assert measurement.parts_s["inference"] > 0
    assert measurement.parts_s["proxy_scoring"] > 0
    assert measurement.peaks["feature_bytes"] > 0


@pytest.mark.parametrize("step", ["follow", "stop"])
def test_starting_and_ending_to_read_ahead_belongs_to_a_part(
    family: ModelSet, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(BlockLoader, step)

    def slow(self: BlockLoader, *arguments: Any) -> None:
        time.sleep(0.3)
        real(self, *arguments)

    monkeypatch.setattr(BlockLoader, step, slow)
    assert valid_measurement(first(family, 2), few(), ALSATIAN).wall_s > 0.3


def test_strategies_agree_with_several_threads_too(family: ModelSet, modules: Modules) -> None:
    """Kernels divide their work by the number of threads, which must not show between strategies."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        truth = eager(modules, few())
        for strategy in STRATEGIES:
            check(search(family, strategy=strategy), truth)
    finally:
        torch.set_num_threads(before)


@dataclasses.dataclass(frozen=True)
class Comeback:
    """Brings pruned models back: the rounds of ``plan`` by model and training items, whatever the scores."""

    plan: tuple[tuple[tuple[str, ...], int], ...]
    name: ClassVar[str] = "comeback"

    def rounds(self, models: Sequence[str], train_items: int) -> Rounds:
        for names, amount in self.plan:
            scores = yield Round(names, min(amount, train_items))
            assert set(scores) == set(names)


@by_name
@pytest.mark.parametrize(
    "plan",
    [
        # Pruned in the second round, back in the third, where others lack fewer features.
        ((("first", "second", "third"), 8), (("first", "third"), 17), (("third", "second", "first", "alone"), 33)),
        # The same data again, and less data again, for models that lack nothing.
        ((("first", "second", "third"), 16), (("first", "second"), 16)),
        ((("first", "second", "third"), 17), (("third", "second"), 8), (("third", "second"), 17)),
    ],
    ids=["comeback", "same data", "less data"],
)
def test_schedules_of_any_kind(
    family: ModelSet, modules: Modules, strategy: Strategy, plan: tuple[tuple[tuple[str, ...], int], ...]
) -> None:
    schedule: Schedule = Comeback(plan)
    named = {model for names, _ in plan for model in names}
    models = dataclasses.replace(family, candidates=tuple(c for c in family.candidates if c.id in named))
    result = search(models, strategy=dataclasses.replace(strategy, schedule=schedule))
    assert [tuple(r.scores) for r in result.rounds] == [names for names, _ in plan]
    check(result, eager(modules, few(), models=len(named)))


def test_models_of_other_preprocessing_in_one_search(
    family: ModelSet, modules: Modules, tiny: Callable[[str], torch.nn.Module]
) -> None:
    """Equal blocks behind other inputs are other features."""
    other = ImagePreprocessing(8, mean=(0.5, 0.5, 0.5))
    moved = dataclasses.replace(family.candidates[0], id="moved", preprocessing=other)
    models = dataclasses.replace(family, candidates=(*family.candidates[:2], moved))
    results = [search(models, strategy=strategy) for strategy in STRATEGIES]
    found = outcomes(results[0])
    for result in results[1:]:
        shared = outcomes(result)
        assert all(shared[key] == found[key] for key in shared.keys() & found.keys())
    assert found[33, "moved"][1] != found[33, "first"][1]
    data = few()
    test, train = data.batches(BATCH, len(models.candidates))
    with torch.no_grad():
        parts = [
            torch.cat([modules["first"](other(data.items(b))[0]).flatten(1) for b in part])
            for part in (train, test)
        ]
    assert found[33, "moved"][1] == features_fingerprint(parts)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 0}, r"cache\.budget=0: must be at least one byte"),
        ({"budget": -1}, r"cache\.budget=-1: must be at least one byte"),
        ({"budget": "abc"}, r"cache\.budget=abc: not a size"),
        ({"batch_size": 0}, "batch_size=0: must be at least 1"),
        ({"batch_size": -8}, "batch_size=-8: must be at least 1"),
        ({"device": "gpu"}, "device=gpu: did you mean 'cpu'"),
        ({"device": "cud"}, "device=cud: did you mean 'cuda'"),
        ({"models": {}}, "model set is empty"),
        ({"preprocessing": None}, "need a preprocessing"),
        ({"data": (np.zeros((20, 8, 8), np.uint8), np.zeros(19, int))}, "20 items but 19 labels"),
        ({"data": (np.zeros((0, 8, 8), np.uint8), np.zeros(0, int))}, "0 items"),
        ({"data": (np.zeros((1, 8, 8), np.uint8), np.zeros(1, int))}, "1 items"),
    ],
)
def test_invalid_settings_are_refused_in_one_line(modules: Modules, changes: dict[str, Any], message: str) -> None:
    arguments = {"models": {"first": modules["first"]}, "preprocessing": PREPROCESSING, **changes}
    with pytest.raises(ConfigError, match=message) as error:
        search(arguments.pop("models"), arguments.pop("data", None), **arguments)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="only where there is no CUDA device")
def test_a_missing_device_is_refused(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match="device=cuda: PyTorch finds no CUDA device"):
        search(family, device="cuda")


def test_fewer_items_than_classes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.items=9: fewer items than the 10 classes"):
        digits(9)


def test_an_unknown_way_of_sharing_brings_the_nearest() -> None:
    with pytest.raises(ConfigError, match="sharing=prefixes: did you mean 'prefix'"):
        Strategy(sharing="prefixes")


def test_duplicate_ids_are_refused(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match="two models have the id 'first'"):
        dataclasses.replace(family, candidates=(*family.candidates, family.candidates[0]))


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((20, 8, 8, 4), np.uint8),
        np.zeros((20, 64), np.uint8),
        np.zeros((20, 3, 8, 8, 3), np.uint8),
        np.full((20, 8, 8), 200.0, np.float32),
    ],
    ids=["four channels", "flat", "five dimensions", "floats"],
)
def test_items_that_are_no_images_are_refused(modules: Modules, images: np.ndarray) -> None:
    with pytest.raises(AlsatianError) as error:
        search({"first": modules["first"]}, (images, np.arange(20) % 2), preprocessing=PREPROCESSING)
    assert "\n" not in str(error.value)


class OneNumber(torch.nn.Module):
    """Returns one number an item, without a dimension for features."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1).sum(1)


def test_features_of_one_number_are_flattened_or_refused() -> None:
    """Anything but a traceback: a vector of length one, or an error that says what is expected."""
    try:
        result = search({"one": OneNumber()}, preprocessing=PREPROCESSING)
    except AlsatianError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert 0 <= result.rounds[-1].scores["one"] <= 1


@by_name
def test_a_missing_block_ends_the_search_with_its_name(
    modules: Modules, tmp_path: Path, strategy: Strategy
) -> None:
    models = ModelSet.from_modules(BlockStore(tmp_path), {"first": modules["first"]}, PREPROCESSING)
    path = models.store.block_path(models.candidates[0].blocks[2].identity)
    path.unlink()
    before = threading.active_count()
    with pytest.raises(StoreError, match="model 'first'") as error:
        search(models, strategy=strategy)
    assert str(path) in str(error.value)
    assert threading.active_count() == before


def test_an_interruption_ends_reading_ahead(family: ModelSet) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    largest = max(b.parameter_bytes for c in family.candidates for b in c.blocks)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        # There is room for one block read ahead, so the thread waits for the next to be used.
        search(
            family,
            strategy=dataclasses.replace(ALSATIAN, order=Given()),
            budget=Budgets(block_budget=2 * largest),
            progress=interrupt,
        )
    assert threading.active_count() == before


def test_progress_is_told_after_every_model(family: ModelSet) -> None:
    calls: list[int] = []
    search(family, strategy=BASE, progress=lambda: calls.append(1))
    assert len(calls) == 2 * 5  # its features, its score


def test_no_digests_unless_asked_for(family: ModelSet) -> None:
    assert all(r.fingerprints == {} for r in search(family, verify=False).rounds)


def test_scores_are_numbers(family: ModelSet) -> None:
    assert all(math.isfinite(s) for r in search(family).rounds for s in r.scores.values())


def test_the_random_state_is_left_alone(family: ModelSet) -> None:
    before = torch.random.get_rng_state()
    search(family)
    assert torch.equal(torch.random.get_rng_state(), before)
