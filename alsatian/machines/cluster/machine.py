"""The head of a search on many workers: cuts a round into portions, hands them out, and knows where features are."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from alsatian.blocks.segment import Segment
from alsatian.data.dataset import Batch
from alsatian.errors import AlsatianError, BadModelError, OutOfMemoryError
from alsatian.machines.cluster.messages import Report, Task
from alsatian.machines.cluster.pool import Handle, Outcome, Pool
from alsatian.planning.distribution.distribution import Distribution
from alsatian.planning.plan import Plan
from alsatian.progress import Tick, unheard
from alsatian.runtime.features import Features
from alsatian.runtime.layers import WHOLE, Layers
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.scorer import Scored

MOST_LOSSES = 3
"""Workers that may be lost with one task, before it is taken for what ends them."""

Cut = Callable[[Plan, Sequence[Batch], Mapping[str, str]], Distribution]
"""Who does what of a plan on these batches, where models' features so far are held by these workers."""


@dataclass(frozen=True)
class _Held:
    """Features of one model on some batches, by their indices."""

    handle: Handle
    batches: frozenset[int]


@dataclass
class _Portion:
    """A task with the models whose scores wait for it, and how many workers were lost with it."""

    task: Task
    losses: int = 0


@dataclass(eq=False)
class ClusterMachine:
    """Carries out the plans of one search on the workers of ``pool``: a :class:`~alsatian.machines.base.Machine`.

    Scores come back, features stay: a handle stands for them here, and whoever needs them next takes them from where
    they are. What goes wrong with memory and models is the workers' to deal with, as if each searched alone.

    Attributes:
        segments: the code of every block, by identity.
        cut: who does what.
        step_ended: is called for every step of the plan that workers are predicted to have done.
    """

    pool: Pool
    meter: Meter
    cut: Cut
    segments: Mapping[str, Segment] = field(default_factory=dict)
    layers: Layers = WHOLE
    step_ended: Tick = unheard
    keeps: bool = field(default=True, init=False)
    _held: dict[str, list[_Held]] = field(default_factory=dict, init=False)
    # By worker and model the batches whose features it has at hand.
    _at_hand: dict[str, dict[str, frozenset[int]]] = field(default_factory=dict, init=False)
    _failed: dict[str, str] = field(default_factory=dict, init=False)
    _full: OutOfMemoryError | None = field(default=None, init=False)
    _round: int = field(default=0, init=False)

    def expect(self, train: Sequence[Batch]) -> None:
        """Which models a worker will have in later rounds is not known: nothing is computed ahead."""

    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scored: dict[str, Scored]) -> None:
        self._raise_failed(plan.tree.all_models())
        with self.meter.part("planning"):
            self._round += 1
            batches = sorted((b for chunk in plan.chunks for b in chunk), key=lambda batch: batch.index)
            distribution = self.cut(plan, batches, self._homes(plan.tree.all_models()))
            queues = _queues(distribution, len(batches), self._round, tuple(test), tuple(train))
            self.meter.event("distribution", **_told(distribution, queues))
        run = _Run(self, queues, scored, len(plan.steps))
        run.finish()
        self._raise_failed(plan.tree.all_models())
        if run.fault is not None:
            if isinstance(run.fault, OutOfMemoryError):
                self._full = run.fault
            raise run.fault

    def missing(self, model: str, batches: Sequence[Batch]) -> tuple[Batch, ...]:
        known = {index for held in self._held.get(model, ()) for index in held.batches}
        return tuple(batch for batch in batches if batch.index not in known)

    def keep_only(self, models: Iterable[str]) -> None:
        kept = set(models)
        self._held = {model: held for model, held in self._held.items() if model in kept}
        self._at_hand = {
            worker: {model: has for model, has in of.items() if model in kept}
            for worker, of in self._at_hand.items()
        }
        self.pool.keep_only(kept)

    def held(self) -> Features:
        handles = {id(h.handle): h.handle for held in self._held.values() for h in held}
        fetched = dict(zip(handles, self.pool.fetch(list(handles.values())), strict=True))
        return {
            model: {b: x for h in held for b, x in fetched[id(h.handle)].items()}
            for model, held in self._held.items()
        }

    def restore(self, features: Features) -> None:
        handles: dict[tuple[int, ...], Handle] = {}
        for model, batches in features.items():
            key = tuple(map(id, batches.values()))
            if key not in handles:
                handles[key] = self.pool.hold(batches)
            self._held.setdefault(model, []).append(_Held(handles[key], frozenset(batches)))

    def give_up(self) -> None:
        """A worker whose memory is full has given up all that it can.

        Raises:
            OutOfMemoryError: what it says.
        """
        if self._full is not None:
            raise self._full

    def fitting_batch(self) -> int:
        """Workers look for it themselves."""
        return 0

    def known_to(self, worker: str, models: Iterable[str]) -> dict[str, list[Handle]]:
        """Features of ``models`` that ``worker`` has not at hand."""
        has = self._at_hand.setdefault(worker, {})
        lacking = {
            model: [h.handle for h in self._held.get(model, ()) if not h.batches <= has.get(model, frozenset())]
            for model in models
        }
        return {model: handles for model, handles in lacking.items() if handles}

    def takes(self, worker: str, report: Report, models: Sequence[str], features: Sequence[Handle | None]) -> None:
        """Remember where features are, and enter what ``worker`` measured."""
        handles = dict(zip(models, features, strict=True))
        at_hand = self._at_hand.setdefault(worker, {})
        for model in models:
            new = report.has[model].difference(*(h.batches for h in self._held.get(model, ())))
            if new:
                self._held.setdefault(model, []).append(_Held(handles[report.same.get(model, model)], new))
            at_hand[model] = report.has[model]
        self._failed |= report.failed
        self.meter.hear(worker, report.measurement, report.best_s, report.best_read, report.began)

    def forget(self, models: Iterable[str]) -> None:
        """The features of ``models`` are gone; whoever needs them computes them again."""
        for model in models:
            self._held.pop(model, None)
            for at_hand in self._at_hand.values():
                at_hand.pop(model, None)

    def replaced(self, worker: str) -> None:
        """Another process has taken the place of ``worker``, with nothing at hand."""
        self._at_hand[worker] = {}

    def _homes(self, models: Iterable[str]) -> dict[str, str]:
        """The worker that has most of a model's features at hand, by model."""
        homes: dict[str, str] = {}
        for model in models:
            sizes = {worker: len(has[model]) for worker, has in self._at_hand.items() if has.get(model)}
            if sizes:
                homes[model] = max(sizes, key=lambda worker: sizes[worker])
        return homes

    def _raise_failed(self, candidates: Iterable[str]) -> None:
        """One reason at a time, as they come where one machine searches."""
        for model in self.layers.models(list(candidates)):
            if model in self._failed:
                raise BadModelError(self._failed[model], [model])


