"""A full memory and bad models: what happens is recorded, and no other result changes."""

import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch.fx import Graph, GraphModule

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment, State
from alsatian.data.dataset import Batch
from alsatian.errors import AlsatianError, BadModelError, ConfigError, OutOfMemoryError, StoreError
from alsatian.models.model_set import ModelSet
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan, Score
from alsatian.runtime.cache.cache import Cache
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from alsatian.tree import TaskTree
from tests.searching.tiny_search import (
    ALSATIAN,
    BATCH,
    PREPROCESSING,
    SHARED_PREFIX,
    Known,
    by_name,
    check,
    first,
    outcomes,
    search,
    troubles,
)


@dataclasses.dataclass(frozen=True)
class Watched(Segment):
    """A segment that asks before every call whether the memory is full."""

    full: Callable[[int], bool] = dataclasses.field(default=lambda _: False, compare=False)

    def __call__(self, state: State, parameters: object) -> State:
        if self.full(len(state[0])):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate a lot")
        return super().__call__(state, parameters)  # type: ignore[arg-type]


def watched(models: ModelSet, full: Callable[[int], bool]) -> ModelSet:
    segments = {
        identity: Watched(s.fingerprint, s.parameter_names, s.trainable, s.output_bytes, s.code, full)
        for identity, s in models.segments.items()
    }
    return dataclasses.replace(models, segments=segments)


@pytest.fixture
def caches(monkeypatch: pytest.MonkeyPatch) -> list[Cache]:
    """The caches that searches make."""
    made: list[Cache] = []
    original = Cache.__init__

    def init(self: Cache, *args: object, **kwargs: object) -> None:
        original(self, *args, **kwargs)  # type: ignore[arg-type]
        made.append(self)

    monkeypatch.setattr(Cache, "__init__", init)
    return made


@by_name
def test_a_memory_that_is_full_once_gives_up_what_is_resident(
    family: ModelSet, truth: Known, strategy: Strategy
) -> None:
    calls: Iterator[int] = iter(range(10**9))
    result = search(watched(family, lambda _: next(calls) == 7), strategy=strategy)
    check(result, truth)
    assert [event["action"] for event in troubles(result)] == ["gave up resident blocks and intermediates"]
    assert outcomes(result) == outcomes(search(family, strategy=strategy))


@pytest.mark.parametrize("strategy", [SHARED_PREFIX, ALSATIAN], ids=lambda s: s.name)
def test_chunks_shrink_until_they_fit(
    family: ModelSet, truth: Known, strategy: Strategy, caches: list[Cache]
) -> None:
    """Intermediates of more than one batch are too many."""
    whole = search(family, strategy=strategy)
    one_batch = whole.measurement.peaks["cache_bytes"] * BATCH // 24  # the first round has 24 items
    result = search(watched(family, lambda _: caches[-1].used > one_batch), strategy=strategy)
    check(result, truth)
    assert outcomes(result) == outcomes(whole)
    shrunk = [event["chunk_batches"] for event in result.measurement.events if "chunk_batches" in event]
    assert shrunk == [1]
    assert result.rounds[0].chunks == 3


@pytest.mark.parametrize("strategy", [SHARED_PREFIX, ALSATIAN], ids=lambda s: s.name)
def test_without_room_for_any_intermediate_every_model_starts_from_the_data(
    family: ModelSet, truth: Known, strategy: Strategy, caches: list[Cache]
) -> None:
    result = search(watched(family, lambda _: caches[-1].used > 0), strategy=strategy)
    check(result, truth)
    assert outcomes(result) == outcomes(search(family, strategy=strategy))
    assert troubles(result)[-1]["action"] == "keeps no intermediates"
    assert (
        result.measurement.counters["block_items"]
        > search(family, strategy=strategy).measurement.counters["block_items"]
    )


@by_name
def test_if_not_one_batch_fits_the_error_names_the_size_that_does(family: ModelSet, strategy: Strategy) -> None:
    with pytest.raises(OutOfMemoryError, match="batch_size=2 fits"):
        search(watched(family, lambda items: items > 2), strategy=strategy)
    result = search(watched(family, lambda items: items > 2), strategy=strategy, batch_size=2)
    assert not troubles(result)


def test_if_not_one_item_fits_the_error_says_so(family: ModelSet) -> None:
    with pytest.raises(OutOfMemoryError, match="not hold a single item"):
        search(watched(family, lambda _: True))


def damaged(family: ModelSet, model: str, folder: Path) -> ModelSet:
    """The same models in a store in which the last block of ``model`` is cut short."""
    store = BlockStore(folder / "store")
    shutil.copytree(family.store.root, store.root)
    last = next(c for c in family.candidates if c.id == model).blocks[-1]
    path = store.block_path(last.identity)
    path.write_bytes(path.read_bytes()[:-4])
    return dataclasses.replace(family, store=store)


@by_name
def test_models_with_a_damaged_block_are_left_out_alike(
    family: ModelSet, truth: Known, strategy: Strategy, tmp_path: Path
) -> None:
    """The block belongs to two models, which are identical; the other three rank as they do alone."""
    models = damaged(family, "second", tmp_path)
    with pytest.raises(StoreError, match=r"damaged block of model '(second|twin)'"):
        search(models, strategy=strategy)
    result = search(models, strategy=strategy, on_bad_model="exclude")
    check(result, truth)
    assert set(result.excluded) == {"second", "twin"}
    assert set(result.ranked[-2:]) == {"second", "twin"}
    assert set(result.rounds[0].failed) == {"second", "twin"}
    assert all("damaged block" in reason for reason in result.excluded.values())
    assert {event["model"] for event in troubles(result)} == {"second", "twin"}
    assert set(result.rounds[0].scores) == {"first", "third", "alone"}


