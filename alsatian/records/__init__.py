"""Records of runs: what they say as typed data, how they are read and checked. Nothing here loads torch.

Timelines, which are tables of pandas, are read by :mod:`alsatian.records.trace`.
"""

from alsatian.records.base import FieldError, Record, ResultsError
from alsatian.records.conditions import Conditions
from alsatian.records.data import Dataset, DataSummary
from alsatian.records.groundtruth import GROUNDTRUTH, FineTune, GroundTruth, Tried, Tuning
from alsatian.records.limit import Limit
from alsatian.records.networks import Layer, Layers, Overlap
from alsatian.records.reading import Records, document, find, load, read, read_run
from alsatian.records.repeat import Repeat
from alsatian.records.run import (
    MEASURED,
    PREDICTED,
    SCHEMA,
    STATUSES,
    Budget,
    Code,
    Environment,
    Findings,
    ModelSet,
    Prediction,
    Round,
    Run,
    Storage,
)
from alsatian.records.sweep import Sweep, SweepRun
from alsatian.records.tree import Vertex, parse_tree

__all__ = [
    "GROUNDTRUTH", "MEASURED", "PREDICTED", "SCHEMA", "STATUSES", "Budget", "Code", "Conditions", "DataSummary",
    "Dataset", "Environment", "FieldError", "Findings", "FineTune", "GroundTruth", "Layer", "Layers", "Limit",
    "ModelSet", "Overlap", "Prediction", "Record", "Records", "Repeat", "ResultsError", "Round", "Run", "Storage",
    "Sweep", "SweepRun", "Tried", "Tuning", "Vertex", "document", "find", "load", "parse_tree", "read", "read_run",
]  # fmt: skip
