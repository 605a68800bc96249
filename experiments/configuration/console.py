"""The consoles of the command line, which write texts as they are."""

from functools import partial

from rich.console import Console

from alsatian.units import printable

plain = partial(Console, soft_wrap=True, markup=False, highlight=False)
"""Makes one: nothing is coloured by guess, and a bracket in a name is a bracket."""


def complain(text: str) -> None:
    """Write ``text`` to the error output, without what names in it could do to a terminal."""
    plain(stderr=True).print("\n".join(map(printable, text.splitlines())))
