"""The task tree of a run's first round."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from alsatian.records.base import Count, Record, Seconds


class Vertex(Record):
    """An intermediate result of a task tree, and the edge of blocks that computes it.

    Attributes:
        vertex: its place in the list.
        parent: number of the vertex that it is computed from; None for the data.
        order: the step that computes it first, None if none does.
        way: what becomes of it.
        blocks, parameter_bytes: of the edge.
        output_bytes: of the result for an item.
        models: whose features it is.
        seconds: of computing it, predicted or measured (in the first repeat); None if neither was done.
    """

    vertex: Count
    parent: Count | None
    order: Annotated[Count, Field(ge=1)] | None
    way: Literal["features", "fused", "kept", "offered to the cache", "recomputed", "spilled"]
    blocks: Count
    parameter_bytes: Count
    output_bytes: Count
    models: tuple[str, ...]
    seconds: Seconds | None = None


def _in_order(tree: tuple[Vertex, ...]) -> tuple[Vertex, ...]:
    for number, vertex in enumerate(tree):
        if vertex.vertex != number:
            raise ValueError(f"[{number}].vertex is {vertex.vertex}; expected {number}, its place in the list")
        if vertex.parent is not None and vertex.parent >= number:
            raise ValueError(f"[{number}].parent is {vertex.parent}; expected a vertex before {number}")
    return tree


Tree = Annotated[tuple[Vertex, ...], AfterValidator(_in_order)]
"""A task tree by vertex, a parent before its children."""


class _Whole(Record):
    tree: Tree


def parse_tree(entries: Sequence[Mapping[str, Any]]) -> tuple[Vertex, ...]:
    """The vertices of a task tree, from plain data.

    Raises:
        FieldError: a field is missing or not what it should be, or a parent does not come before its child.
    """
    return _Whole.of({"tree": list(entries)}).tree
