"""Looks at image files that are kept, so that only new and changed files are decoded to be tried."""

import json
import os
from dataclasses import astuple
from pathlib import Path

from alsatian.contents import Facts, shared
from alsatian.data.gate.bad_items import BadItemError
from alsatian.data.gate.pixels import WHITE, Seen, composed_on, look

# Of what is looked at, and how; with another number looks of before do not count.
FORMAT = 1


class _Looks(Facts):
    """Images by what :func:`~alsatian.data.gate.pixels.look` says of them, as JSON."""

    def find(self, name: str) -> str:
        return json.dumps([FORMAT, *astuple(look(Path(name)))])


_looks = _Looks()
shared("images", _looks)


def looked(path: Path) -> Seen:
    """As :func:`~alsatian.data.gate.pixels.look`, of a file that was looked at before from what was kept.

    Raises:
        BadItemError: it cannot be decoded.
    """
    if composed_on(path) != WHITE:  # part of what is said of it, and not the usual one
        return look(path)
    try:
        form, mode, width, height, notes = json.loads(_looks.of(os.path.abspath(path)))
    except BadItemError as error:  # which names the path in full
        raise BadItemError(path, error.kind, error.reason) from None
    return Seen(mode, width, height, tuple(notes)) if form == FORMAT else look(path)


def keep_looks() -> None:
    """Write down what is new, for later processes."""
    _looks.save()
