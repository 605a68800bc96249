"""Records of runs: what they say as typed data, and how they are read. Nothing here loads torch.

Timelines are tables of pandas, which is imported on their first use.
"""

from typing import TYPE_CHECKING, Any

from alsatian.records.fields import FieldError, Fields
from alsatian.records.parsing import parse_run, parse_tree
from alsatian.records.paths import Source, find
from alsatian.records.reading import Records, ResultsError, document, load, read, read_run
from alsatian.records.schema import (
    SCHEMA,
    STATUSES,
    Budget,
    Dataset,
    Environment,
    ModelSet,
    Prediction,
    Repeat,
    Round,
    Run,
    Storage,
    Vertex,
)

if TYPE_CHECKING:
    from alsatian.records.trace import Trace, load_trace

__all__ = [
    "SCHEMA", "STATUSES", "Budget", "Dataset", "Environment", "FieldError", "Fields", "ModelSet",
    "Prediction", "Records", "Repeat", "ResultsError", "Round", "Run", "Source", "Storage",
    "Trace", "Vertex", "document", "find", "load", "load_trace", "parse_run", "parse_tree", "read", "read_run",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("Trace", "load_trace"):
        from alsatian.records import trace

        return getattr(trace, name)
    raise AttributeError(f"module 'alsatian.records' has no attribute '{name}'")
