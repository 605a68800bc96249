"""Reading files at a declared bandwidth, and cold where that is asked for."""

import contextlib
import copy
import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from alsatian.runtime.storage.page_cache import drop_pages
from alsatian.runtime.storage.throttle import Throttle

_SCRATCH = 256 * 1024
_MOST = 64
"""Buffers of one call, far below any system's limit."""
_FREE = Throttle(None)


class Fetched(NamedTuple):
    """What was read: its size in bytes, and whether any of it should have been cold but was not shown to be."""

    size: int
    warm: bool


class Extent(NamedTuple):
    """Bytes of a file that follow each other from ``offset`` on, and the memory that they go to, in order."""

    path: Path
    offset: int
    into: Sequence[memoryview]


Layout = Callable[[int], tuple[int, Sequence[Extent]]]
"""Reads from an open file where the rest is to be read from: the bytes that this took, and the rest."""


class Reader:
    """Reads files through ``throttle``, several at once if several threads do.

    With ``cold`` pages are dropped before they are read; ``drop`` does that to an open file, or to ``nbytes`` of it
    from ``offset`` on, and says whether they are gone. With ``again`` both that and the throttle are for a first
    read only.
    """

    def __init__(
        self,
        throttle: Throttle,
        cold: bool = False,
        drop: Callable[..., bool] = drop_pages,
        again: bool = False,
    ) -> None:
        self.throttle = throttle
        self._cold = cold
        self._drop = drop
        self._seen: set[tuple[Path, int, str | None]] | None = set() if again else None
        self._here: dict[Path, bool] = {}
        self._brought: set[tuple[Path, str | None]] = set()
        self._begin: Callable[[], None] | None = None
        # Of files: who reads a part of one brings pages beside it, which another one might want to be cold.
        self._locks: dict[str, threading.Lock] = {}

    @property
    def is_free(self) -> bool:
        """Whether reads are neither held up nor cold."""
        return self.throttle.rate is None and not self._cold

    def fetch(self, path: Path, owner: str | None = None) -> Fetched:
        """Bring the content of ``path`` into memory (the page cache).

        ``owner`` has a file of its own, so that what others have read does not help.

        Raises:
            OSError: it cannot be read.
        """
        new = self._is_new(path, 0, owner)
        throttle = self.throttle if new else _FREE
        with path.open("rb", buffering=0) as file:
            warm = self._cold and new and not self._drop(file.fileno())
            size, end = 0, os.fstat(file.fileno()).st_size
            scratch = memoryview(bytearray(min(_SCRATCH, end)))
            with throttle.stream():
                while size < end:
                    with throttle.piece(min(end - size, _MOST * _SCRATCH)) as piece:
                        # Again and again into the same memory, in one call: only the page cache matters, and
                        # the interpreter is given away and waited for once a piece.
                        whole, rest = divmod(piece, len(scratch))
                        count = os.readv(file.fileno(), [scratch] * whole + [scratch[:rest]] * bool(rest))
                    if not count:
                        break  # somebody made it shorter; what it holds is checked elsewhere
                    size += count
        return Fetched(size, warm)

    def read(self, path: Path, layout: Layout, owner: str | None = None) -> Fetched:
        """Read parts of ``path``, and of other files, to where ``layout``, given the open file, wants them.

        Raises:
            OSError: a file cannot be read, or ends too early.
        """
        with path.open("rb", buffering=0) as file:
            new = self._is_new(path, 0, owner)
            with self._alone(path, new):
                warm = self._cold and new and not self._drop(file.fileno(), offset=0, nbytes=_SCRATCH)
                size, extents = layout(file.fileno())
            owed = size if new else 0  # paid with what is read next: a wait of its own would be longer
            for extent in extents:
                with contextlib.ExitStack() as stack:
                    source = (
                        file if extent.path == path else stack.enter_context(extent.path.open("rb", buffering=0))
                    )
                    nbytes = sum(map(len, extent.into))
                    warm |= self._pour(source.fileno(), extent, nbytes, owner, owed)
                owed, size = 0, size + nbytes
            if owed:
                self.throttle.charge(owed)
        return Fetched(size, warm)

    def beginning(self, begin: Callable[[], None]) -> "Reader":
        """The same, which calls ``begin`` before a part of a file is read that is cold and has memory to go to."""
        other = copy.copy(self)
        other._begin = begin
        return other

    def owes(self, path: Path, owner: str | None, here: bool) -> bool:
        """Whether reading ``path``, of a store elsewhere, costs as much as bringing it, although its mirror has it.

        An ``owner`` has a file of its own, and cold reads find an empty mirror first. ``here``: the mirror had it.
        """
        warm = self._here.setdefault(path, here and not self._cold)
        new = (path, owner) not in self._brought
        self._brought.add((path, owner))
        return new and not warm

    def _alone(self, path: Path, new: bool) -> contextlib.AbstractContextManager[object]:
        return (
            self._locks.setdefault(str(path), threading.Lock()) if self._cold and new else contextlib.nullcontext()
        )

    def _is_new(self, path: Path, offset: int, owner: str | None) -> bool:
        """Whether what begins at ``offset``, and is read now, costs as much as if nobody had read it."""
        if self._seen is None:
            return True
        new = (path, offset, owner) not in self._seen
        self._seen.add((path, offset, owner))
        return new

    def _pour(self, descriptor: int, extent: Extent, nbytes: int, owner: str | None, owed: int) -> bool:
        """Read ``extent`` at the price of ``owed`` bytes more; whether it was warm although it was to be cold."""
        new = self._is_new(extent.path, extent.offset, owner)
        throttle = self.throttle if new else _FREE
        cold = self._cold and new
        views, done = deque(view for view in extent.into if len(view)), 0
        if self._begin is not None:
            if cold:  # what takes time, before the bytes of another one have come
                self._drop(descriptor, offset=extent.offset, nbytes=nbytes)
            self._begin()
        with self._alone(extent.path, new), throttle.stream():
            warm = cold and not self._drop(descriptor, offset=extent.offset, nbytes=nbytes)
            while done < nbytes:
                with throttle.piece(min(owed + nbytes - done, _MOST * _SCRATCH)) as piece:
                    paid = min(owed, piece)
                    owed -= paid
                    count = os.preadv(descriptor, _first(views, piece - paid), extent.offset + done)
                if not count and piece > paid:
                    raise OSError(errno.EIO, "ends too early", str(extent.path))
                _pass(views, count)
                done += count
        return warm


def _first(views: Sequence[memoryview], nbytes: int) -> list[memoryview]:
    """The first ``nbytes`` of ``views``, or less if there are very many."""
    taken: list[memoryview] = []
    for view in views:
        if nbytes <= 0 or len(taken) == _MOST:
            break
        taken.append(view[:nbytes])
        nbytes -= len(taken[-1])
    return taken


def _pass(views: deque[memoryview], nbytes: int) -> None:
    """Take the first ``nbytes`` off ``views``."""
    while nbytes:
        view = views.popleft()
        if len(view) > nbytes:
            views.appendleft(view[nbytes:])
            return
        nbytes -= len(view)