class _Run:
    """One plan on its way: which portions wait, and which worker has which."""

    def __init__(
        self, machine: ClusterMachine, queues: dict[str, deque[_Portion]], scored: dict[str, Scored], steps: int
    ) -> None:
        self.fault: AlsatianError | None = None
        self._machine = machine
        self._queues = queues
        self._scored = scored
        self._running: dict[str, _Portion] = {}
        # Ranges of the data of some models that are not extracted yet, before their scores can be told.
        self._ranges: dict[tuple[str, ...], int] = {}
        for portion in (p for queue in queues.values() for p in queue if p.task.extracted is not None):
            self._ranges[portion.task.models] = self._ranges.get(portion.task.models, 0) + 1
        self._steps, self._all_s, self._done_s = steps, sum(_seconds(q) for q in queues.values()), 0.0
        self._ticks = 0

    def finish(self) -> None:
        """Until all portions are done, or what is under way when one fails."""
        meter, pool = self._machine.meter, self._machine.pool
        while True:
            with meter.part("planning"):
                for worker in pool.workers:
                    if worker not in self._running and self.fault is None and (portion := self._next(worker)):
                        self._running[worker] = portion
                        pool.run(worker, portion.task, self._machine.known_to(worker, portion.task.models))
            if not self._running:
                return
            with meter.stalled("other"):
                outcome = pool.wait()
            if outcome is not None:
                self._take(outcome)

    def _next(self, worker: str) -> _Portion | None:
        """What ``worker`` does next: its own, or the last of the worker that has most left."""
        if own := self._queues.setdefault(worker, deque()):
            return own.popleft()
        busiest = max(self._queues, key=lambda name: (_seconds(self._queues[name]), len(self._queues[name])))
        if not self._queues[busiest]:
            return None
        portion = self._queues[busiest].pop()
        self._machine.meter.event("moved", worker=worker, of=busiest, models=len(portion.task.models))
        return portion

    def _take(self, outcome: Outcome) -> None:
        portion = self._running.pop(outcome.worker)
        task, report = portion.task, outcome.report
        meter = self._machine.meter
        if report is None:
            if outcome.forgotten:
                self._machine.forget(task.models)
                meter.event("features_lost", worker=outcome.worker, models=len(task.models))
            else:
                self._machine.replaced(outcome.worker)
                facts = {"worker": outcome.worker, "models": len(task.models), "why": outcome.why}
                meter.event("worker_lost", **facts)
                portion.losses += 1
            self._queues[outcome.worker].appendleft(portion)
            if portion.losses >= MOST_LOSSES:
                self.fault = AlsatianError(
                    f"{portion.losses} workers in a row were lost with the same {len(task.models)} models, the first "
                    f"of which is '{task.models[0]}' ({outcome.why}); less memory for each (cache.budget, "
                    "cache.block_budget) or more workers may help"
                )
            return
        self._machine.takes(outcome.worker, report, task.models, outcome.features)
        self._scored.update(report.scored)
        if report.fault is not None:
            error = report.fault.error(outcome.worker)
            if not isinstance(error, BadModelError) or not report.failed:
                self.fault = self.fault or error
        elif task.extracted is not None:
            self._ranges[task.models] -= 1
            if not self._ranges[task.models]:
                whole = replace(task, extracted=None, why="scores of models whose data was divided", seconds=0.0)
                self._queues[outcome.worker].appendleft(_Portion(whole))
        self._done_s += task.seconds
        self._tick()

    def _tick(self) -> None:
        """As many steps as the share of the predicted seconds that is done."""
        share = self._done_s / self._all_s if self._all_s else 1.0
        while self._ticks < min(1.0, share) * self._steps:
            self._ticks += 1
            self._machine.step_ended()


def _seconds(queue: Iterable[_Portion]) -> float:
    return sum(portion.task.seconds for portion in queue)


def _queues(
    distribution: Distribution, batches: int, number: int, test: tuple[Batch, ...], train: tuple[Batch, ...]
) -> dict[str, deque[_Portion]]:
    """The portions of every worker; those of a range of the data have no scores yet."""
    return {
        worker: deque(
            _Portion(
                Task(
                    number, p.models, test, train, None if len(p.batches) == batches else p.batches, p.why, p.seconds
                )
            )
            for p in portions
        )
        for worker, portions in distribution.portions.items()
    }


def _told(distribution: Distribution, queues: Mapping[str, Sequence[_Portion]]) -> dict[str, Any]:
    """A distribution as an event says it."""
    return {
        "way": distribution.way,
        "portions": {worker: len(queue) for worker, queue in queues.items()},
        "models": {worker: sum(len(p.task.models) for p in queue) for worker, queue in queues.items()},
        "predicted_s": distribution.wall_s,
        "duplicated_s": distribution.duplicated_s,
        "duplicated_bytes": distribution.duplicated_bytes,
        "note": distribution.note,
    }


__all__ = ["MOST_LOSSES", "ClusterMachine", "Cut", "Iterator"]
