"""The consoles of the command line, which write texts as they are, and how much a command says."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import Any

from rich.console import Console

from alsatian.units import printable


class Volume(Enum):
    """How much a command says: results and errors alone; progress as well; every step with its time."""

    QUIET = "quiet"
    USUAL = "usual"
    VERBOSE = "verbose"


_volume = Volume.USUAL


def volume() -> Volume:
    """How much the command under way says."""
    return _volume


@contextmanager
def speaking(chosen: Volume) -> Iterator[None]:
    """A context in which commands say as much as ``chosen``."""
    global _volume
    before, _volume = _volume, chosen
    try:
        yield
    finally:
        _volume = before


def plain(**settings: Any) -> Console:
    """A console: nothing is coloured by guess, and a bracket in a name is a bracket.

    On a terminal no row is wider than it; in files and pipes lines stay whole.
    """
    stream = sys.stderr if settings.get("stderr") else sys.stdout
    return Console(**{"soft_wrap": not stream.isatty(), "markup": False, "highlight": False, **settings})


def complain(text: str) -> None:
    """Write ``text`` to the error output, without what names in it could do to a terminal."""
    plain(stderr=True, soft_wrap=True).print("\n".join(map(printable, text.splitlines())))
