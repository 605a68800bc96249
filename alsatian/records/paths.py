"""What a path holds, under the name that the analysis imports."""

from alsatian.records.reading import Source, find

__all__ = ["Source", "find"]
