"""The consoles of the command line, which write texts as they are."""

from functools import partial

from rich.console import Console

plain = partial(Console, soft_wrap=True, markup=False, highlight=False)
"""Makes one: nothing is coloured by guess, and a bracket in a name is a bracket."""


def complain(text: str) -> None:
    """Write ``text`` to the error output."""
    plain(stderr=True).print(text)
