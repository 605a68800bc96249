"""The parts of a run record under the names that the analysis imports."""

from alsatian.records.run import Budget, Environment, Storage
from alsatian.records.tree import Vertex

__all__ = ["Budget", "Environment", "Storage", "Vertex"]
