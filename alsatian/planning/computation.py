"""What each inference step of a plan with planned releases computes, keeps and releases.

Besides computing a vertex once and keeping it for its children there are two ways to get by with less cache:

- a *fused* vertex is never kept: the step that computes it goes on to its children, batch by batch, so that one
  batch of it exists at a time (appendix of the paper, scenario 2);
- a *recomputed* vertex is never kept either: every step for one of its children computes it again on the way,
  from the nearest ancestor at hand or from the data (scenario 3).
"""

from collections.abc import Collection, Container, Iterator, Sequence
from dataclasses import dataclass

from alsatian.planning.orders.base import Shape
from alsatian.tree import NO_VERTEX, TaskTree

NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class InferenceStep:
    """One inference step.

    Attributes:
        target: the vertex that the step names.
        computed: what is computed for every batch, each vertex behind its parent.
        stored: vertices that enter the cache.
        fused: vertices of which one batch is held while the step runs.
        done: vertices that leave the cache behind it.
    """

    target: int
    computed: Sequence[int]
    stored: Sequence[int]
    fused: Sequence[int]
    done: Sequence[int]


def inference_steps(
    shape: Shape, order: Sequence[int], fused: Collection[int] = NONE, recomputed: Collection[int] = NONE
) -> Iterator[InferenceStep]:
    """The steps of one chunk in the ``order`` of their targets.

    A vertex enters the cache when it is computed and leaves it with the last step that starts from it. One
    without children leaves once it is scored, before the next step. Both ways are for vertices with children.
    """
    parent, children = shape.parent, shape.children
    source = _sources(parent, fused, recomputed) if fused or recomputed else parent
    waiting = [0] * len(parent)
    for vertex, start in enumerate(source):
        if start != NO_VERTEX and _is_target(parent, vertex, fused, recomputed):
            waiting[start] += 1
    for vertex in order:
        if not _is_target(parent, vertex, fused, recomputed):
            continue
        start = source[vertex]
        path = stored = [vertex]
        if vertex in fused:
            path = with_fused_below(children, vertex, fused, recomputed)
            stored = [v for v in path if v not in fused]
        if parent[vertex] != start:
            path = [*_between(parent, start, vertex), *path]
        done = [v for v in stored if not children[v]]
        if start != NO_VERTEX:
            waiting[start] -= 1
            if waiting[start] == 0:
                done.append(start)
        yield InferenceStep(vertex, path, stored, [v for v in path if v in fused] if fused else [], done)


def vertices_to_compute(
    tree: TaskTree,
    target: int,
    cached: Container[int],
    fused: Container[int] = NONE,
    recomputed: Container[int] = NONE,
) -> list[int]:
    """The vertices that a step for ``target`` computes, in order, each behind its parent.

    From below the nearest ancestor in the cache, or from the data, down to the target; if that is fused, on to
    what is below it. Empty if the target is in the cache.
    """
    path = []
    for vertex in tree.path(target):
        if vertex in cached:
            break
        path.append(vertex)
    path.reverse()
    return path[:-1] + with_fused_below(tree.children, target, fused, recomputed) if path else path


def with_fused_below(
    children: Sequence[Sequence[int]], vertex: int, fused: Container[int], recomputed: Container[int] = NONE
) -> list[int]:
    """``vertex`` and, as far as fused vertices lead, what is below it, depth first."""
    below, stack = [], [vertex]
    while stack:
        vertex = stack.pop()
        below.append(vertex)
        if vertex in fused:
            stack.extend(child for child in reversed(children[vertex]) if child not in recomputed)
    return below


def _is_target(parent: Sequence[int], vertex: int, fused: Container[int], recomputed: Container[int]) -> bool:
    """Whether a step is for ``vertex``, and not on its way to others."""
    return vertex not in recomputed and parent[vertex] not in fused


def _between(parent: Sequence[int], above: int, below: int) -> list[int]:
    """The vertices on the way from ``above`` to ``below``, without the two."""
    path = []
    while (below := parent[below]) != above:
        path.append(below)
    return path[::-1]


def _sources(parent: Sequence[int], fused: Container[int], recomputed: Container[int]) -> list[int]:
    """The nearest ancestor of each vertex that is kept, or ``NO_VERTEX``."""
    sources: list[int] = []
    for above in parent:
        passed = above != NO_VERTEX and (above in fused or above in recomputed)
        sources.append(sources[above] if passed else above)
    return sources
