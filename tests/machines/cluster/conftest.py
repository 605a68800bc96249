"""The truth about the family of tiny models."""

from tests.searching.conftest import modules, truth

__all__ = ["modules", "truth"]
