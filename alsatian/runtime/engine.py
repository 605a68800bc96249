"""Runs plans: the same kernels for every strategy, so that comparisons are fair."""

from collections.abc import Callable, Mapping, Sequence

import torch

from alsatian.blocks.fingerprint import features_fingerprint
from alsatian.blocks.segment import Segment, State
from alsatian.data.dataset import Batch, Dataset, raw_bytes
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import AlsatianError
from alsatian.planning.plan import Infer, Plan, Release, Score
from alsatian.proxies.base import Proxy
from alsatian.runtime.cache import Cache
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.loader import BlockLoader, Need, Parameters
from alsatian.runtime.meter import Meter
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
        loader: BlockLoader,
        cache: Cache,
        proxy: Proxy,
        meter: Meter,
        read_ahead: bool = False,
        verify: bool = False,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        self.features = FeatureStore(meter)
        self.fingerprints: dict[str, str] = {}
        self._segments = segments
        self._dataset = dataset
        self._loader = loader
        self._cache = cache
        self._proxy = proxy
        self._meter = meter
        self._read_ahead = read_ahead
        self._verify = verify
        self._tick = tick

    @torch.no_grad()
    def execute(self, plan: Plan, test: Sequence[Batch], train: Sequence[Batch]) -> dict[str, float]:
        """Run ``plan`` and return the score of every model, trained on ``train``, tested on ``test``."""
        scores: dict[str, float] = {}
        if self._read_ahead:
            with self._meter.part("prepare_model"):
                self._loader.read_ahead(self._needs_in_order(plan))
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
                    if self._cache.policy.foresees:
                        with self._meter.part("planning"):
                            self._cache.policy.expect(_needs_of_steps(plan, chunk))
                self._cache.policy.advance()
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
                # Preparing data counts as one block: it is work, though no block does it.
                cost = max(1, len(tree.blocks[vertex])) * items
                if self._cache.reserve(vertex, nbytes, pinned, cost=cost):
                    held.add(vertex)
        return held

    def _needs(self, tree: TaskTree, vertex: int) -> list[Need]:
        """The blocks of the edge into ``vertex``."""
        below = vertex
        while not tree.models[below]:
            below = tree.children[below][0]
        model = tree.models[below][0]  # one of those that need the vertex, for error messages
        return [Need(block, self._segments[block.identity], model) for block in tree.blocks[vertex]]

    def _needs_in_order(self, plan: Plan) -> list[Need]:
        """Every block of ``plan``, where it is needed first."""
        seen: set[int] = set()
        needs: list[Need] = []
        for step in plan.steps:
            if isinstance(step, Infer):
                path = [v for v in plan.tree.path(step.vertex) if v not in seen]
                seen.update(path)
                needs.extend(need for v in reversed(path) for need in self._needs(plan.tree, v))
        return needs

    def _prepare(self, batch: Batch, preprocessing: Preprocessing) -> State:
        with self._meter.part("prepare_data"):
            items = self._dataset.items(batch)
            self._meter.counters["data_bytes"] += raw_bytes(items)
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


def _needs_of_steps(plan: Plan, chunk: int) -> list[tuple[int, ...]]:
    """For each inference of ``chunk`` the vertices that may serve it, nearest first.

    Nothing serves a vertex on the path of an earlier one: it will have been computed on the way.
    """
    passed = set[int]()
    needs: list[tuple[int, ...]] = []
    for step in plan.steps:
        if isinstance(step, Infer) and step.chunk == chunk:
            path = tuple(plan.tree.path(step.vertex))
            needs.append(() if step.vertex in passed else path)
            passed.update(path)
    return needs
