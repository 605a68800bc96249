"""The task tree of a plan as plain data: one entry for every vertex, by number."""

from collections.abc import Mapping
from typing import Any

from alsatian.planning.computation import vertices_to_compute
from alsatian.planning.plan import Infer, Plan
from alsatian.tree import NO_VERTEX


def vertex_rows(plan: Plan, seconds: Mapping[int, float] | None = None) -> list[dict[str, Any]]:
    """Every vertex with its ``parent`` (None if it starts from the data), its place in the ``order`` of computing
    (of the step that computes it first; None if none does), the ``way`` it is treated, its number of ``blocks`` and
    their ``parameter_bytes``, the ``output_bytes`` of an item, and the ``models`` whose features it is; with
    ``seconds`` by vertex also those.
    """
    tree, places = plan.tree, _places(plan)
    return [
        {
            "vertex": vertex,
            "parent": None if parent == NO_VERTEX else parent,
            "order": places.get(vertex),
            "way": _treatment(plan, vertex),
            "blocks": len(tree.blocks[vertex]),
            "parameter_bytes": sum(block.parameter_bytes for block in tree.blocks[vertex]),
            "output_bytes": tree.output_bytes[vertex],
            "models": list(tree.models[vertex]),
            **({} if seconds is None else {"seconds": seconds.get(vertex, 0.0)}),
        }
        for vertex, parent in enumerate(tree.parent)
    ]


def _places(plan: Plan) -> dict[int, int]:
    """The step that computes each vertex first, counted from 1. What a cache loses later does not change it."""
    first: dict[int, int] = {}
    kept: set[int] = set()
    place = 0
    for step in plan.steps:
        if isinstance(step, Infer):
            if step.chunk:
                break
            place += 1
            path = vertices_to_compute(plan.tree, step.vertex, kept, plan.fused, plan.recomputed)
            for vertex in path:
                first.setdefault(vertex, place)
            kept.update(v for v in path if v not in plan.fused and v not in plan.recomputed)
    return first


def _treatment(plan: Plan, vertex: int) -> str:
    if not plan.tree.children[vertex]:
        return "features"
    if vertex in plan.fused:
        return "fused"
    if vertex in plan.recomputed:
        return "recomputed"
    if plan.peaks is None:
        return "offered to the cache"
    return "spilled" if vertex in plan.spilled else "kept"
