"""One search, whatever the machine: what it is made of, how it is carried out or predicted, and what it gives."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from alsatian.blocks.candidate import Candidate, chain_bytes
from alsatian.budgets import Budgets, Resolved, Size, working_set
from alsatian.costs.limit import Rates, limit_of
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch, upto
from alsatian.machines.base import Machine
from alsatian.machines.timed.machine import PlannedRound, Scores, stand_ins, timed_machine
from alsatian.machines.timed.workers import timed_workers
from alsatian.planning.distribution.distribution import Worker
from alsatian.planning.limits import Limits
from alsatian.planning.vertices import vertex_rows
from alsatian.records.data import DataSummary
from alsatian.runtime.features import Features
from alsatian.runtime.layers import WHOLE, Layers
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.measurement import Measurement
from alsatian.searching.checkpoint import Checkpoint
from alsatian.searching.contract import plan_of, rounds_of
from alsatian.searching.loop import ranked_models, run_rounds
from alsatian.searching.round_result import RoundResult
from alsatian.searching.rounds import RoundRunner
from alsatian.searching.schedules import Adaptive, RoundScores
from alsatian.searching.scores import drawn_scores
from alsatian.searching.strategy import Strategy
from alsatian.searching.watcher import Watcher
from alsatian.tree import TaskTree
from alsatian.units import Budget

Batches = tuple[list[Batch], list[Batch]]
"""Of the test items, and of the training items."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found and what it cost.

    Attributes:
        ranked: all models, best first: those that stayed longest, by the score of their last round;
            ties in the given order.
        rounds: every round with its scores.
        measurement: wall time, its parts, counters and peaks.
        excluded: models that could not be used, with the reason; they rank last.
        resolved: every budget by its setting: as ``requested``, and in ``bytes``, None for no limit; with a
            strategy that divides the device's memory itself also ``cache.memory``, the sum that it keeps to.
        tree: the task tree of the first round by vertex (see :mod:`~alsatian.planning.vertices`); None if it is
            very large, or if the search went on behind rounds that were finished before.
        data: what the data was made of, if that is known.
    """

    ranked: tuple[str, ...]
    rounds: tuple[RoundResult, ...]
    measurement: Measurement
    excluded: dict[str, str] = field(default_factory=dict)
    resolved: dict[str, Budget] = field(default_factory=dict)
    tree: list[dict[str, Any]] | None = None
    data: DataSummary | None = None

    @property
    def winner(self) -> str:
        """The best model."""
        return self.ranked[0]

    def without(self, refused: Mapping[str, str]) -> "SearchResult":
        """The same result, with models that were ``refused`` before the search ranked last, with the reason."""
        if not refused:
            return self
        return replace(self, ranked=(*self.ranked, *refused), excluded={**refused, **self.excluded})


@dataclass(frozen=True)
class Prediction(SearchResult):
    """A search as it is predicted to go, with the scores that it was predicted for.

    Attributes:
        plans: every plan, with the measurement before and after it.
    """

    plans: tuple[PlannedRound, ...] = ()


@dataclass(frozen=True)
class Search:
    """What a search is, whatever the machine: candidates, data, strategy and budgets.

    ``decision`` says how an adaptive schedule was decided, if it is one, and ``layers`` which candidates are layers
    of which model.
    """

    candidates: Sequence[Candidate]
    batches: Batches
    strategy: Strategy
    loader: LoaderSettings
    budgets: Resolved
    decision: Mapping[str, Any] | None = None
    layers: Layers = WHOLE

    @classmethod
    def of(
        cls,
        candidates: Sequence[Candidate],
        batches: Batches,
        strategy: Strategy | None,
        loader: LoaderSettings | None,
        budget: Budgets | Size,
        layers: Layers = WHOLE,
    ) -> "Search":
        """With the usual settings in place of None, and every budget in bytes."""
        strategy = strategy or Strategy()

        def usable() -> int:
            test, train = batches
            first = next(rounds_of(strategy, layers.models([c.id for c in candidates]), train))
            items = sum(batch.items for batch in (*test, *upto(train, first.train_items)))
            return working_set(candidates, layers.candidates(first.models), items)

        resolved = Budgets.of(budget).resolve(usable, chain_bytes(model.blocks for model in candidates)[1])
        return cls(candidates, batches, strategy, loader or LoaderSettings(), resolved, layers=layers)

    def with_costs(self, costs: CostModel) -> "Search":
        """By a strategy that knows the costs, an adaptive schedule decided.

        Which models survive a round is not known before; the prediction takes an arbitrary half.
        """
        strategy = self.strategy.with_costs(costs)
        schedule = strategy.schedule
        if not isinstance(schedule, Adaptive):
            return replace(self, strategy=strategy)
        tries = {
            choice: replace(self, strategy=replace(strategy, schedule=choice)) for choice in schedule.choices()
        }
        seconds = {
            choice: tried.predict(costs, drawn_scores(0)).measurement.wall_s for choice, tried in tries.items()
        }
        best = min(seconds, key=lambda choice: seconds[choice])
        facts = {"chosen": best.name, "predicted_s": {choice.name: wall for choice, wall in seconds.items()}}
        return replace(tries[best], decision=facts)

    @property
    def limits(self) -> Limits:
        """What plans have to keep to."""
        return self.budgets.limits(self.strategy.shares and self.loader.keep, self.strategy.divides_memory)

    @property
    def hangs_on_costs(self) -> bool:
        """Whether what things take decides about the schedule or a plan."""
        if not self.strategy.needs_costs or isinstance(self.strategy.schedule, Adaptive):
            return isinstance(self.strategy.schedule, Adaptive)
        # Fewer models never need more.
        most = max((new for _, new in self._foreseen()), key=lambda new: sum(batch.items for batch in new))
        return not self.strategy.settled(self.candidates, most, self.limits)

    def block_runs(self) -> int:
        """Runs of one block on one item if nothing is computed twice, whichever models survive; those that only
        layers need are left out."""
        models = [c for c in self.candidates if self.layers.model_of(c.id) == c.id]
        tree = TaskTree.of(models, self.strategy.shares)
        return sum(sum(batch.items for batch in new) * len(tree.prune(left)) for left, new in self._foreseen())

    def _foreseen(self) -> list[tuple[tuple[str, ...], list[Batch]]]:
        """The models of every round and the batches that it adds; which models survive is made up."""
        test, train = self.batches
        pending = rounds_of(self.strategy, self.layers.models([c.id for c in self.candidates]), train)
        rounds: list[tuple[tuple[str, ...], list[Batch]]] = []
        upcoming, scores, done = next(pending), drawn_scores(0), 0
        with contextlib.suppress(StopIteration):
            while True:
                new = [batch for batch in upto(train, upcoming.train_items) if batch.start >= done]
                rounds.append((tuple(upcoming.models), new if rounds else [*test, *new]))
                done = max(done, upcoming.train_items)
                upcoming = pending.send(RoundScores({model: scores(model, 0) for model in upcoming.models}))
        return rounds

    def predict(
        self,
        costs: CostModel,
        scores: Scores,
        file_bytes: Mapping[str, int] | None = None,
        known: Features | None = None,
        workers: Sequence[Worker] = (),
    ) -> Prediction:
        """Search on a virtual clock, or of every one of ``workers``, where features are ``known`` from before."""

        def of_model(candidate: str, train_items: int) -> float:
            return scores(self.layers.model_of(candidate), train_items)

        if workers:
            planner = partial(plan_of, self.strategy, limits=self.limits)
            settings = {"file_bytes": file_bytes, **self.for_machine()}
            with timed_workers(workers, self.candidates, costs, of_model, planner, **settings) as several:
                found = self.run(several)
                if several.segments:
                    rates = Rates(several.meter.best_s, costs.bandwidth, parts=costs.parts)
                    found = self.limited(found, several, rates)
                return Prediction(**vars(found), plans=tuple(several.rounds))
        machine = timed_machine(self.candidates, costs, of_model, file_bytes=file_bytes, **self.for_machine())
        with machine as (engine, log):
            engine.restore(stand_ins(known or {}))
            found = self.run(engine)
            rates = Rates(engine.meter.best_s, costs.bandwidth, parts=costs.parts)
            return Prediction(**vars(self.limited(found, engine, rates, known)), plans=tuple(log.rounds))

    def limited(
        self, found: SearchResult, machine: Machine, rates: Rates, known: Features | None = None
    ) -> SearchResult:
        """``found`` on ``machine`` with the limit in its measurement; some features were ``known`` from before."""
        test, train = self.batches
        needed: dict[str, int] = {}
        for finished in (r for r in found.rounds if r.train_items):  # other scores take no data
            used = [*test, *(batch for batch in train if batch.stop <= finished.train_items)]
            for model in self.layers.candidates(finished.scores):
                own = (known or {}).get(model, ())
                needed[model] = needed.get(model, 0) | sum(1 << b.index for b in used if b.index not in own)
        sizes = [batch.items for batch in (*test, *train)]
        limit = limit_of(self.candidates, needed, sizes, machine.segments, found.measurement, rates)
        return replace(found, measurement=replace(found.measurement, limit=limit))

    def for_machine(self) -> dict[str, Any]:
        """Arguments that every machine takes."""
        cache, shares = self.strategy.cache, self.strategy.shares
        budgets, layers = self.budgets, self.layers
        return {"policy": cache, "shares": shares, "budgets": budgets, "loader": self.loader, "layers": layers}

    def run(
        self,
        machine: Machine,
        on_bad_model: str = "raise",
        checkpoint: Checkpoint | None = None,
        watcher: Watcher | None = None,
    ) -> SearchResult:
        """Search on ``machine``; ``watcher`` is told of rounds and plans, and by the machine of steps."""
        if self.decision is not None:
            machine.meter.event("schedule", **self.decision)
        limits = self.limits
        runner = RoundRunner(self.candidates, self.strategy, machine, limits, on_bad_model, watcher, self.layers)
        rounds, measurement = run_rounds(runner, self.batches, machine, checkpoint, watcher)
        ranked = ranked_models(runner.models, rounds, runner.failed)
        resolved = self.budgets.as_dict()
        if self.strategy.divides_memory and limits.memory is not None:
            resolved["cache.memory"] = Budget(None, limits.memory)
        plan = None if any(e["kind"] == "resumed" for e in measurement.events) else runner.first_plan
        tree = None if plan is None else vertex_rows(plan, runner.first_seconds)
        return SearchResult(ranked, tuple(rounds), measurement, dict(runner.failed), resolved, tree)
