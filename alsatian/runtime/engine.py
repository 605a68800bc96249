"""Runs plans: the same kernels for every strategy, so that comparisons are fair."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch

from alsatian.blocks.segment import Segment
from alsatian.data.dataset import Batch
from alsatian.errors import AlsatianError, BadModelError, LocalDiskError, OutOfMemoryError, RemoteError, StoreError
from alsatian.planning.computation import vertices_to_compute
from alsatian.planning.plan import Infer, Plan, Release, Score
from alsatian.runtime.ahead import AheadOfRounds
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.data_source import DataSource
from alsatian.runtime.features import Features, FeatureStore
from alsatian.runtime.loading.loader import Loader
from alsatian.runtime.memory import empty_device_cache, is_out_of_memory
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.meter.timeline import Subject
from alsatian.runtime.needs import block_needs, cache_needs, edge_needs
from alsatian.runtime.observer import Observer
from alsatian.runtime.scorer import Scored, Scorer
from alsatian.runtime.stages import Stage, run_stages, subjects
from alsatian.tree import NO_VERTEX, TaskTree

_Batches = Sequence[Batch]
_Groups = Sequence[Sequence[str]]


@dataclass(eq=False)
class Engine:
    """Executes plans of one search in this process: a :class:`~alsatian.machines.base.Machine`; see there.

    What it is composed of decides whether the work is done, or passes on a virtual clock.

    Counters: ``block_executions`` (a block run on a batch), ``block_items`` (the same in items),
    ``data_bytes`` and ``prepared_items`` (raw bytes of the data prepared, and its items), ``hits`` and ``misses``
    (features computed from a cached intermediate, or from the data).
    """

    segments: Mapping[str, Segment]
    data: DataSource
    scorer: Scorer
    loader: Loader
    cache: Cache
    meter: Meter
    observer: Observer
    computes_ahead: bool = False
    keeps: bool = field(default=True, init=False)
    # The step under way, if it is one on a batch.
    _at: tuple[Plan, int, Batch] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._features = FeatureStore(self.meter)
        self._ahead = AheadOfRounds(self.data, self.loader, self.segments, self.meter)

    def expect(self, train: _Batches) -> None:
        self._ahead.coming = train if self.computes_ahead else ()

    def execute(self, plan: Plan, test: _Batches, train: _Batches, scored: dict[str, Scored]) -> None:
        with self.observer.plan(plan, train):
            self._execute(plan, test, train, scored)

    def missing(self, model: str, batches: _Batches) -> tuple[Batch, ...]:
        return self._features.missing(model, batches)

    def keep_only(self, models: Iterable[str]) -> None:
        self._features.keep_only(models)

    def held(self) -> Features:
        return self._features.held

    def restore(self, features: Features) -> None:
        self._features.restore(features, self.meter.device)

    @torch.no_grad()
    def _execute(self, plan: Plan, test: _Batches, train: _Batches, scored: dict[str, Scored]) -> None:
        full = False
        with self.meter.part("prepare_model"):
            blocks = None
            if plan.memory is not None:
                intermediates, blocks = plan.memory
                self.cache.resize(intermediates)
            keeps = self.keeps and self.cache.policy.keeps
            self._ahead.follow(plan, self.cache.capacity if keeps else 0, train, self._features)
            self.loader.follow(block_needs(plan, self.segments, keeps), blocks)
        try:
            self._run_steps(plan, test, train, scored)
        except Exception as error:
            self.cache.clear()
            if not is_out_of_memory(error):
                raise
            full = True
        finally:
            with self.meter.part("prepare_model"):
                self.loader.stop()
            self._ahead.tell()
        if full:  # raised here, since the handler's traceback keeps tensors alive
            raise OutOfMemoryError("the memory is full")

    def give_up(self) -> None:
        self.cache.clear()
        self._ahead.clear()
        self.loader.give_up()
        empty_device_cache(self.meter.device)

    @torch.no_grad()
    def fitting_batch(self) -> int:
        if self._at is None:
            return 0
        plan, target, batch = self._at
        path = vertices_to_compute(plan.tree, target, (), plan.fused, plan.recomputed)
        while batch.items > 1:
            batch = replace(batch, stop=batch.start + batch.items // 2)
            self.give_up()
            try:
                stages = self._stages(plan.tree, path)
                start = self.data.prepare(plan.tree.preprocessing[target], batch, [batch])
                for _ in run_stages(plan.tree, stages, start, batch.items, self.meter):
                    pass
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            else:
                return batch.items
        return 0

    def _run_steps(self, plan: Plan, test: _Batches, train: _Batches, scored: dict[str, Scored]) -> None:
        chunk, emitted = -1, set[int]()
        ready: list[Sequence[str]] = []  # to be scored
        waiting = 0  # bytes of their features
        for step in plan.steps:
            if not 0 <= step.vertex < len(plan.tree):
                raise IndexError(f"{step}: there is no such vertex")
            if self.meter.timeline:
                self.meter.step = Subject(plan.tree.models_below(step.vertex))
            if isinstance(step, Infer):
                if step.chunk != chunk:
                    self._end_chunk()
                    chunk, emitted = step.chunk, set()
                    if self.cache.policy.foresees:
                        with self.meter.part("planning"):
                            self.cache.expect(cache_needs(plan, chunk))
                with self.meter.part("prepare_model"):
                    self.loader.advance()
                self.cache.advance()
                self.observer.inference_begins()
                self._infer(plan, step, emitted)
                self.observer.step_ended()
            elif isinstance(step, Release):
                with self.meter.part("cache_io"):
                    if self.keeps:
                        self.cache.release(step.vertex)
            elif isinstance(step, Score):
                ready.append(models := plan.tree.models[step.vertex])
                if self._features.missing(models[0], (*test, *train)):
                    raise KeyError(f"{step}: features are missing")  # though they may be there when they are scored
                waiting += self._features.nbytes(models[0])
                if waiting >= self.scorer.together:
                    self._score(ready, test, train, scored)
                    ready, waiting = [], 0
                self.observer.step_ended()
        self._score(ready, test, train, scored)
        self._end_chunk()
        self.meter.step = None

    def _score(self, ready: _Groups, test: _Batches, train: _Batches, scored: dict[str, Scored]) -> None:
        self._at = None
        if ready:
            if self.meter.timeline:
                self.meter.step = Subject([model for models in ready for model in models])
            scored.update(self.scorer.score(self._features, ready, test, train))

    def _infer(self, plan: Plan, step: Infer, emitted: set[int]) -> None:
        """Compute a vertex for all batches of its chunk, storing and emitting what lies on the way."""
        tree, target, chunk = plan.tree, step.vertex, plan.chunks[step.chunk]
        path = vertices_to_compute(tree, target, self.cache, plan.fused, plan.recomputed)
        fresh = {v for v in path if tree.models[v] and v not in emitted}
        if not fresh and not (self.keeps and self.cache.policy.planned):
            return  # it lay on the way to another model, or nobody would keep it
        source = tree.parent[path[0]]
        self._at = plan, target, chunk[0]
        if self.meter.timeline:
            self.meter.subjects = subjects(tree, path)
        self.meter.counters["misses" if source == NO_VERTEX else "hits"] += 1
        self.observer.computes(step.chunk, path)
        stages = self._stages(tree, path)
        passing = max(batch.items for batch in chunk) * sum(tree.cache_bytes(v) for v in path if v in plan.fused)
        with self.cache.passing(passing if self.keeps else 0):
            with self.meter.part("cache_io"):
                held = self._reserve(plan, path, source, sum(batch.items for batch in chunk))
                cached = self.cache.read(source) if source != NO_VERTEX else None
            for batch in chunk:
                self._at = plan, target, batch
                early = self._ahead.take(tree, path, batch)
                if cached is not None:
                    with self.meter.part("cache_io"):
                        start = next(cached)
                elif path[0] not in early:
                    start = self.data.prepare(tree.preprocessing[target], batch, chunk)
                else:
                    start, _ = early[path[0]]
                for vertex, state in run_stages(tree, stages, start, batch.items, self.meter, early):
                    if vertex in held:
                        with self.meter.part("cache_io"):
                            self.cache.put(vertex, state)
                    if vertex in fresh:
                        with self.meter.part("other"):
                            self._features.add(tree.models[vertex], batch, state)
        emitted.update(fresh)

    def _stages(self, tree: TaskTree, path: Sequence[int]) -> list[Stage]:
        """The vertices of ``path``, each with the code and the parameters of its edge."""
        stages = []
        for vertex in path:
            try:
                edge = [
                    (need.segment, self.loader.load(need, self._ahead.work))
                    for need in edge_needs(tree, vertex, self.segments)
                ]
            except (LocalDiskError, RemoteError):
                raise
            except StoreError as error:
                raise BadModelError(str(error), tree.models_below(vertex)) from error
            stages.append((vertex, edge))
        return stages

    def _reserve(self, plan: Plan, path: Sequence[int], source: int, items: int) -> set[int]:
        """Which vertices of ``path`` may be kept, with room made for them."""
        held: set[int] = set()
        if not self.keeps:
            return held
        tree = plan.tree
        for vertex in path:
            if vertex in plan.fused or vertex in plan.recomputed:
                continue
            if nbytes := tree.cache_bytes(vertex) * items:
                pinned = frozenset({source, *held})
                # Preparing data counts as one block: it is work, though no block does it.
                cost = max(1, len(tree.blocks[vertex])) * items
                if self.cache.reserve(vertex, nbytes, pinned, cost, vertex in plan.spilled):
                    held.add(vertex)
        return held

    def _end_chunk(self) -> None:
        with self.meter.part("cache_io"):
            if self.cache.policy.planned and self.cache.used:
                raise AlsatianError(f"internal: the plan left {self.cache.used} bytes in the cache")
            self.cache.clear()
