"""Errors a user can act on: one line that says what is wrong, where, and what would be right."""

from collections.abc import Iterable
from difflib import get_close_matches


class AlsatianError(Exception):
    """Base of all errors that the command line prints as one line, without a traceback."""


class ConfigError(AlsatianError):
    """A setting, name or argument is not valid."""


class StoreError(AlsatianError):
    """A file of the store is missing, damaged or not what its name says."""


class LocalDiskError(StoreError):
    """The fast local path for copies cannot be used. No model is to blame."""


class BudgetError(AlsatianError):
    """A memory budget cannot be kept."""


class SplitError(AlsatianError):
    """A model cannot be turned into a chain of blocks."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """The end of an error message about an unknown ``name``: the nearest valid name, or all of them."""
    names = sorted(valid)
    if close := get_close_matches(name, names, n=1, cutoff=0.5):
        return f"did you mean '{close[0]}'?"
    return f"valid are: {', '.join(names) or 'none'}"
