"""Who is told how far something is that takes a while."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""


def unheard(what: str, done: int, total: int) -> None:
    """Progress that nobody follows."""
