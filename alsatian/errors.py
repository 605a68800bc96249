"""Errors a user can act on: one line that says what is wrong, where, and what would be right."""

import inspect
import operator
import os
import sysconfig
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any


class AlsatianError(Exception):
    """Base of all errors that the command line prints as one line, without a traceback."""


class ConfigError(AlsatianError):
    """A setting, name or argument is not valid."""


class StoreError(AlsatianError):
    """A file of the store is missing, damaged or not what its name says."""


class StoreWriteError(StoreError):
    """The store cannot be written to: a full disk, or a folder of somebody else. No model is to blame."""


class LocalDiskError(StoreError):
    """The fast local path for copies cannot be used. No model is to blame."""


class RemoteError(StoreError):
    """A store elsewhere cannot be reached, or there is no room for what comes from there. No model is to blame."""


class BudgetError(AlsatianError):
    """A memory budget cannot be kept."""


class BadModelError(AlsatianError):
    """Candidate models cannot be used: a damaged block, shapes that do not fit, features that are no numbers.

    Attributes:
        models: the ids of all candidates that share the fault.
    """

    def __init__(self, message: str, models: Iterable[str]) -> None:
        super().__init__(message)
        self.models = tuple(models)


class StrategyError(AlsatianError):
    """The rounds or plans of a strategy are not what they have to be, or its code fails."""


# What code may raise that this project did not write. That it asks Python to exit is no wish of the user's.
FOREIGN = (Exception, SystemExit)


class OutOfMemoryError(AlsatianError):
    """The memory of the device or of the host does not hold what a step of a search needs."""


class SplitError(AlsatianError):
    """A model cannot be turned into a chain of blocks."""


def first_line(error: BaseException) -> str:
    """What ``error`` of a library says, in a line: its first one, or its type if it says nothing.

    A line that ends in a colon says nothing without the next one.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])


# Code that a user did not write: this project's and installed libraries'.
_INSTALLED = (
    *(str(Path(__file__).parents[1] / room) for room in ("alsatian", "experiments")),
    *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")),
)


def told(error: BaseException) -> str:
    """Type, first line and place of ``error``, which nobody meant for people: the innermost line of a user's own
    code that it passed through, or else the line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not installed(frame.filename)]
    kind, line = type(error).__name__, first_line(error)
    at = [f" ({place(frame.filename, frame.lineno)})" for frame in (own or frames)[-1:]]
    return "".join([kind, "" if line == kind else f": {line}", *at])


def installed(file: str) -> bool:
    """Whether ``file`` holds code that a user did not write."""
    return file.startswith((*_INSTALLED, "<"))


def place(file: str | Path, line: int | None) -> str:
    """A line of code."""
    return f"{near(file)}:{line}"


def near(file: str | Path) -> str:
    """The shorter way to ``file``: from the current folder if it lies below."""
    way = os.path.relpath(file)
    return str(file) if way.startswith(os.pardir) else way


# More names than this are no help in one line.
_SHOWN = 60


def nearest(name: str, valid: Iterable[str]) -> str:
    """How an error about an unknown ``name`` ends: the nearest valid name, all of them, or the first of many."""
    names = sorted(valid)
    if close := get_close_matches(name, names, n=1, cutoff=0.5):
        return f"did you mean '{close[0]}'?"
    shown = [*names[:_SHOWN], *([f"… ({len(names)} in all)"] if len(names) > _SHOWN else [])]
    return f"valid are: {', '.join(shown) or 'none'}"


def said(value: object) -> str:
    """What an argument of the wrong kind is, in a few words."""
    if inspect.isclass(value):
        return f"the class {value.__name__}"
    return f"'{value}'" if isinstance(value, str | Path) else f"a value of type {type(value).__name__}"


def whole(value: Any) -> int:
    """``value`` as a whole number.

    Raises:
        TypeError: it is of another kind, e.g. true or 32.0.
    """
    if isinstance(value, bool):
        raise TypeError
    return operator.index(value)
