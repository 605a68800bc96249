"""Copies of the store's blocks on a fast local path."""

import contextlib
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path

from alsatian.errors import LocalDiskError, StoreError
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.runtime.storage.regime import ONCE
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.block_reading import Reading
from alsatian.store.store import BlockStore

VERIFIED = "bytes_verified"
"""The counter of parameters, in bytes, that were compared with the identity of their block."""


class BlockCache:
    """Block files in ``folder`` with at most ``budget`` bytes, the least recently used first to go.

    Room is reserved before a file is written, and files that are being read stay, so that the budget holds
    at every moment. Reading a copy is never throttled; it is cold if the store's reads are. A copy is
    verified like a block of the store; one that is damaged is given up, and the store is read instead.

    Counters: ``ssd_hits``, ``ssd_bytes_read``, ``ssd_bytes_written`` and ``bytes_verified``; peak:
    ``ssd_block_bytes``.
    """

    def __init__(
        self,
        folder: Path,
        budget: int,
        cold: bool,
        meter: Meter,
        reader: Reader | None = None,
        verify: str = ONCE,
    ) -> None:
        self._folder = folder
        self._budget = budget
        self._store = BlockStore(folder, verify, kept=False)
        self._reader = reader or Reader(Throttle(None), cold)
        self._meter = meter
        self._lock = threading.Lock()
        self._sizes: OrderedDict[str, int] = OrderedDict()  # least recently used first
        self._in_use: Counter[str] = Counter()
        self.used = 0  # bytes of files and of room reserved

    @contextlib.contextmanager
    def opened(
        self, identity: str, model: str, code: str, narrow: Collection[int] = ()
    ) -> Iterator[Reading | None]:
        """The parameters of a block from its copy, each in memory of its own, where they may in a ``narrow``
        type; None without a copy."""
        with self._lock:
            held = identity in self._sizes
            if held:
                self._sizes.move_to_end(identity)
                self._in_use[identity] += 1
        if not held:
            yield None
            return
        damaged = False
        try:
            try:
                heard = partial(self._meter.count, VERIFIED)
                found = self._store.read_block(
                    identity, model, code, narrow=narrow, reader=self._reader, came=self._came, heard=heard
                )
            except StoreError as error:
                damaged = True
                self._meter.event("damaged_local_copy", block=identity, reason=str(error))
                yield None
                return
            self._meter.count("ssd_hits")
            yield found
        finally:
            with self._lock:
                self._in_use[identity] -= 1
                if damaged and identity in self._sizes:
                    self._remove(identity)

    def _came(self, fetched: Fetched) -> None:
        self._meter.count("ssd_bytes_read", fetched.size)
        self._meter.count("warm_reads", fetched.warm)

    def keep(self, identity: str, found: Reading) -> None:
        """Copy a block, or a part with an ``identity`` of its own, that was just read, if it fits.

        Raises:
            LocalDiskError: it fits the budget, but cannot be written.
        """
        copy = found.copy(identity)
        if not self._reserve(identity, copy.nbytes):
            return
        path = self._store.block_path(identity)
        temporary = path.with_suffix(".tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # No flush: the folder does not outlive the search, and what is read back is verified.
            copy.write(temporary)
            os.replace(temporary, path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            with self._lock:
                self.used -= copy.nbytes
            raise LocalDiskError(
                f"{self._folder}: cannot keep the copy of a block ({error.strerror}); free some space there, set "
                "cache.ssd_dir to a folder on another disk, or choose a smaller cache.block_ssd_budget"
            ) from None
        with self._lock:
            self._sizes[identity] = copy.nbytes
        self._meter.count("ssd_bytes_written", copy.nbytes)

    def _reserve(self, identity: str, size: int) -> bool:
        """Make room, unless that takes files that are being read. Nothing is removed in vain."""
        with self._lock:
            idle = [name for name in self._sizes if not self._in_use[name]]
            if identity in self._sizes or self.used - sum(self._sizes[n] for n in idle) + size > self._budget:
                return False
            for victim in idle:
                if self.used + size <= self._budget:
                    break
                self._remove(victim)
            self.used += size
            self._meter.peak("ssd_block_bytes", self.used)
            return True

    def _remove(self, identity: str) -> None:
        self._store.block_path(identity).unlink(missing_ok=True)
        self.used -= self._sizes.pop(identity)
