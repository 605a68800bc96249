"""The made-up records of the analysis' tests."""

from tests.analysis.conftest import load_runs, record, write

__all__ = ["load_runs", "record", "write"]
