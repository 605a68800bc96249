"""Predicts a whole search."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.budgets import Spill, divided_memory, limits_of, resolve, working_set
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.fingerprint import digest_json
from alsatian.machines.timed.clock import VirtualClock
from alsatian.machines.timed.engine import Costed, PlannedRound, Scores, TimedEngine
from alsatian.machines.timed.loader import TimedLoader
from alsatian.machines.timed.segments import TimedTier, timed_segments
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.loading.settings import NO_LIMIT, LoaderSettings
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.meter import Meter
from alsatian.searching.loop import ranked_models, run_rounds
from alsatian.searching.rounds import RoundResult, RoundRunner
from alsatian.searching.strategy import Strategy
from alsatian.units import Budget


@dataclass(frozen=True)
class Prediction:
    """A search as it is predicted to go.

    Attributes:
        measurement: wall time, parts, counters and peaks under the names that a real search gives them.
        plans: every plan, with the measurement before and after it.
        rounds: every round with the scores it was simulated with.
        ranking: of the models by these scores.
        resolved: every budget by its setting.
    """

    measurement: Measurement
    plans: tuple[PlannedRound, ...]
    rounds: tuple[RoundResult, ...]
    ranking: tuple[str, ...]
    resolved: dict[str, Budget] = field(default_factory=dict)


def predict(
    candidates: Sequence[Candidate],
    batches: tuple[list[Batch], list[Batch]],
    costs: CostModel,
    *,
    strategy: Strategy | None = None,
    budget: int | float | str | None = None,
    spill: Spill | None = None,
    loader: LoaderSettings | None = None,
    scores: Scores | None = None,
    seed: int = 0,
    file_bytes: Mapping[str, int] | None = None,
) -> Prediction:
    """Predict the search of ``candidates`` over test and training ``batches``; nothing is read or computed.

    Args:
        candidates: chains of blocks; neither parameters nor code are needed.
        batches: of the test items and of the training items.
        costs: what everything takes.
        strategy, budget, spill, loader: as for :func:`alsatian.search`.
        scores: which models survive; by default a ranking drawn from ``seed``.
        file_bytes: sizes of block files by identity, where they differ from those of the parameters.
    """
    strategy, spill, settings = strategy or Strategy(), spill or Spill(), loader or LoaderSettings()
    strategy = strategy.with_costs(costs)
    clock = VirtualClock()
    meter = Meter(torch.device("cpu"), clock=clock)
    distinct = {b.identity: b.parameter_bytes for c in candidates for b in c.blocks}
    resolved = resolve(budget, spill, partial(working_set, candidates, strategy, batches))
    resolved |= settings.resolve(sum(distinct.values()))
    bytes_of: Callable[[str], int | None] = lambda name: resolved[f"cache.{name}"].bytes  # noqa: E731
    lower = [
        TimedTier(tier, bytes_of(f"{tier}_budget"), costs, clock)
        for tier in ("host", "ssd")
        if bytes_of(f"{tier}_budget") is not None
    ]
    keeps = strategy.shares and settings.keep
    blocks = TimedLoader(
        costs,
        clock,
        meter,
        (bytes_of("block_budget") or NO_LIMIT) if keeps else 0,
        host_budget=(bytes_of("block_host_budget") or 0) if keeps else 0,
        ahead=settings.read_ahead,
        copies=(bytes_of("block_ssd_budget") or 0) if strategy.shares else 0,
        # As published: who does not share has a file for every model.
        model_files=not strategy.shares,
        file_bytes=file_bytes,
    )
    cache = Cache(strategy.cache.fresh(), bytes_of("budget"), meter, lower)
    segments = timed_segments(candidates, costs, clock)
    engine = TimedEngine(segments, None, None, blocks, cache, None, meter)  # type: ignore[arg-type]
    engine.costed = Costed(costs, clock, scores or drawn_scores(seed), costs.item_bytes)
    limits = limits_of(resolved, lower, keeps)
    runner = RoundRunner(candidates, strategy, engine, meter, limits, "raise")
    with contextlib.closing(blocks):
        rounds, measurement = run_rounds(runner, batches, engine, meter, None)
    ids = [candidate.id for candidate in candidates]
    ranking = ranked_models(ids, rounds, runner.failed)
    resolved |= divided_memory(strategy, limits)
    return Prediction(measurement, tuple(engine.costed.rounds), tuple(rounds), ranking, resolved)


def drawn_scores(seed: int) -> Scores:
    """The same made-up score for a model in every round, in [0, 1)."""

    def score(model: str, train_items: int) -> float:
        return int(digest_json([seed, model])[:12], 16) / 16**12

    return score


def recorded_scores(rounds: Sequence[RoundResult]) -> Scores:
    """The scores of a search that was run."""
    known = {(model, r.train_items): score for r in rounds for model, score in r.scores.items()}
    return lambda model, train_items: known[model, train_items]
