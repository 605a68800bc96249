"""Runs plans: the same kernels for every strategy, so that comparisons are fair."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan

import torch

from alsatian.blocks.segment import Segment, State
from alsatian.data.dataset import Batch, Dataset
from alsatian.errors import AlsatianError, BadModelError, LocalDiskError, OutOfMemoryError, StoreError
from alsatian.fingerprint import features_fingerprint
from alsatian.planning.computation import vertices_to_compute
from alsatian.planning.plan import Infer, Plan, Release, Score
from alsatian.progress import Tick, unheard
from alsatian.proxies.base import Proxy
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.loading.loader import BlockLoader
from alsatian.runtime.memory import empty_device_cache, is_out_of_memory
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.needs import block_needs, cache_needs, edge_needs
from alsatian.runtime.stages import Stage, run_stages
from alsatian.runtime.storage.data_reader import DataReader
from alsatian.tree import NO_VERTEX, TaskTree


class Engine:
    """Executes plans of one search.

    Counters: ``block_executions`` (a block run on a batch), ``block_items`` (the same in items),
    ``data_bytes`` (raw bytes of the data prepared), ``hits`` and ``misses`` (features computed from a
    cached intermediate, or from the data).

    Attributes:
        features: of all models, by batch.
        fingerprints: digest of the features behind a model's last score, with ``verify``.
        keeps: whether intermediates are kept at all; without, every model starts from the data.
    """

    def __init__(
        self,
        segments: Mapping[str, Segment],
        dataset: Dataset,
        data: DataReader,
        loader: BlockLoader,
        cache: Cache,
        proxy: Proxy,
        meter: Meter,
        verify: bool = False,
        tick: Tick = unheard,
    ) -> None:
        self.features = FeatureStore(meter)
        self.fingerprints: dict[str, str] = {}
        self.keeps = True
        self._at: tuple[Plan, int, Batch] | None = None  # the step under way, if it is one on a batch
        self._segments = segments
        self._dataset = dataset
        self._data = data
        self._loader = loader
        self._cache = cache
        self._proxy = proxy
        self._meter = meter
        self._verify = verify
        self._tick = tick

    @torch.no_grad()
    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scores: dict[str, float]) -> None:
        """Run ``plan`` and enter the score of every model, trained on ``train``, tested on ``test``.

        Features and scores found before an error stay; intermediates do not.

        Raises:
            BadModelError: a block is damaged or does not fit, or features are not finite.
            OutOfMemoryError: a step needs more memory than there is; :meth:`give_up` makes some.
        """
        full = False
        with self._meter.part("prepare_model"):
            blocks = None
            if plan.memory is not None:
                intermediates, blocks = plan.memory
                self._cache.resize(intermediates)
            keeps = self.keeps and self._cache.policy.keeps
            self._loader.follow(block_needs(plan, self._segments, keeps), blocks)
        try:
            self._run_steps(plan, test, train, scores)
        except Exception as error:
            self._cache.clear()
            if not is_out_of_memory(error):
                raise
            full = True
        finally:
            with self._meter.part("prepare_model"):
                self._loader.stop()
        if full:  # raised here, since the handler's traceback keeps tensors alive
            raise OutOfMemoryError("the memory is full")

    def give_up(self) -> None:
        """Drop resident blocks and intermediates, to make room in the memory."""
        self._cache.clear()
        self._loader.give_up()
        empty_device_cache(self._meter.device)

    @torch.no_grad()
    def fitting_batch(self) -> int:
        """Items of a batch for which the step that failed last has memory, found by trying; 0 for none."""
        if self._at is None:
            return 0
        plan, target, batch = self._at
        path = vertices_to_compute(plan.tree, target, (), plan.fused, plan.recomputed)
        while batch.items > 1:
            batch = replace(batch, stop=batch.start + batch.items // 2)
            self.give_up()
            try:
                stages, start = self._stages(plan.tree, path), self._prepare(plan.tree, target, batch)
                for _ in run_stages(plan.tree, stages, start, batch.items, self._meter):
                    pass
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            else:
                return batch.items
        return 0

    def _run_steps(
        self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scores: dict[str, float]
    ) -> None:
        chunk, emitted = -1, set[int]()
        for step in plan.steps:
            if isinstance(step, Infer):
                if step.chunk != chunk:
                    self._end_chunk()
                    chunk, emitted = step.chunk, set()
                    if self._cache.policy.foresees:
                        with self._meter.part("planning"):
                            self._cache.expect(cache_needs(plan, chunk))
                with self._meter.part("prepare_model"):
                    self._loader.advance()
                self._cache.advance()
                self._infer(plan, step.vertex, plan.chunks[chunk], emitted)
                self._tick()
            elif isinstance(step, Release):
                with self._meter.part("cache_io"):
                    if self.keeps:
                        self._cache.release(step.vertex)
            elif isinstance(step, Score):
                scores.update(self._score(plan.tree.models[step.vertex], test, train))
                self._tick()
        self._end_chunk()

    def _infer(self, plan: Plan, target: int, chunk: Sequence[Batch], emitted: set[int]) -> None:
        """Compute ``target`` for all batches of ``chunk``, storing and emitting what lies on the way."""
        tree = plan.tree
        path = vertices_to_compute(tree, target, self._cache, plan.fused, plan.recomputed)
        fresh = {v for v in path if tree.models[v] and v not in emitted}
        if not fresh and not (self.keeps and self._cache.policy.planned):
            return  # it lay on the way to another model, or nobody would keep it
        source = tree.parent[path[0]]
        self._at = plan, target, chunk[0]
        self._meter.counters["misses" if source == NO_VERTEX else "hits"] += 1
        stages = self._stages(tree, path)
        passing = max(batch.items for batch in chunk) * sum(tree.cache_bytes(v) for v in path if v in plan.fused)
        with self._cache.passing(passing if self.keeps else 0):
            with self._meter.part("cache_io"):
                held = self._reserve(plan, path, source, sum(batch.items for batch in chunk))
                cached = self._cache.read(source) if source != NO_VERTEX else None
            for batch in chunk:
                self._at = plan, target, batch
                if cached is None:
                    start = self._prepare(tree, target, batch)
                else:
                    with self._meter.part("cache_io"):
                        start = next(cached)
                for vertex, state in run_stages(tree, stages, start, batch.items, self._meter):
                    if vertex in held:
                        with self._meter.part("cache_io"):
                            self._cache.put(vertex, state)
                    if vertex in fresh:
                        with self._meter.part("other"):
                            self.features.add(tree.models[vertex], batch, state)
        emitted.update(fresh)

    def _stages(self, tree: TaskTree, path: Sequence[int]) -> list[Stage]:
        """The vertices of ``path``, each with the code and the parameters of its edge."""
        stages = []
        for vertex in path:
            try:
                edge = [
                    (need.segment, self._loader.load(need)) for need in edge_needs(tree, vertex, self._segments)
                ]
            except LocalDiskError:
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
                if self._cache.reserve(vertex, nbytes, pinned, cost, vertex in plan.spilled):
                    held.add(vertex)
        return held

    def _prepare(self, tree: TaskTree, target: int, batch: Batch) -> State:
        with self._meter.part("prepare_data"):
            items = self._dataset.items(batch)
            self._meter.count("data_bytes", self._data.read(items))
            return tuple(t.to(self._meter.device) for t in tree.preprocessing[target](items))

    def _score(self, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]) -> dict[str, float]:
        """One score for models that share their features."""
        self._at = None
        with self._meter.part("proxy_scoring"):
            train_x, test_x = self.features.get(models[0], train), self.features.get(models[0], test)
            labels = [torch.from_numpy(self._dataset.labels(part)).to(train_x.device) for part in (train, test)]
            finite = all(bool(torch.isfinite(x).all()) for x in (train_x, test_x))
            score = (
                self._proxy.score(train_x, labels[0], test_x, labels[1], self._dataset.classes) if finite else nan
            )
            if not isfinite(score):
                what = "its score is" if finite else "its features are"
                raise BadModelError(f"model '{models[0]}': {what} not finite (NaN or infinite)", models)
        if self._verify:
            with self._meter.part("other"):
                self.fingerprints.update(dict.fromkeys(models, features_fingerprint([train_x, test_x])))
        return dict.fromkeys(models, score)

    def _end_chunk(self) -> None:
        with self._meter.part("cache_io"):
            if self._cache.policy.planned and self._cache.used:
                raise AlsatianError(f"internal: the plan left {self._cache.used} bytes in the cache")
            self._cache.clear()
