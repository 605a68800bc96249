"""``alsatian.search``: from candidate models and labelled data to a ranking."""

import contextlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alsatian.blocks.store import BlockStore
from alsatian.budgets import Spill, divided_memory, limits_of, lower_tiers, resolve, working_set
from alsatian.costs.hardware import Hardware
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.costs.profiling.profile import profile
from alsatian.data.dataset import Dataset, make_dataset, raw_bytes
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, nearest
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import ModelSet
from alsatian.planning.vertices import vertex_rows
from alsatian.progress import Tick, unheard
from alsatian.proxies.base import Proxy
from alsatian.proxies.linear import Linear
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.engine import Engine
from alsatian.runtime.loading.settings import LoaderSettings, open_loader
from alsatian.runtime.memory import empty_device_cache
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.data_reader import DataReader
from alsatian.runtime.storage.page_cache import drop
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.adaptive import decided
from alsatian.searching.checkpoint import Checkpoint
from alsatian.searching.loop import ranked_models, run_rounds
from alsatian.searching.rounds import RoundResult, RoundRunner
from alsatian.searching.schedules import Adaptive
from alsatian.searching.strategy import Strategy
from alsatian.units import Budget


@dataclass(frozen=True)
class SearchResult:
    """What a search found and what it cost.

    Attributes:
        ranking: all models, best first: those that stayed longest, by the score of their last round;
            ties in the given order.
        rounds: every round with its scores.
        measurement: wall time, its parts, counters and peaks.
        excluded: models that could not be used, with the reason; they rank last.
        resolved: every budget by its setting: as ``requested``, and in ``bytes``, None for no limit; with a
            strategy that divides the device's memory itself also ``cache.memory``, the sum that it keeps to.
        tree: the task tree of the first round by vertex (see :mod:`~alsatian.planning.vertices`); None if it is
            very large, or if the search went on behind rounds that were finished before.
    """

    ranking: tuple[str, ...]
    rounds: tuple[RoundResult, ...]
    measurement: Measurement
    excluded: dict[str, str] = field(default_factory=dict)
    resolved: dict[str, Budget] = field(default_factory=dict)
    tree: list[dict[str, Any]] | None = None

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
    budget: int | float | str | None = None,
    spill: Spill | None = None,
    loader: LoaderSettings | None = None,
    storage: Storage | None = None,
    hardware: Hardware | None = None,
    device: str = "cpu",
    verify: bool = False,
    on_bad_model: str = "raise",
    checkpoint: Path | None = None,
    meter_level: str = "parts",
    timeline: bool = False,
    progress: Tick = unheard,
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
        budget: largest size of the cache of intermediates in the device's memory: bytes, ``"64MiB"``, or
            ``"25%"`` of the working set; None for no limit.
        spill: where intermediates go that do not fit there; nowhere by default.
        loader: which blocks stay at hand for later use and whether they are read ahead, if the strategy shares;
            by default up to 1 GiB of them, read ahead.
        storage: how the store and the data are read; at their own speed by default.
        hardware: what a machine needs, for strategies and schedules that decide by predicted time; by default this
            machine is measured before the clock starts, and what was measured is kept beside the store. Where
            that fails plans are the usual ones, and an adaptive schedule is halving.
        device: ``"cpu"`` or ``"cuda"``.
        verify: record a digest of all features with every score.
        on_bad_model: ``"raise"`` ends the search at a model with a damaged block, blocks that do not fit each
            other or features that are not finite; ``"exclude"`` goes on without it and ranks it last.
        checkpoint: a folder that keeps finished rounds; the same search called again goes on behind them.
        meter_level: ``"parts"``, or ``"total"`` to measure no parts of the wall time.
        timeline: collect what every thread does when, in ``measurement.timeline``.
        progress: called after every step of a plan.

    Returns:
        Ranking, rounds and measurement. Architectures are exported before the clock starts.

    Raises:
        AlsatianError: a setting, model or file is not usable; the message says which and why.
    """
    if batch_size < 1:
        raise ConfigError(f"batch_size={batch_size}: must be at least 1")
    strategy = strategy or Strategy()
    spill = spill or Spill()
    dataset = data if isinstance(data, Dataset) else make_dataset("data", *data)
    settings, regime = loader or LoaderSettings(), storage or Storage()
    scorer: Proxy = proxy or Linear()
    meter = Meter(resolve_device(device), meter_level, timeline, dataset.in_files)
    resolve(budget, spill)  # what cannot be read is refused before anything is done
    with contextlib.ExitStack() as stack:
        if not isinstance(models, ModelSet):
            if preprocessing is None:
                raise ConfigError("search: models given as modules need a preprocessing")
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="alsatian-"))
            models = ModelSet.from_modules(BlockStore(folder), models, preprocessing, device)
        batches = dataset.batches(batch_size)
        resolved = resolve(budget, spill, partial(working_set, models.candidates, strategy, batches))
        block_budgets = settings.resolve(models.distinct_bytes)
        resolved |= block_budgets
        blocks = stack.enter_context(
            open_loader(settings, block_budgets, models.store, regime, strategy.shares, meter)
        )
        lower = lower_tiers(resolved, spill, meter.device, stack)
        device_budget = resolved["cache.budget"].bytes
        if strategy.needs_costs or isinstance(strategy.schedule, Adaptive):
            known = hardware or _measured(models, dataset, scorer, batch_size, meter)
            if known is not None:
                item_bytes = raw_bytes(dataset.train_items) / len(dataset.train_items)
                keys = keys_for(known, models.candidates, models.segments)
                costs = CostModel.of(known, keys, regime, item_bytes)
                strategy = strategy.with_costs(costs)
                if isinstance(strategy.schedule, Adaptive):
                    strategy, facts = decided(
                        strategy, models.candidates, batches, costs, budget=budget, spill=spill, loader=settings
                    )
                    meter.event("schedule", **facts)
        cache = Cache(strategy.cache.fresh(), device_budget, meter, lower)
        items = DataReader(regime, meter)
        engine = Engine(models.segments, dataset, items, blocks, cache, scorer, meter, verify, progress)
        if regime.cold:
            drop({models.store.block_path(b.identity) for c in models.candidates for b in c.blocks})
        kept = None
        if checkpoint is not None:
            parts = [
                models.digest,
                dataset.digest,
                batch_size,
                repr(scorer),
                repr(strategy.schedule),
                device,
                verify,
            ]
            kept = Checkpoint(checkpoint, digest_json(parts))
        limits = limits_of(resolved, lower, strategy.shares and settings.keep)
        runner = RoundRunner(models.candidates, strategy, engine, meter, limits, on_bad_model)
        rounds, measurement = run_rounds(runner, batches, engine, meter, kept)
    ids = [candidate.id for candidate in models.candidates]
    ranking = ranked_models(ids, rounds, runner.failed)
    resolved |= divided_memory(strategy, limits)
    resumed = any(event["kind"] == "resumed" for event in measurement.events)
    tree = None if resumed or runner.first_plan is None else vertex_rows(runner.first_plan, runner.first_seconds)
    return SearchResult(ranking, tuple(rounds), measurement, dict(runner.failed), resolved, tree)


def _measured(models: ModelSet, dataset: Dataset, proxy: Proxy, batch_size: int, meter: Meter) -> Hardware | None:
    """What this machine needs, measured or kept from before; None if it cannot be measured.

    A bad model or a full memory, which may be why, is for the search to meet and to deal with.
    """
    try:
        return profile(models, dataset, proxy, batch_size, meter.device, models.store.root / "profiles")
    except Exception as error:
        empty_device_cache(meter.device)
        meter.event("profile", error=f"{type(error).__name__}: {error}".splitlines()[0])
        return None


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
