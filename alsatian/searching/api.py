"""``alsatian.search``: from candidate models and labelled data to a ranking."""

import contextlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from alsatian.blocks.store import BlockStore
from alsatian.data.dataset import Batch, Dataset, make_dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import BudgetError, ConfigError, nearest
from alsatian.models.model_set import ModelSet
from alsatian.planning.plan import Plan
from alsatian.proxies.base import Proxy
from alsatian.proxies.linear import Linear
from alsatian.runtime.cache import Cache
from alsatian.runtime.engine import Engine
from alsatian.runtime.loader import BlockLoader
from alsatian.runtime.meter import Measurement, Meter
from alsatian.runtime.storage import Reader, Storage
from alsatian.searching.schedules import Round
from alsatian.searching.strategy import Strategy
from alsatian.tree import TaskTree
from alsatian.units import parse_bytes

DEFAULT_BLOCK_BUDGET = 1024**3
NO_LIMIT = 2**62  # bytes


@dataclass(frozen=True)
class RoundResult:
    """One round of a search.

    Attributes:
        train_items: training items that the scores are based on.
        scores: of every model of the round, in the round's order.
        fingerprints: digest of every model's features, if asked for with ``verify``.
        chunks: into how many chunks the budget divided the round's new data.
    """

    train_items: int
    scores: dict[str, float]
    fingerprints: dict[str, str]
    chunks: int


@dataclass(frozen=True)
class SearchResult:
    """What a search found and what it cost.

    Attributes:
        ranking: all models, best first: those that stayed longest, by the score of their last round;
            ties in the given order.
        rounds: every round with its scores.
        measurement: wall time, its parts, counters and peaks.
    """

    ranking: tuple[str, ...]
    rounds: tuple[RoundResult, ...]
    measurement: Measurement

    @property
    def winner(self) -> str:
        """The best model."""
        return self.ranking[0]


