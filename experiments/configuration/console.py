"""The consoles of the command line, which write texts as they are, and how much a command says."""

import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
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


FLAGS = ("-q", "--quiet", "-v", "--verbose", "--traceback")
_QUIET = "only results and errors: no progress, no notes"
_VERBOSE = "every step with its time, and all of an error"
_volume = Volume.USUAL


def volume() -> Volume:
    """How much the command under way says."""
    return _volume


def as_flags() -> list[str]:
    """What has another command say as much."""
    return [] if _volume is Volume.USUAL else [f"--{_volume.value}"]


@contextmanager
def speaking(chosen: Volume) -> Iterator[None]:
    """A context in which commands say as much as ``chosen``."""
    global _volume
    before, _volume = _volume, chosen
    try:
        yield
    finally:
        _volume = before


def add_flags(parser: ArgumentParser) -> None:
    """Declare the options of every command, :data:`FLAGS`; ``volume`` is None unless one is given."""
    parser.add_argument("--traceback", action="store_true", help="show all of an error, not only a line")
    how_much = parser.add_mutually_exclusive_group()
    for short, chosen, text in (("-q", Volume.QUIET, _QUIET), ("-v", Volume.VERBOSE, _VERBOSE)):
        how_much.add_argument(
            short, f"--{chosen.value}", action="store_const", dest="volume", const=chosen, help=text
        )


def progress_line(line: str, important: bool = False) -> str | None:
    """What is said of a ``line`` of progress: with its time if all is said; when quiet what is ``important``."""
    if _volume is Volume.QUIET and not important:
        return None
    return f"{time.strftime('%H:%M:%S')} {line}" if line and _volume is Volume.VERBOSE else line


def progress(say: Callable[..., None]) -> Callable[..., None]:
    """``say`` for lines of progress, see :func:`progress_line`."""

    def say_line(line: str, **settings: Any) -> None:
        if (told := progress_line(line)) is not None:
            say(told, **settings)

    return say_line


def plain(**settings: Any) -> Console:
    """A console: nothing is coloured by guess, and a bracket in a name is a bracket.

    On a terminal no row is wider than it; in files and pipes lines stay whole.
    """
    stream = sys.stderr if settings.get("stderr") else sys.stdout
    return Console(**{"soft_wrap": not stream.isatty(), "markup": False, "highlight": False, **settings})


def complain(text: str) -> None:
    """Write ``text`` to the error output, without what names in it could do to a terminal."""
    plain(stderr=True, soft_wrap=True).print("\n".join(map(printable, text.splitlines())))
