"""The truth about the family of tiny models."""

from tests.searching.conftest import truth

__all__ = ["truth"]
