"""What the steps of a plan will need: blocks of the loader, intermediates of the cache."""

from collections.abc import Iterator, Mapping

from alsatian.blocks.segment import Segment
from alsatian.planning.computation import vertices_to_compute
from alsatian.planning.plan import Infer, Plan
from alsatian.runtime.loading.block_source import Need
from alsatian.tree import TaskTree


def edge_needs(tree: TaskTree, vertex: int, segments: Mapping[str, Segment]) -> list[Need]:
    """The blocks of the edge into ``vertex``; ``segments`` by block identity."""
    below = vertex
    while not tree.models[below]:
        below = tree.children[below][0]
    model = tree.models[below][0]  # one of those that need the vertex, for error messages
    return [Need(block, segments[block.identity], model) for block in tree.blocks[vertex]]


def block_needs(plan: Plan, segments: Mapping[str, Segment], keeps: bool) -> Iterator[list[Need]]:
    """The blocks that each inference step of ``plan`` needs.

    With ``keeps`` the cache is taken to hold all that it may, without it every step starts from the data.
    """
    needs: dict[int, list[Need]] = {}
    chunk, kept = -1, set[int]()
    for step in plan.steps:
        if isinstance(step, Infer):
            if step.chunk != chunk or not keeps:
                chunk, kept = step.chunk, set()
            path = vertices_to_compute(plan.tree, step.vertex, kept, plan.fused, plan.recomputed)
            kept.update(v for v in path if v not in plan.fused and v not in plan.recomputed)
            for vertex in path:
                needs.setdefault(vertex, edge_needs(plan.tree, vertex, segments))
            yield [need for vertex in path for need in needs[vertex]]


def cache_needs(plan: Plan, chunk: int) -> list[tuple[int, ...]]:
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
