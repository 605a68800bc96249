"""The storage regime: how fast, and how cold, the model store and the data are read."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from alsatian.errors import ConfigError, nearest
from alsatian.units import format_bytes, parse_bytes

ONCE, ALWAYS = "once", "always"
WAYS = (ONCE, ALWAYS)
"""Which reads of a block are verified: the first of its file on a machine, or every one."""


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
        deltas: models that come to the store hold as deltas what is read faster so at this bandwidth; None for no
            deltas. What is in the store already stays as it is.
        mirrors: of a store elsewhere, the folder of all mirrors here; None for what ``ALSATIAN_MIRRORS`` says.
        mirror_size: bytes of block files that a mirror may hold; None for what ``ALSATIAN_MIRROR_SIZE`` says.
    """

    bandwidth: int | str | None = None
    cold: bool = False
    data_bandwidth: int | str | None = None
    page_cache: bool = False
    verify_blocks: str = ONCE
    deltas: int | float | str | None = None
    mirrors: str | Path | None = None
    mirror_size: int | float | str | None = None

    def __post_init__(self) -> None:
        for key in ("bandwidth", "data_bandwidth", "deltas", "mirror_size"):
            parse_bytes(getattr(self, key), f"storage.{key}")
        if self.mirrors is not None and not (isinstance(self.mirrors, str | Path) and str(self.mirrors)):
            raise ConfigError(f"storage.mirrors={self.mirrors}: the path of a folder is expected")
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

    def at_most(self, rate: int | str | None, key: str) -> "Storage":
        """This regime where the store may be read at ``rate``, which the setting ``key`` says; None for no limit.

        Raises:
            ConfigError: a higher bandwidth is declared, which this would not be.
        """
        limit, declared = parse_bytes(rate, key), self.bytes_per_second
        if limit is None or (declared is not None and declared <= limit):
            return self
        if declared is None:
            return replace(self, bandwidth=limit)
        raise ConfigError(f"{key}={rate}: less than storage.bandwidth={self.bandwidth}, which runs are to have")

    def __str__(self) -> str:
        text = f"{_speed(self.bytes_per_second)}, {'cold' if self.cold else 'warm'} cache"
        if self.page_cache:
            text += ", read again from memory"
        if self.data_bytes_per_second is not None:
            text += f"; data {_speed(self.data_bytes_per_second)}"
        if self.verify_blocks == ALWAYS:
            text += "; every read verified"
        if self.deltas is not None:
            text += f"; deltas for {_speed(parse_bytes(self.deltas, 'storage.deltas'))}"
        return text


def _speed(rate: int | None) -> str:
    return "own speed" if rate is None else f"{format_bytes(rate)}/s"
