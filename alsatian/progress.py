"""Who is told how far something is that takes a while."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many steps are done, and how many there are."""

Tick = Callable[[], None]
"""Called after every step where nobody knows how many there will be."""


def unheard(what: str = "", done: int = 0, total: int = 0) -> None:
    """A :data:`Progress` or a :data:`Tick` that nobody follows."""