def with_extra(family: ModelSet, code: torch.nn.Module | Callable[..., object], output_bytes: int) -> ModelSet:
    """The family and one more model, ``bad``: the first one's first two blocks and then ``code``."""
    graph = Graph()
    graph.output((graph.call_function(code, (graph.placeholder("s0"),)),))
    segment = Segment("extra", (), (), output_bytes, GraphModule({}, graph))
    with family.store.adding() as adding:
        block = adding.add_block("extra", [], output_bytes)
    bad = Candidate("bad", (*family.candidates[0].blocks[:2], block), None, PREPROCESSING)
    return dataclasses.replace(
        family, candidates=(bad, *family.candidates), segments={**family.segments, block.identity: segment}
    )


def no_numbers(state: torch.Tensor) -> torch.Tensor:
    return torch.full_like(state, float("nan"))


def too_long(state: torch.Tensor) -> torch.Tensor:
    return state @ torch.zeros(999, 2)


BAD: Mapping[str, tuple[Callable[..., object], str]] = {
    "not finite": (no_numbers, "features are not finite"),
    "shapes": (too_long, "a block cannot process what comes before it"),
}


@by_name
@pytest.mark.parametrize("kind", BAD)
def test_bad_models_are_refused_or_left_out(family: ModelSet, truth: Known, strategy: Strategy, kind: str) -> None:
    code, message = BAD[kind]
    models = with_extra(family, code, family.candidates[0].blocks[1].output_bytes)
    with pytest.raises(BadModelError, match=f"model 'bad': .*{message}"):
        search(models, strategy=strategy)
    result = search(models, strategy=strategy, on_bad_model="exclude")
    check(result, truth)
    assert result.excluded.keys() == {"bad"}
    assert result.ranked[-1] == "bad"
    assert result.winner != "bad"
    assert set(result.rounds[0].scores) == {c.id for c in family.candidates}


def test_without_any_good_model_the_search_fails(family: ModelSet) -> None:
    models = first(with_extra(family, no_numbers, family.candidates[0].blocks[1].output_bytes), 1)
    with pytest.raises(BadModelError, match="no candidate model can be used"):
        search(models, on_bad_model="exclude")


def test_an_unknown_way_to_treat_bad_models(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match="did you mean 'exclude'"):
        search(family, on_bad_model="exclud")


def test_other_errors_are_not_taken_for_a_full_memory_or_a_bad_model(family: ModelSet) -> None:
    def broken(_: int) -> bool:
        raise KeyError("a mistake in the code")

    with pytest.raises(KeyError):
        search(watched(family, broken), on_bad_model="exclude")


class Greedy:
    """A proxy that never has enough memory, and notices a search that does not end."""

    name: ClassVar[str] = "greedy"

    def __init__(self) -> None:
        self.calls = 0

    def score(self, *_: object) -> float:
        self.calls += 1
        assert self.calls < 100
        raise torch.OutOfMemoryError("CUDA out of memory")


@by_name
@pytest.mark.parametrize("count", [1, 5])
def test_a_memory_that_stays_full_while_scoring_ends_the_search(
    family: ModelSet, strategy: Strategy, count: int
) -> None:
    with pytest.raises(OutOfMemoryError, match="the features of all items"):
        search(first(family, count), strategy=strategy, proxies=Greedy())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Forgetful(Strategy):
    """Plans no score of the last of several models, but extracts its features."""

    name: str = "forgetful"

    def plan(self, tree: TaskTree, models: Sequence[str], batches: Sequence[Batch], limits: Limits) -> Plan:
        plan = super().plan(tree, models, batches, limits)
        steps = [
            step for step in plan.steps if not isinstance(step, Score) or "alone" not in tree.models[step.vertex]
        ]
        return dataclasses.replace(plan, steps=tuple(steps))


def test_a_plan_that_makes_no_progress_ends_the_search(family: ModelSet) -> None:
    with pytest.raises(AlsatianError, match=r"strategy=forgetful: the plan of round 1 .*without score: alone$"):
        search(family, strategy=Forgetful())
    with pytest.raises(AlsatianError, match=r"without score: alone$"):
        search(family, strategy=Forgetful(sharing="none", schedule=Exhaustive()))


class Second:
    """Scores well in the first round; in later ones the score of models is no number."""

    name: ClassVar[str] = "second"

    def score(self, train_x: torch.Tensor, *_: object) -> float:
        return 1.0 if len(train_x) <= 16 else float("nan")


def test_a_round_in_which_all_models_fail_has_no_scores_and_no_digests_of_earlier_rounds(family: ModelSet) -> None:
    result = search(family, proxies=Second(), on_bad_model="exclude")
    assert result.rounds[0].scores.keys() == result.rounds[0].fingerprints.keys()
    assert result.rounds[0].scores
    for later in result.rounds[1:]:
        assert later.scores == later.fingerprints == {}
        assert later.failed
    assert result.winner not in result.excluded
