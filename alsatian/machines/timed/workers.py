"""Many workers on virtual clocks: each has a machine of its own, and a round takes as long as the slowest."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.segment import Segment
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch
from alsatian.machines.timed.clock import VirtualClock
from alsatian.machines.timed.machine import PREDICTED, PlannedRound, Scores, timed_machine
from alsatian.machines.timed.segments import timed_segments
from alsatian.planning.distribution.costs import Costs
from alsatian.planning.distribution.distribute import distribute
from alsatian.planning.distribution.distribution import Distribution, Worker
from alsatian.planning.plan import Plan
from alsatian.proxies.base import Evaluation
from alsatian.runtime.engine import Engine
from alsatian.runtime.features import Features
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.scorer import Scored
from alsatian.tree import TaskTree

MOST = 20_000
"""Candidates times workers for which every worker has a timed machine; of more, the cut's own estimate is taken."""
Planner = Callable[[TaskTree, Sequence[str], Sequence[Batch]], Plan]
"""The plan of some models on the compressed tree of just these, for these batches."""


@dataclass(eq=False)
class TimedWorkers:
    """A :class:`~alsatian.machines.base.Machine` of ``workers`` that are predicted.

    Attributes:
        planner: of a worker's portions.
        engines: of every worker, by name; none if the cut's estimate is taken.
        rounds: what was carried out.
    """

    workers: Sequence[Worker]
    costs: CostModel
    scores: Scores
    planner: Planner
    engines: Mapping[str, Engine]
    clock: VirtualClock
    meter: Meter
    read_ahead: bool
    segments: Mapping[str, Segment]
    keeps: bool = True
    rounds: list[PlannedRound] = field(default_factory=list)
    _home: dict[str, str] = field(default_factory=dict)
    _has: dict[str, frozenset[int]] = field(default_factory=dict)
    _estimated: dict[str, Measurement] = field(default_factory=dict)

    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scored: dict[str, Scored]) -> None:
        before, models = self.meter.so_far(), plan.tree.all_models()
        batches = sorted({batch for chunk in plan.chunks for batch in chunk}, key=lambda batch: batch.index)
        items = [sum(batch.items for batch in part) for part in (train, test)]
        size = max((batch.items for batch in batches), default=1)
        kinds = len({batch.test for batch in batches})
        costs = Costs.of(self.costs, size, items[0], items[1], self.read_ahead, kinds)
        held = sum(items) - sum(batch.items for batch in batches)
        homes = {model: self._home[model] for model in models if model in self._home}
        found = distribute(plan.tree, models, batches, self.workers, costs, homes, held)
        # Behind a round that was estimated nobody has features.
        portions = [portion for own in found.portions.values() for portion in own]
        exact = bool(self.engines) and not self._estimated
        exact = exact and all(len(portion.batches) == len(batches) for portion in portions)
        found = replace(found, note=f"{found.note}; told by {'timed machines' if exact else 'the cut itself'}")
        self.meter.event("distribution", **found.facts())
        seconds = self._carried_out(plan, found, test, train, scored) if exact else dict(found.seconds)
        if not exact:
            scored |= {m: Scored({PREDICTED: Evaluation(self.scores(m, items[0]))}) for m in models}
            self._estimate(found)
        with self.meter.stalled("other"):
            self.clock.advance(max(seconds.values(), default=0.0))
        self._home |= {m: name for name, own in found.portions.items() for p in own for m in p.models}
        has = frozenset(batch.index for batch in (*test, *train))
        self._has |= dict.fromkeys(models, has)
        counts = [Counter(range(len(plan.tree))) for _ in plan.chunks]
        self.rounds.append(PlannedRound(plan, items[0], before, self.meter.so_far(), counts, found))

    def expect(self, train: Sequence[Batch]) -> None:
        """Which models a worker will have in later rounds is not known: nothing is computed ahead."""

    def missing(self, model: str, batches: Sequence[Batch]) -> tuple[Batch, ...]:
        has = self._has.get(model, frozenset())
        return tuple(batch for batch in batches if batch.index not in has)

    def keep_only(self, models: Iterable[str]) -> None:
        kept = set(models)
        self._home = {model: name for model, name in self._home.items() if model in kept}
        self._has = {model: has for model, has in self._has.items() if model in kept}
        for name, engine in self.engines.items():
            engine.keep_only(kept)
            self.meter.workers.hear(name, engine.meter.so_far(), 0.0)

    def held(self) -> Features:
        """There is nothing to keep."""
        return {}

    def restore(self, features: Features) -> None:
        self._has |= {model: frozenset(batches) for model, batches in features.items()}
        for engine in self.engines.values():
            engine.restore(features)

    def give_up(self) -> None:
        """Nothing takes memory."""

    def fitting_batch(self) -> int:
        """Nothing takes memory."""
        return 0

    def _carried_out(
        self, plan: Plan, found: Distribution, test: Sequence[Batch], train: Sequence[Batch],
        scored: dict[str, Scored],
    ) -> dict[str, float]:  # fmt: skip
        """Seconds by worker, each on its own clock."""
        seconds = {}
        for name, own in found.portions.items():
            engine = self.engines[name]
            begin = engine.meter.spent()[0]
            for portion in own:
                self._fetch(name, portion.models)
                models = list(portion.models)
                whole = len(models) == len(plan.tree.all_models())
                part = plan if whole else self.planner(plan.tree.prune(models).compress(), models, portion.batches)
                engine.execute(part, test, train, scored)
            seconds[name] = engine.meter.spent()[0] - begin
            self.meter.workers.hear(name, engine.meter.so_far(), 0.0)
            self.meter.best_s.update(engine.meter.best_s)
        return seconds

    def _fetch(self, name: str, models: Sequence[str]) -> None:
        """Features of ``models`` that other workers hold come to the worker called ``name``."""
        engine = self.engines[name]
        away: Features = {}
        for model in models:
            if self._home.get(model, name) != name:
                away[model] = self.engines[self._home[model]].held()[model]
        nbytes = sum(tensor.nbytes for batches in away.values() for tensor in batches.values())
        with engine.meter.part("other"):
            engine.meter.clock.advance(nbytes / self.costs.bandwidth)  # type: ignore[union-attr]
        engine.restore(away)

    def _estimate(self, found: Distribution) -> None:
        """Every worker did what ``found`` says, beside what it did before."""
        for name, parts in found.parts_s.items():
            old = self._estimated.get(name, Measurement(0.0, {}, {}, {}))
            total = {part: old.parts_s.get(part, 0.0) + seconds for part, seconds in parts.items()}
            read = old.counters.get("bytes_read", 0) + found.read_bytes[name]
            self._estimated[name] = Measurement(sum(total.values()), total, {"bytes_read": read}, {})
            self.meter.workers.hear(name, self._estimated[name], 0.0)


@contextlib.contextmanager
def timed_workers(
    workers: Sequence[Worker],
    candidates: Sequence[Candidate],
    costs: CostModel,
    scores: Scores,
    planner: Planner,
    **settings: Any,
) -> Iterator[TimedWorkers]:
    """The machine of a search of ``candidates`` on ``workers`` that is predicted.

    Every worker has the budgets of the search and the bandwidth of the store for itself. The further arguments are
    those of :func:`~alsatian.machines.timed.machine.timed_machine`.
    """
    clock = VirtualClock()
    loader = replace(settings.pop("loader"), compute_ahead=False)
    alike = all(worker.speed == 1.0 and worker.bandwidth is None for worker in workers)
    with contextlib.ExitStack() as stack:
        engines = {}
        if alike and len(workers) * len(candidates) <= MOST:
            for worker in workers:
                machine = timed_machine(candidates, costs, scores, loader=loader, **settings)
                engines[worker.name] = stack.enter_context(machine)[0]
        segments = timed_segments(candidates, costs, clock) if engines else {}
        meter = Meter(torch.device("cpu"), clock=clock)
        yield TimedWorkers(workers, costs, scores, planner, engines, clock, meter, loader.read_ahead, segments)
