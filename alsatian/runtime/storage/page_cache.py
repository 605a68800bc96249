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

Residency = Callable[[int], float | None]
_MOMENT_S = 0.02


def residency(descriptor: int) -> float | None:
    """The share of an open file's pages, from 0 to 1, that are in the page cache; None if that is not known.

    Linux tells only about files that one owns or may write to, and calls all others resident.
    """
    status = os.fstat(descriptor)
    if status.st_size == 0:
        return 0.0
    if status.st_uid != os.geteuid() and os.geteuid() != 0 and not _writable(descriptor):
        return None
    try:
        mincore = ctypes.CDLL(None).mincore
        mapped = mmap.mmap(descriptor, status.st_size, access=mmap.ACCESS_READ)
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


def drop_pages(descriptor: int, measure: Residency = residency) -> bool:
    """Drop an open file from the page cache; whether it is shown to be gone.

    Pages that were just written are dropped once they are on disk, so a file that stays is flushed and
    dropped again, and once more a moment later, when others are done with its pages. Mapped ones are not dropped.
    """
    for attempt in range(3):
        if attempt:
            os.fsync(descriptor)
            time.sleep((attempt - 1) * _MOMENT_S)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        if measure(descriptor) == 0:
            return True
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


def _writable(descriptor: int) -> bool:
    return os.access(f"/proc/self/fd/{descriptor}", os.W_OK)
