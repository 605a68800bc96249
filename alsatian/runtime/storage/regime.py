"""The storage regime: how fast, and how cold, the model store and the data are read."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from alsatian.errors import ConfigError, nearest
from alsatian.runtime.storage.page_cache import drop_pages
from alsatian.runtime.storage.throttle import Throttle
from alsatian.runtime.storage.verified import ALWAYS, ONCE, WAYS
from alsatian.units import format_bytes, parse_bytes

_SCRATCH = 256 * 1024
_MOST = 64
"""Buffers of one call, far below any system's limit."""
_FREE = Throttle(None)


@dataclass(frozen=True)
class Storage:
    """How files are read.

    Attributes:
        bandwidth: bytes per second that reading the model store never exceeds (a number or e.g. ``"200MB"``);
            None for the disk's own speed.
        cold: drop every file of the store from the operating system's page cache before it is read, and
            every file of the data before it is read first.
        data_bandwidth: like ``bandwidth``, for the data.
        page_cache: what a search has read before comes from the operating system's page cache, at the memory's
            speed: a file of the store is cold, and its reading limited, the first time only. Without, every read
            is like the first, as on a machine whose memory is full.
        verify_blocks: ``"once"`` compares a block of the store with its identity when its file is read for the
            first time on this machine, or has changed; ``"always"`` with every read, which takes a core's time.
    """

    bandwidth: int | str | None = None
    cold: bool = False
    data_bandwidth: int | str | None = None
    page_cache: bool = False
    verify_blocks: str = ONCE

    def __post_init__(self) -> None:
        parse_bytes(self.bandwidth, "storage.bandwidth")
        parse_bytes(self.data_bandwidth, "storage.data_bandwidth")
        if self.verify_blocks not in WAYS:
            raise ConfigError(
                f"storage.verify_blocks={self.verify_blocks}: {nearest(str(self.verify_blocks), WAYS)}"
            )
        if self.cold and not hasattr(os, "posix_fadvise"):
            raise ConfigError("storage.cold=true needs posix_fadvise, which this system lacks; set it to false")

    @property
    def bytes_per_second(self) -> int | None:
        """The store's bandwidth in bytes per second."""
        return parse_bytes(self.bandwidth, "storage.bandwidth")

    @property
    def data_bytes_per_second(self) -> int | None:
        """The data's bandwidth in bytes per second."""
        return parse_bytes(self.data_bandwidth, "storage.data_bandwidth")

    def __str__(self) -> str:
        text = f"{_speed(self.bytes_per_second)}, {'cold' if self.cold else 'warm'} cache"
        if self.page_cache:
            text += ", read again from memory"
        if self.data_bytes_per_second is not None:
            text += f"; data {_speed(self.data_bytes_per_second)}"
        if self.verify_blocks == ALWAYS:
            text += "; every read verified"
        return text


def _speed(rate: int | None) -> str:
    return "own speed" if rate is None else f"{format_bytes(rate)}/s"


class Fetched(NamedTuple):
    """A file that was read: its size in bytes, and whether it should have been cold but was not shown to be."""

    size: int
    warm: bool


class Reader:
    """Reads whole files through ``throttle``, several at once if several threads do.

    With ``cold`` a file's pages are dropped before; ``drop`` does that to an open file and says whether they
    are gone. With ``again`` both that and the throttle are for a file's first read only.
    """

    def __init__(
        self,
        throttle: Throttle,
        cold: bool = False,
        drop: Callable[[int], bool] = drop_pages,
        again: bool = False,
    ) -> None:
        self._throttle = throttle
        self._cold = cold
        self._drop = drop
        self._seen: set[tuple[Path, str | None]] | None = set() if again else None

    def fetch(self, path: Path, owner: str | None = None) -> Fetched:
        """Bring the content of ``path`` into memory (the page cache).

        ``owner`` has a file of its own, so that what others have read does not help.

        Raises:
            OSError: it cannot be read.
        """
        again = self._seen is not None and (path, owner) in self._seen
        throttle = _FREE if again else self._throttle
        with path.open("rb", buffering=0) as file:
            warm = self._cold and not again and not self._drop(file.fileno())
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
        if self._seen is not None:
            self._seen.add((path, owner))
        return Fetched(size, warm)
