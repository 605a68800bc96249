"""Workers in this process, which do what they are told when somebody waits for it, and can be lost on purpose."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from alsatian.api import SearchResult
from alsatian.data.dataset import Batch, Dataset
from alsatian.machines.cluster.job import Job
from alsatian.machines.cluster.machine import ClusterMachine, Cut
from alsatian.machines.cluster.messages import PRODUCT, Batches, Facts, Task
from alsatian.machines.cluster.pool import Known, Outcome
from alsatian.machines.cluster.worker import Worker
from alsatian.models.model_set import ModelSet
from alsatian.planning.distribution.distribution import Distribution, Portion
from alsatian.planning.plan import Plan
from alsatian.runtime.features import Keep, unkept
from alsatian.runtime.layers import Layers
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.checkpoint import Checkpoint
from alsatian.searching.search import Search
from alsatian.searching.strategy import Strategy
from tests.searching.tiny_search import BATCH, PROXY, SECOND, few

CPU = torch.device("cpu")
Ends = Callable[[int, str, Task], str | None]
"""How the task with a number ends: ``"lost"`` and ``"late"`` with the worker, before it began or when it was done,
``"forgotten"`` for lack of the features of before, or None."""


@dataclass
class PoolHere:
    """A pool of ``count`` workers for ``job``.

    Attributes:
        ends: how tasks end.
        tasks: all that were begun, by worker.
        fetched: handles of features that were given to workers, by worker.
    """

    job: Job
    count: int
    ends: Ends = lambda *_: None
    tasks: list[tuple[str, Task]] = field(default_factory=list)
    fetched: dict[str, int] = field(default_factory=dict)
    _running: list[tuple[str, Task, Known]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._workers = {f"worker {i}": Worker(f"worker {i}", self.job) for i in range(1, self.count + 1)}
        self.facts = {name: Facts(name, "here", 1, {}, {PRODUCT: 1.0}) for name in self._workers}

    @property
    def workers(self) -> Mapping[str, Facts]:
        return self.facts

    def run(self, worker: str, task: Task, known: Known) -> None:
        assert all(worker != other for other, _, _ in self._running), "one task at a time"
        self._running.append((worker, task, known))
        self.tasks.append((worker, task))
        self.fetched[worker] = self.fetched.get(worker, 0) + sum(map(len, known.values()))

    def wait(self) -> Outcome | None:
        worker, task, known = self._running.pop()  # the last one begun ends first
        end = self.ends(len(self.tasks), worker, task)
        if end == "forgotten":
            return Outcome(worker, None, forgotten=True)
        report, new = None, []
        if end != "lost":
            report, new = self._workers[worker].run(task, known)
        if end is not None:
            self._workers[worker].close()
            self._workers[worker] = Worker(worker, self.job)
            return Outcome(worker, None, why="killed on purpose")
        return Outcome(worker, report, new)

    def keep_only(self, models: Iterable[str]) -> None:
        for worker in self._workers.values():
            worker.keep_only(models)

    def fetch(self, handles: Sequence[Any]) -> list[Batches]:
        return list(handles)

    def hold(self, features: Batches) -> Any:
        return features

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


def job_of(models: ModelSet, data: Dataset, planned: Search, meter: Meter, **changes: Any) -> Job:
    settings = {
        "dataset": data, "proxies": (PROXY, SECOND), "heads": {}, "storage": Storage(), "verify": True,
        "settings": planned.for_machine(), "strategy": planned.strategy, "limits": planned.limits,
        "kernels": "eager", "numerics": "fp32", "threads": 1,
    }  # fmt: skip
    return Job.of(models, meter, **(settings | changes))


@contextlib.contextmanager
def pool_here(job: Job, count: int, ends: Ends = lambda *_: None) -> Iterator[PoolHere]:
    pool = PoolHere(job, count, ends)
    try:
        yield pool
    finally:
        pool.close()


def by_model(count: int) -> Cut:
    """Every model a portion of its own, in turns."""

    def cut(plan: Plan, batches: Sequence[Batch], items: tuple[int, int], homes: Mapping[str, str]) -> Distribution:
        portions: dict[str, tuple[Portion, ...]] = {f"worker {i}": () for i in range(1, count + 1)}
        for number, model in enumerate(plan.tree.all_models()):
            name = f"worker {1 + number % count}"
            portions[name] += (Portion((model,), tuple(batches), 1.0, "a test"),)
        return Distribution("subtrees", portions, {name: float(len(p)) for name, p in portions.items()})

    return cut


def by_data(count: int) -> Cut:
    """All models on every worker, on a part of the batches where there are enough."""

    def cut(plan: Plan, batches: Sequence[Batch], items: tuple[int, int], homes: Mapping[str, str]) -> Distribution:
        models = tuple(plan.tree.all_models())
        parts = [tuple(batches[i::count]) for i in range(count)]
        if not all(parts):
            return by_model(count)(plan, batches, items, homes)
        portions = {f"worker {i + 1}": (Portion(models, part, 1.0, "a test"),) for i, part in enumerate(parts)}
        return Distribution("data", portions)

    return cut


def all_to_first(count: int) -> Cut:
    """As :func:`by_model`, but all for the first worker."""

    def cut(plan: Plan, batches: Sequence[Batch], items: tuple[int, int], homes: Mapping[str, str]) -> Distribution:
        every = by_model(1)(plan, batches, items, homes).portions["worker 1"]
        return Distribution("subtrees", {"worker 1": every, **{f"worker {i}": () for i in range(2, count + 1)}})

    return cut


@dataclass
class Found:
    """A search on workers here."""

    result: SearchResult
    pool: PoolHere
    ticks: int


def search_here(
    models: ModelSet,
    strategy: Strategy,
    count: int,
    cut: Callable[[int], Cut] = by_model,
    *,
    ends: Ends = lambda *_: None,
    budget: Any = None,
    on_bad_model: str = "raise",
    checkpoint: Checkpoint | None = None,
    layers: Layers | None = None,
    timeline: bool = False,
    keep: Keep = unkept,
    **changes: Any,
) -> Found:
    data = few().in_batches(BATCH, len(models.candidates if layers is None else layers.of))
    meter = Meter(CPU, timeline=timeline)
    further = {} if layers is None else {"layers": layers}
    planned = Search.of(models.candidates, data.batches(BATCH), strategy, None, budget, **further)
    ticks: list[None] = []
    with pool_here(job_of(models, data, planned, meter, **changes), count, ends) as pool:
        machine = ClusterMachine(
            pool, meter, cut(count), models.segments, planned.layers, lambda: ticks.append(None), keep
        )
        return Found(planned.run(machine, on_bad_model, checkpoint), pool, len(ticks))