def search(
    models: ModelSet | Mapping[str, torch.nn.Module],
    data: Dataset | tuple[np.ndarray, np.ndarray],
    *,
    strategy: Strategy | None = None,
    proxy: Proxy | None = None,
    preprocessing: Preprocessing | None = None,
    batch_size: int = 128,
    budget: int | str | None = None,
    block_budget: int | str | None = DEFAULT_BLOCK_BUDGET,
    read_ahead: bool = True,
    storage: Storage | None = None,
    device: str = "cpu",
    verify: bool = False,
    progress: Callable[[], None] = lambda: None,
) -> SearchResult:
    """Rank candidate models by how well their features suit labelled data.

    Args:
        models: a model set, or feature extractors by id: modules that return features (N, D) or more
            dimensions, which are flattened. The latter need ``preprocessing``.
        data: a dataset, or raw images (N, H, W[, 3]) uint8 and integer labels (N,), of which a fifth will
            be test items.
        strategy: schedule, sharing, order and cache policy; Alsatian's by default.
        proxy: what scores features; the linear layer by default.
        batch_size: items of a batch, the same for every strategy.
        budget: largest size of the cache of intermediates, in bytes or as ``"64MiB"``; None for no limit.
        block_budget: largest size of the blocks that stay in memory for later use, if the strategy shares;
            None for no limit.
        read_ahead: read the next blocks beside the work on the current ones, if the strategy shares.
        storage: how the store is read; at its own speed by default.
        device: ``"cpu"`` or ``"cuda"``.
        verify: record a digest of all features with every score.
        progress: called after every step of a plan.

    Returns:
        Ranking, rounds and measurement. Architectures are exported before the clock starts.

    Raises:
        AlsatianError: a setting, model or file is not usable; the message says which and why.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size}: must be at least 1")
    strategy = strategy or Strategy()
    dataset = data if isinstance(data, Dataset) else make_dataset("data", *data)
    cache_budget = parse_bytes(budget, "cache.budget")
    resident = (parse_bytes(block_budget, "block_budget") or NO_LIMIT) if strategy.shares else 0
    scorer: Proxy = proxy or Linear()
    ahead = read_ahead and strategy.shares
    meter = Meter(resolve_device(device))
    with contextlib.ExitStack() as stack:
        if not isinstance(models, ModelSet):
            if preprocessing is None:
                raise ConfigError("search: models given as modules need a preprocessing")
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="alsatian-"))
            models = ModelSet.from_modules(BlockStore(folder), models, preprocessing, device)
        loader = BlockLoader(models.store, Reader(storage or Storage()), meter, resident)
        cache = Cache(strategy.cache.fresh(), cache_budget, meter)
        engine = Engine(models.segments, dataset, loader, cache, scorer, meter, ahead, verify, progress)
        return _run(models, strategy, dataset.batches(batch_size), engine, meter, cache_budget)


def resolve_device(name: str) -> torch.device:
    """The device called ``name``.

    Raises:
        ConfigError: this machine or this build of PyTorch has no such device.
    """
    if name not in ("cpu", "cuda"):
        raise ConfigError(f"device={name}: {nearest(name, ['cpu', 'cuda'])}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda: PyTorch finds no CUDA device here; use device=cpu")
    return torch.device(name)


def _run(
    models: ModelSet,
    strategy: Strategy,
    batches: tuple[list[Batch], list[Batch]],
    engine: Engine,
    meter: Meter,
    budget: int | None,
) -> SearchResult:
    """All rounds, on the clock."""
    test, train = batches
    ids = [candidate.id for candidate in models.candidates]
    rounds: list[RoundResult] = []
    meter.start()
    with meter.part("planning"):
        whole = TaskTree.of(models.candidates, strategy.shares)
        branches = whole.compress()
        pending = strategy.rounds(ids, len(train))
        upcoming: Round | None = next(pending)
    while upcoming is not None:
        seen = train[: upcoming.train_batches]
        with meter.part("planning"):
            plans = [
                _plan(strategy, whole, branches, group, missing, budget)
                for missing, group in _by_missing(engine, upcoming.models, (*test, *seen)).items()
            ]
        scores: dict[str, float] = {}
        for plan in plans:
            scores.update(engine.execute(plan, test, seen))
        meter.settle()
        with meter.part("other"):
            rounds.append(
                RoundResult(
                    train_items=sum(batch.items for batch in seen),
                    scores={model: scores[model] for model in upcoming.models},
                    fingerprints={m: engine.fingerprints[m] for m in upcoming.models if m in engine.fingerprints},
                    chunks=max(len(plan.chunks) for plan in plans),
                )
            )
            try:
                upcoming = pending.send(rounds[-1].scores)
            except StopIteration:
                upcoming = None
            engine.features.keep_only(upcoming.models if upcoming else ())
    return SearchResult(_ranking(ids, rounds), tuple(rounds), meter.finish())


def _plan(
    strategy: Strategy,
    whole: TaskTree,
    branches: TaskTree,
    models: Sequence[str],
    batches: Sequence[Batch],
    budget: int | None,
) -> Plan:
    """The plan of ``models`` on the tree of just these models.

    Compressing it joins two intermediates that lay on both sides of a branch that is gone, and both are
    held at once. A small one between them lets the first go earlier: keeping the branches of all models
    (``branches``) never needs more cache than the first round did.
    """
    try:
        return strategy.plan(whole.prune(models).compress(), models, batches, budget)
    except BudgetError:
        return strategy.plan(branches.prune(models), models, batches, budget)


def _by_missing(
    engine: Engine, models: Sequence[str], batches: Sequence[Batch]
) -> dict[tuple[Batch, ...], list[str]]:
    """``models`` by the batches of which they lack features. With halving all lack the same."""
    groups: dict[tuple[Batch, ...], list[str]] = {}
    for model in models:
        groups.setdefault(engine.features.missing(model, batches), []).append(model)
    return groups


def _ranking(ids: Sequence[str], rounds: Sequence[RoundResult]) -> tuple[str, ...]:
    """Models by the last round they were in, then by their score in it, then as given."""
    last = {model: (i, result.scores[model]) for i, result in enumerate(rounds) for model in result.scores}
    never = (-1, 0.0)  # a schedule may leave a model out altogether
    return tuple(sorted(ids, key=lambda model: tuple(-value for value in last.get(model, never))))
