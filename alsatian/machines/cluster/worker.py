"""What a worker of a search holds: a machine of its own for all candidates, which plans and runs portions."""

import contextlib
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from alsatian.blocks.kernels import arithmetic
from alsatian.data.dataset import Batch
from alsatian.errors import FOREIGN
from alsatian.fingerprint import digest_json
from alsatian.machines.cluster.job import Job
from alsatian.machines.cluster.messages import PRODUCT, Batches, Facts, Fault, Report, Task
from alsatian.machines.real import real_machine
from alsatian.models.model_set import ModelSet
from alsatian.progress import unheard
from alsatian.proxies.base import import_libraries
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.reuse.bits import surroundings
from alsatian.runtime.scorer import Scored, Scorer
from alsatian.searching.rounds import RoundRunner

# Items of a model that a worker's speed is told by; sides of matrices, and how often either is computed.
_ITEMS, _SIDE, _TURNS = 8, 384, 3
# Architectures that a worker computes with before it says that it is there.
_WARMED = 3


@dataclass(eq=False)
class _Scores:
    """The scorer, or nobody while features are extracted for another worker to score."""

    scorer: Scorer
    asked: bool = field(default=True, init=False)

    @property
    def together(self) -> int:
        return self.scorer.together

    def score(
        self,
        features: FeatureStore,
        groups: Sequence[Sequence[str]],
        test: Sequence[Batch],
        train: Sequence[Batch],
    ) -> Mapping[str, Scored]:
        if self.asked:
            return self.scorer.score(features, groups, test, train)
        return {model: Scored({}) for models in groups for model in models}


class Worker:
    """Carries out tasks of ``job``, one after another, by the rules that a search on one machine has: it makes its
    own plans within its own budgets, makes room where memory is full, and goes on without bad models.

    Raises:
        AlsatianError: the store or the device is not there.
    """

    def __init__(self, name: str, job: Job) -> None:
        torch.set_num_threads(job.threads)
        self.name, self._job = name, job
        self._resources = contextlib.ExitStack()
        import_libraries(job.proxies)
        self._meter = Meter(job.place, job.level, job.timeline, job.dataset.in_files)
        models = job.models()
        self._resources.enter_context(arithmetic(job.numerics))
        self._seconds = _warm_up(models, job)
        self._engine = self._resources.enter_context(
            real_machine(
                models, job.dataset, job.proxies, self._meter, storage=job.storage, verify=job.verify,
                progress=unheard, heads=job.heads, **job.settings,
            )
        )  # fmt: skip
        self._scores = self._engine.scorer = _Scores(self._engine.scorer)
        self._runner = RoundRunner(
            models.candidates, job.strategy, self._engine, job.limits, "exclude", layers=job.settings["layers"]
        )
        self._runner.start(())
        self._began = 0.0

    def facts(self, node: str = "here") -> Facts:
        """Of this worker, on ``node``."""
        return Facts(self.name, node, os.getpid(), surroundings(self._job.place), self._seconds)

    def run(self, task: Task, known: Mapping[str, Sequence[Batches]]) -> tuple[Report, list[Batches | None]]:
        """Carry out ``task``. Features that are ``known`` from before need not be extracted.

        Returns:
            What became of it, and the new features of each of its models, None for those that share another's.
        """
        if not self._began:
            self._began = time.time()
            self._meter.start()
        engine, scored = self._engine, dict[str, Scored]()
        held = {model: frozenset(engine.held().get(model, ())) for model in task.models}
        fault: Fault | None = None
        with self._meter.part("other"):
            self._meter.begin_round(task.round)
            engine.restore({model: dict(_joined(found)) for model, found in known.items()})
            self._scores.asked = task.extracted is None
            test, train = (task.test, task.train) if task.extracted is None else (task.extracted, ())
            known_before = {model: held[model] | {b for f in known.get(model, ()) for b in f} for model in held}
            try:
                self._runner.score(task.round, task.models, test, train, scored)
            except FOREIGN as error:
                fault = Fault.of(error)
            self._meter.begin_round(None)
            same, new = self._new(task.models, known_before)
        layers = self._job.settings["layers"]
        failed = {m: why for m, why in self._runner.failed.items() if m in set(layers.models(task.models))}
        has = {model: frozenset(engine.held().get(model, ())) for model in task.models}
        report = Report(
            scored if task.extracted is None else {}, failed, fault, same, has, self._meter.so_far(),
            dict(self._meter.best_s), self._meter.best_read, self._began,
        )  # fmt: skip
        return report, new

    def keep_only(self, models: Iterable[str]) -> None:
        """Drop the features of all other models."""
        self._engine.keep_only(models)

    def close(self) -> None:
        """Remove what it wrote."""
        self._resources.close()

    def _new(
        self, models: Sequence[str], before: Mapping[str, frozenset[int]]
    ) -> tuple[dict[str, str], list[Batches | None]]:
        """Features of ``models`` that they had not ``before``; which of them share another's."""
        first: dict[Any, str] = {}
        same: dict[str, str] = {}
        new: list[Batches | None] = []
        for model in models:
            found = {b: x for b, x in self._engine.held().get(model, {}).items() if b not in before[model]}
            other = first.setdefault(tuple((b, id(x)) for b, x in found.items()), model)
            if other != model and found:
                same[model] = other
                new.append(None)
            else:
                new.append({b: x.cpu() for b, x in found.items()})
        return same, new


def _warm_up(models: ModelSet, job: Job) -> dict[str, float]:
    """Compute a batch without content with models of the most common architectures: libraries load code and
    choose kernels when something is computed first. What goes wrong is for the search to meet. Of a store elsewhere
    only models that are here serve: what is brought is the search's to count, at its bandwidth. Returns the
    ``seconds`` of :class:`~alsatian.machines.cluster.messages.Facts`, the fastest of a few turns."""
    store = models.store
    is_here = {i: not store.mirror or store.block_path(i).exists() for i in job.segments}
    here = [c for c in models.candidates if all(is_here[b.identity] for b in c.blocks)]
    chains = Counter(tuple(job.segments[b.identity] for b in c.blocks) for c in here)
    chosen = {tuple(job.segments[b.identity] for b in c.blocks): c for c in reversed(here)}
    size = max((batch.items for part in job.dataset.batches(1) for batch in part), default=1)
    took = {PRODUCT: min(_product_s(job.place) for _ in range(_TURNS))}
    for chain, count in chains.most_common(_WARMED):
        with contextlib.suppress(Exception):
            sizes = [size, *[min(size, _ITEMS)] * _TURNS]
            took[digest_json(chain)] = count * min(models.compute_example(chosen[chain], sizes, job.place)[1:])
    return took


def _joined(found: Sequence[Batches]) -> dict[int, torch.Tensor]:
    return {batch: tensor for batches in found for batch, tensor in batches.items()}


def _product_s(device: torch.device) -> float:
    matrix = torch.ones(_SIDE, _SIDE, device=device)
    begin = time.perf_counter()
    float((matrix @ matrix)[0, 0])  # waits for a GPU
    return time.perf_counter() - begin
