"""What is wrong with a plan, told from the plan alone: nothing is computed."""

from collections import Counter
from collections.abc import Iterator, Sequence

from alsatian.data.dataset import Batch
from alsatian.planning.computation import vertices_to_compute
from alsatian.planning.plan import Infer, Plan, Release, Score


def faults(plan: Plan, models: Sequence[str], batches: Sequence[Batch], planned: bool) -> Iterator[str]:
    """What keeps ``plan`` from scoring each of ``models`` once, on all of ``batches`` that they lack features for.

    Each reads on from "the plan". What the cache holds is followed if releases are ``planned``; else a policy
    decides about it at run time.
    """
    given = [batch for chunk in plan.chunks for batch in chunk]
    if strange := [batch for batch in given if batch not in batches]:
        yield f"has a batch that it was not given, or cuts one: {strange[0]}"
    elif left := [batch for batch in batches if batch not in given]:
        yield f"leaves {len(left)} of {len(batches)} batches out, the first of them {left[0]}"
    elif len(given) > len(batches):
        yield "has a batch in two chunks, so its items are computed twice"
    yield from _Walk(plan, planned).faults(models)


class _Walk:
    """A walk over the steps of a plan that keeps what the engine would keep."""

    def __init__(self, plan: Plan, planned: bool) -> None:
        self._plan, self._planned, self._tree = plan, planned, plan.tree
        self._chunk = 0
        self._cached: set[int] = set()
        self._computed: set[int] = set()  # of the chunk
        self._chunks: dict[int, set[int]] = {}  # for which each vertex was computed
        self._scored = Counter[str]()

    def faults(self, models: Sequence[str]) -> Iterator[str]:
        """See :func:`faults`; a step that means nothing ends the walk."""
        tree, chunks = self._tree, len(self._plan.chunks)
        for number, step in enumerate(self._plan.steps, start=1):
            if not isinstance(step, Infer | Release | Score):
                yield f"has {step!r} as step {number}; Infer, Release or Score is expected"
                return
            if not 0 <= step.vertex < len(tree):
                yield f"has {step} as step {number}, but the tree has only the vertices 0 to {len(tree) - 1}"
                return
            if isinstance(step, Score):
                yield from self._score(step)
                continue
            if not self._chunk <= step.chunk < chunks:
                yield f"has {step} as step {number}, where chunk {self._chunk} of {chunks} is under way (from 0)"
                return
            if step.chunk > self._chunk:
                yield from self._end()
                self._chunk = step.chunk
            yield from self._infer(step) if isinstance(step, Infer) else self._release(step)
        yield from self._end()
        for model in models:
            if model not in self._scored:
                yield f"never scores the model '{model}'"
        for model, times in self._scored.items():
            if model not in models:
                yield f"scores the model '{model}', which it was not asked for"
            elif times > 1:
                yield f"scores the model '{model}' {times} times"

    def _infer(self, step: Infer) -> Iterator[str]:
        plan, kept = self._plan, self._cached if self._planned else ()
        for vertex in vertices_to_compute(self._tree, step.vertex, kept, plan.fused, plan.recomputed):
            if self._planned and vertex in self._computed - plan.recomputed:
                yield (
                    f"computes vertex {vertex} twice for chunk {step.chunk}, the second time on the way to vertex "
                    f"{step.vertex}: it is released too early, or is to be named in recomputed"
                )
            self._computed.add(vertex)
            self._chunks.setdefault(vertex, set()).add(step.chunk)
            if self._tree.cache_bytes(vertex) and vertex not in plan.fused | plan.recomputed:
                self._cached.add(vertex)

    def _release(self, step: Release) -> Iterator[str]:
        if not self._planned:
            yield f"releases vertex {step.vertex}, but its cache policy decides at run time what is kept"
        elif step.vertex not in self._cached:
            why = "twice" if step.vertex in self._computed else "before it is computed"
            yield f"releases vertex {step.vertex} of chunk {step.chunk} {why}"
        self._cached.discard(step.vertex)

    def _score(self, step: Score) -> Iterator[str]:
        names = self._tree.models[step.vertex]
        if not names:
            yield f"scores vertex {step.vertex}, which is no model's features"
        elif lacking := set(range(len(self._plan.chunks))) - self._chunks.get(step.vertex, set()):
            yield f"scores '{names[0]}' before its features are computed for chunk {min(lacking)}"
        self._scored.update(names)

    def _end(self) -> Iterator[str]:
        if self._planned and self._cached:
            yield f"never releases vertex {min(self._cached)} of chunk {self._chunk}"
        self._cached, self._computed = set(), set()
