"""A round's portions on their way: which wait for which worker, and which worker has which."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alsatian.data.dataset import Batch
from alsatian.errors import AlsatianError, BadModelError
from alsatian.machines.cluster.messages import Task
from alsatian.machines.cluster.pool import Outcome
from alsatian.planning.distribution.distribution import Distribution
from alsatian.planning.distribution.distribution import Portion as Cut
from alsatian.runtime.scorer import Scored

if TYPE_CHECKING:
    from alsatian.machines.cluster.machine import ClusterMachine

MOST_LOSSES = 3
"""Workers that may be lost with one task, before it is taken for what ends them."""


@dataclass
class Portion:
    """A task with the models whose scores wait for it, and how many workers were lost with it."""

    task: Task
    losses: int = 0


class Run:
    """One plan on its way: which portions wait, and which worker has which."""

    def __init__(
        self, machine: "ClusterMachine", queues: dict[str, deque[Portion]], scored: dict[str, Scored], steps: int
    ) -> None:
        self.fault: AlsatianError | None = None
        self._machine = machine
        self._queues = queues
        self._scored = scored
        self._running: dict[str, Portion] = {}
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
                        pool.run(worker, portion.task, self._machine.known_to(worker, portion.task))
            if not self._running:
                return
            with meter.stalled("other"):
                outcome = pool.wait()
            if outcome is not None:
                self._take(outcome)

    def _next(self, worker: str) -> Portion | None:
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
                    f"{portion.losses} workers in a row were lost with the same {len(task.models)} models, the "
                    f"first of which is '{task.models[0]}' ({outcome.why}); less memory for each (cache.budget, "
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
            whole = [m for m in task.models if not self._machine.missing(m, (*task.test, *task.train))]
            if whole:
                scores = replace(task, models=tuple(whole), extracted=None, seconds=0.0)
                self._queues[outcome.worker].appendleft(Portion(scores))
        self._done_s += task.seconds
        self._tick()

    def _tick(self) -> None:
        """As many steps as the share of the predicted seconds that is done."""
        share = self._done_s / self._all_s if self._all_s else 1.0
        while self._ticks < min(1.0, share) * self._steps:
            self._ticks += 1
            self._machine.step_ended()


def _seconds(queue: Iterable[Portion]) -> float:
    return sum(portion.task.seconds for portion in queue)


def queues_of(
    distribution: Distribution, batches: int, number: int, test: tuple[Batch, ...], train: tuple[Batch, ...]
) -> dict[str, deque[Portion]]:
    """The portions of every worker; those of a range of the data have no scores yet."""

    def task(p: Cut) -> Task:
        extracted = None if len(p.batches) == batches else p.batches
        return Task(number, p.models, test, train, extracted, p.seconds)

    return {w: deque(Portion(task(p)) for p in own) for w, own in distribution.portions.items()}
