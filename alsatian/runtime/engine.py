"""Runs plans: the same kernels for every strategy, so that comparisons are fair."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import torch

from alsatian.blocks.fingerprint import features_fingerprint
from alsatian.blocks.segment import Segment, State
from alsatian.data.dataset import Batch, Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import AlsatianError
from alsatian.planning.plan import Infer, Plan, Release, Score
from alsatian.proxies.base import Proxy
from alsatian.runtime.block_source import Need
from alsatian.runtime.cache import Cache
from alsatian.runtime.data_reader import DataReader
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.loader import BlockLoader
from alsatian.runtime.meter import Meter
from alsatian.runtime.transfer import Parameters
from alsatian.tree import NO_VERTEX, TaskTree

Stage = tuple[int, list[tuple[Segment, Parameters]]]


class Engine:
    """Executes plans of one search.

    Counters: ``block_executions`` (a block run on a batch), ``block_items`` (the same in items),
    ``data_bytes`` (raw bytes of the data prepared), ``hits`` and ``misses`` (features computed from a
    cached intermediate, or from the data).
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
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.features = FeatureStore(meter)
        self.fingerprints: dict[str, str] = {}
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
    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch]) -> dict[str, float]:
        """Run ``plan`` and return the score of every model, trained on ``train``, tested on ``test``."""
        scores: dict[str, float] = {}
        with self._meter.part("prepare_model"):
            self._loader.follow(self._needs_by_step(plan))
        try:
            self._run_steps(plan, test, train, scores)
        finally:
            with self._meter.part("prepare_model"):
                self._loader.stop()
        return scores

    def _run_steps(
        self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch], scores: dict[str, float]
    ) -> None:
        chunk, emitted = -1, set[int]()
        for step in plan.steps:
            if isinstance(step, Infer):
                if step.chunk != chunk:
                    self._end_chunk()
                    chunk, emitted = step.chunk, set()
                with self._meter.part("prepare_model"):
                    self._loader.advance()
                self._infer(plan.tree, step.vertex, plan.chunks[chunk], emitted)
                self._tick()
            elif isinstance(step, Release):
                with self._meter.part("cache_io"):
                    self._cache.release(step.vertex)
            elif isinstance(step, Score):
                score = self._score(plan.tree.models[step.vertex], test, train)
                scores.update(score)
                self._tick()
        self._end_chunk()

    def _infer(self, tree: TaskTree, target: int, chunk: Sequence[Batch], emitted: set[int]) -> None:
        """Compute ``target`` for all batches of ``chunk``, storing and emitting what lies on the way."""
        if target in emitted:
            return  # it lay on the way to another model
        path, source = [], NO_VERTEX
        for vertex in tree.path(target):
            if vertex in self._cache:
                source = vertex
                break
            path.append(vertex)
        path.reverse()
        self._meter.counters["misses" if source == NO_VERTEX else "hits"] += 1
        stages: list[Stage] = [
            (v, [(need.segment, self._loader.load(need)) for need in self._needs(tree, v)]) for v in path
        ]
        with self._meter.part("cache_io"):
            held = self._reserve(tree, path, source, sum(batch.items for batch in chunk))
            cached = self._cache.get(source) if source != NO_VERTEX else []
        fresh = {v for v in path if tree.models[v] and v not in emitted}
        for i, batch in enumerate(chunk):
            state = cached[i] if cached else self._prepare(batch, tree.preprocessing[target])
            for vertex, stage in stages:
                with self._meter.part("inference"):
                    for segment, parameters in stage:
                        state = segment(state, parameters)
                self._meter.counters["block_executions"] += len(stage)
                self._meter.counters["block_items"] += len(stage) * batch.items
                if vertex in held:
                    with self._meter.part("cache_io"):
                        self._cache.put(vertex, state)
                if vertex in fresh:
                    with self._meter.part("other"):
                        self.features.add(tree.models[vertex], batch, state)
        emitted.update(fresh)

    def _reserve(self, tree: TaskTree, path: Sequence[int], source: int, items: int) -> set[int]:
        """Which vertices of ``path`` may be kept, with room made for them."""
        held: set[int] = set()
        for vertex in path:
            if nbytes := tree.cache_bytes(vertex) * items:
                pinned = frozenset({source, *held})
                if self._cache.reserve(vertex, nbytes, pinned):
                    held.add(vertex)
        return held

    def _needs(self, tree: TaskTree, vertex: int) -> list[Need]:
        """The blocks of the edge into ``vertex``."""
        below = vertex
        while not tree.models[below]:
            below = tree.children[below][0]
        model = tree.models[below][0]  # one of those that need the vertex, for error messages
        return [Need(block, self._segments[block.identity], model) for block in tree.blocks[vertex]]

    def _needs_by_step(self, plan: Plan) -> Iterator[list[Need]]:
        """The blocks that each inference step of ``plan`` needs, if the cache holds all that it may."""
        needs: dict[int, list[Need]] = {}
        chunk, seen = -1, set[int]()
        for step in plan.steps:
            if isinstance(step, Infer):
                if step.chunk != chunk or not self._cache.policy.keeps:
                    chunk, seen = step.chunk, set()
                path = [v for v in plan.tree.path(step.vertex) if v not in seen]
                seen.update(path)
                for vertex in path:
                    needs.setdefault(vertex, self._needs(plan.tree, vertex))
                yield [need for vertex in reversed(path) for need in needs[vertex]]

    def _prepare(self, batch: Batch, preprocessing: Preprocessing) -> State:
        with self._meter.part("prepare_data"):
            items = self._dataset.items(batch)
            self._meter.count("data_bytes", self._data.read(items))
            return tuple(t.to(self._meter.device) for t in preprocessing(items))

    def _score(self, models: Sequence[str], test: Sequence[Batch], train: Sequence[Batch]) -> dict[str, float]:
        """One score for models that share their features."""
        with self._meter.part("proxy_scoring"):
            train_x, test_x = self.features.get(models[0], train), self.features.get(models[0], test)
            labels = [torch.from_numpy(self._dataset.labels(part)).to(train_x.device) for part in (train, test)]
            score = self._proxy.score(train_x, labels[0], test_x, labels[1], self._dataset.classes)
        if self._verify:
            with self._meter.part("other"):
                self.fingerprints.update(dict.fromkeys(models, features_fingerprint([train_x, test_x])))
        return dict.fromkeys(models, score)

    def _end_chunk(self) -> None:
        with self._meter.part("cache_io"):
            if self._cache.policy.planned and self._cache.used:
                raise AlsatianError(f"internal: the plan left {self._cache.used} bytes in the cache")
            self._cache.clear()
