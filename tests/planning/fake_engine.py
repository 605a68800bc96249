"""Runs plans with planned releases without any model, and checks every step by the definitions alone."""

from collections import Counter
from collections.abc import Sequence

from alsatian.planning.plan import Infer, Plan, Release
from alsatian.tree import NO_VERTEX


class FakeEngine:
    """Sizes in place of tensors. After :meth:`run`, ``peaks`` and how often each vertex was ``computed``."""

    def __init__(self, plan: Plan, budgets: Sequence[int | None]) -> None:
        self.plan = plan
        self.budgets = budgets
        self.used = [0] * len(budgets)
        self.peaks = [0] * len(budgets)
        self.computed: Counter[int] = Counter()
        self._cache: dict[int, tuple[int, int]] = {}  # tier and bytes
        self._readers: dict[int, set[int]] = {}

    def run(self) -> None:
        plan, chunk = self.plan, -1
        scored: list[int] = []
        for step in plan.steps:
            if isinstance(step, Infer):
                if step.chunk != chunk:
                    assert step.chunk == chunk + 1
                    self._end_chunk(chunk)
                    chunk = step.chunk
                    self.computed.clear()
                self._infer(step.vertex, chunk)
            elif isinstance(step, Release):
                assert step.chunk == chunk
                self._release(step.vertex)
            else:
                assert chunk == len(plan.chunks) - 1, "scored before all features are there"
                assert self.computed[step.vertex], "scored before its features are there"
                scored.append(step.vertex)
        assert chunk == len(plan.chunks) - 1
        self._end_chunk(chunk)
        assert sorted(scored) == [v for v in range(len(plan.tree)) if plan.tree.models[v]], "scored once each"

    def _infer(self, target: int, chunk: int) -> None:
        tree, plan = self.plan.tree, self.plan
        assert target not in self._cache, "computed twice"
        way, above = [target], tree.parent[target]
        while above != NO_VERTEX and above not in self._cache:
            assert above in plan.recomputed or above in plan.fused, "an input is missing"
            way.append(above)
            above = tree.parent[above]
        way.reverse()
        open_ = [target]
        while open_:
            if (vertex := open_.pop()) in plan.fused:
                below = [child for child in tree.children[vertex] if child not in plan.recomputed]
                way += below
                open_ += below
        items = [batch.items for batch in plan.chunks[chunk]]
        passing = sum(tree.cache_bytes(v) for v in way if v in plan.fused) * max(items)
        self._take(0, passing)
        for vertex in way:
            self.computed[vertex] += 1
            if vertex not in plan.fused and vertex not in plan.recomputed:
                assert self.computed[vertex] == 1, "computed twice"
                if tree.children[vertex]:
                    self._keep(vertex, tree.output_bytes[vertex] * sum(items))
        self.used[0] -= passing

    def _keep(self, vertex: int, nbytes: int) -> None:
        tiers = list(range(len(self.budgets)))
        if vertex in self.plan.spilled:
            tiers.append(tiers.pop(0))
        while (budget := self.budgets[tiers[0]]) is not None and self.used[tiers[0]] + nbytes > budget:
            tiers.pop(0)
            assert tiers, "no tier has room"
        tier = tiers[0]
        self._cache[vertex] = tier, nbytes
        self._take(tier, nbytes)

    def _release(self, vertex: int) -> None:
        """Everything below it, down to what is kept, has been computed."""
        tree, plan = self.plan.tree, self.plan
        open_ = list(tree.children[vertex])
        while open_:
            below = open_.pop()
            assert self.computed[below], "released early"
            if below in plan.fused or below in plan.recomputed:
                open_ += tree.children[below]
        tier, nbytes = self._cache.pop(vertex)
        self.used[tier] -= nbytes

    def _take(self, tier: int, nbytes: int) -> None:
        self.used[tier] += nbytes
        budget = self.budgets[tier]
        assert budget is None or self.used[tier] <= budget, "over budget"
        self.peaks[tier] = max(self.peaks[tier], self.used[tier])

    def _end_chunk(self, chunk: int) -> None:
        assert not self._cache, "left in the cache"
        assert chunk < 0 or set(self.computed) == set(range(len(self.plan.tree))), "left out"
