"""Records of runs: what they say as typed data, how they are read and checked. Nothing here loads torch.

Timelines are tables of pandas, which is imported on their first use.
"""

from typing import TYPE_CHECKING, Any

from alsatian.records.base import FieldError, Record, ResultsError
from alsatian.records.networks import Layer, Layers, Overlap
from alsatian.records.reading import Records, document, find, load, read, read_run
from alsatian.records.run import (
    MEASURED,
    PREDICTED,
    SCHEMA,
    STATUSES,
    Budget,
    Code,
    Dataset,
    Environment,
    Findings,
    ModelSet,
    Prediction,
    Repeat,
    Round,
    Run,
    Storage,
)
from alsatian.records.sweep import Sweep, SweepRun
from alsatian.records.tree import Vertex, parse_tree

if TYPE_CHECKING:
    from alsatian.records.trace import Trace, load_trace

__all__ = [
    "MEASURED", "PREDICTED", "SCHEMA", "STATUSES", "Budget", "Code", "Dataset", "Environment", "FieldError",
    "Findings", "Layer", "Layers", "ModelSet", "Overlap", "Prediction", "Record", "Records", "Repeat",
    "ResultsError", "Round", "Run", "Storage", "Sweep", "SweepRun", "Trace", "Vertex", "document", "find",
    "load", "load_trace", "parse_tree", "read", "read_run",
]  # fmt: skip

if not TYPE_CHECKING:  # names that are not there are errors to the type checker

    def __getattr__(name: str) -> Any:
        if name in ("Trace", "load_trace"):
            from alsatian.records import trace

            return getattr(trace, name)
        raise AttributeError(f"module 'alsatian.records' has no attribute '{name}'")
