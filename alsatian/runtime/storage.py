"""The storage regime: how fast, and how cold, the model store is read."""

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from alsatian.errors import ConfigError, StoreError
from alsatian.units import format_bytes, parse_bytes

_PIECE = 256 * 1024


@dataclass(frozen=True)
class Storage:
    """How files are read.

    Attributes:
        bandwidth: bytes per second that reading never exceeds (a number or e.g. ``"200MB"``); None for
            the disk's own speed.
        cold: drop a file from the operating system's page cache before reading it.
    """

    bandwidth: int | str | None = None
    cold: bool = False

    def __post_init__(self) -> None:
        parse_bytes(self.bandwidth, "storage.bandwidth")
        if self.cold and not hasattr(os, "posix_fadvise"):
            raise ConfigError("storage.cold=true needs posix_fadvise, which this system lacks; set it to false")

    @property
    def bytes_per_second(self) -> int | None:
        """The bandwidth in bytes per second."""
        return parse_bytes(self.bandwidth, "storage.bandwidth")

    def __str__(self) -> str:
        speed = "own speed" if self.bytes_per_second is None else f"{format_bytes(self.bytes_per_second)}/s"
        return f"{speed}, {'cold' if self.cold else 'warm'} cache"


class Reader:
    """Reads whole files under a storage regime. Files are read one at a time, also from several threads."""

    def __init__(self, storage: Storage) -> None:
        self._cold = storage.cold
        self._rate = storage.bytes_per_second
        self._free_at = 0.0
        self._turn = threading.Lock()
        self._scratch = memoryview(bytearray(_PIECE))

    def fetch(self, path: Path, what: str) -> int:
        """Bring the content of ``path`` into memory (the page cache) and return its size in bytes.

        Raises:
            StoreError: it cannot be read; names the file and ``what`` it is.
        """
        size = 0
        try:
            with self._turn, path.open("rb", buffering=0) as file:
                start = max(self._free_at, time.perf_counter())
                if self._cold:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                while count := file.readinto(self._scratch):
                    size += count
                    self._wait_until(start, size)
        except OSError as error:
            raise StoreError(f"{path}: cannot read {what} ({error.strerror}); add the model again") from None
        return size

    def _wait_until(self, start: float, size: int) -> None:
        """Sleep until ``size`` bytes, begun at ``start``, may be over at the declared rate.

        The schedule is absolute within a file, so that a slow piece or a late wake-up is caught up with.
        """
        if self._rate is None:
            return
        self._free_at = start + size / self._rate
        if (wait := self._free_at - time.perf_counter()) > 0:
            time.sleep(wait)
