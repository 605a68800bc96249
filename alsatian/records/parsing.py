"""A task tree from fields or plain data."""

from collections.abc import Mapping, Sequence
from typing import Any

from alsatian.records import tree
from alsatian.records.fields import Fields


def parse_tree(entries: Sequence[Fields | Mapping[str, Any]]) -> tuple[tree.Vertex, ...]:
    """See :func:`alsatian.records.tree.parse_tree`."""
    return tree.parse_tree([entry.values if isinstance(entry, Fields) else entry for entry in entries])
