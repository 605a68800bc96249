"""Which share of a file is in the page cache, and how to get it out of there."""

import ctypes
import mmap
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

WARM = (
    "storage.cold=true, but {count} reads were not cold: the operating system kept pages in memory although it "
    "was asked to drop them, or does not say whether it did. That happens on tmpfs and other file systems in "
    "memory, with files that another process has mapped, and with files of another user that one may not "
    "write to. Put store_dir (and cache.ssd_dir, if it is used) on a disk, with files of your own, or set "
    "storage.cold=false"
)
"""What to tell when reads were not cold, with their ``count``."""

Residency = Callable[..., float | None]
# Seconds to wait before a file is dropped again.
_PAUSES_S = (0.001, 0.004, 0.016)


def residency(descriptor: int, offset: int = 0, nbytes: int | None = None) -> float | None:
    """The share of an open file's pages, from 0 to 1, that are in the page cache; None if that is not known.

    Of ``nbytes`` from ``offset`` on, those pages that hold any of them. Linux tells only about files that one owns
    or may write to, and calls all others resident.
    """
    status = os.fstat(descriptor)
    start, length = _pages(offset, status.st_size - offset if nbytes is None else nbytes, status.st_size)
    if length <= 0:
        return 0.0
    if status.st_uid != os.geteuid() and os.geteuid() != 0 and not _writable(descriptor):
        return None
    try:
        mincore = ctypes.CDLL(None).mincore
        mapped = mmap.mmap(descriptor, length, access=mmap.ACCESS_READ, offset=start)
    except (AttributeError, OSError, ValueError, TypeError):
        return None
    with mapped:
        content = np.frombuffer(mapped, np.uint8)
        pages = np.zeros(-(-len(content) // mmap.PAGESIZE), np.uint8)
        failed = mincore(
            ctypes.c_void_p(content.ctypes.data),
            ctypes.c_size_t(len(content)),
            ctypes.c_void_p(pages.ctypes.data),
        )
        del content  # or the mapping could not be closed
    return None if failed else float((pages & 1).mean())


def drop_pages(descriptor: int, measure: Residency = residency, offset: int = 0, nbytes: int | None = None) -> bool:
    """Drop an open file, or the pages with ``nbytes`` of it from ``offset`` on, from the page cache; whether they
    are shown to be gone.

    Pages that were just written are dropped once they are on disk, so a file that stays is flushed and
    dropped again. The kernel keeps a page that it is working with, so that is tried again a few times. It also
    keeps pages that it has read ahead together with others that are to stay; then the whole file goes. Mapped
    pages are not dropped.
    """
    start, length = (0, 0) if nbytes is None else _pages(offset, nbytes)
    which = {} if nbytes is None else {"offset": offset, "nbytes": nbytes}
    for pause_s in (None, 0.0, *_PAUSES_S):
        if pause_s is not None:
            time.sleep(pause_s)
            os.fsync(descriptor)
            start = length = 0
        os.posix_fadvise(descriptor, start, length, os.POSIX_FADV_DONTNEED)
        if (share := measure(descriptor, **which)) == 0:
            return True
        if share is None:
            break
    return False


def drop(paths: Iterable[Path], measure: Residency = residency) -> list[Path]:
    """Drop files from the page cache, as before a repeat; those that may still be there.

    A file that cannot be opened is left to whoever reads it, who has a model to name.
    """
    kept = []
    for path in paths:
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            if not drop_pages(descriptor, measure):
                kept.append(path)
        finally:
            os.close(descriptor)
    return kept


def _pages(offset: int, nbytes: int, end: int | None = None) -> tuple[int, int]:
    """Where the pages with these bytes begin, and how many bytes they are, not beyond the ``end`` of the file."""
    start = offset - offset % mmap.PAGESIZE
    stop = offset + nbytes + (-(offset + nbytes)) % mmap.PAGESIZE
    return start, (stop if end is None else min(stop, end)) - start


def _writable(descriptor: int) -> bool:
    return os.access(f"/proc/self/fd/{descriptor}", os.W_OK)
