"""How much memory there is, and telling that it is full from other failures."""

import atexit
import contextlib
import ctypes
import gc
import os
import sys
from functools import cache
from pathlib import Path

import torch

# What PyTorch's CPU allocator says, as a plain RuntimeError.
_FULL = ("can't allocate memory", "not enough memory", "out of memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that the memory of the device or of the host is full."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _FULL)


def return_unused() -> None:
    """Give memory that a search is done with back to the operating system, so that the next starts as it did.

    Allocators keep what was freed, and every thread that reads ahead has a share of its own: over a sweep it
    would add up to gigabytes and count in the peak of every later run.
    """
    _set_libraries_aside()
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError):  # another C library than glibc, which has its own ways
            ctypes.CDLL(None).malloc_trim(0)


@cache
def _set_libraries_aside() -> None:
    """What is alive after the first search is mostly code of libraries: never garbage, and a third of a second to
    look through each time."""
    gc.collect()
    gc.freeze()
    atexit.register(gc.unfreeze)  # what libraries check when the process ends is looked through once more


def empty_device_cache(device: torch.device) -> None:
    """Return what PyTorch holds back of ``device``'s memory, so that larger pieces fit again."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()


def free_bytes(device: torch.device) -> int:
    """Bytes of ``device``'s memory that are free; on a CPU within what the operating system allows the process."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return max(0, min(_group_limits()))


def _available() -> int:
    """Of the machine's memory, what could be used without swapping."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _group_limits() -> list[int]:
    """That, and what is left of the limit of this process's control group (version 2 or 1), such as a container's.
    Cached files do not count as used: they go when there is need."""
    found, root = [_available()], Path("/sys/fs/cgroup")
    for limit, facts, used in (
        ("memory.max", "memory.stat", "anon"),
        ("memory/memory.limit_in_bytes", "memory/memory.stat", "total_rss"),
    ):
        with contextlib.suppress(OSError, ValueError, KeyError):
            stat = dict(line.split() for line in (root / facts).read_text().splitlines())
            found.append(int((root / limit).read_text()) - int(stat[used]))
    return found
