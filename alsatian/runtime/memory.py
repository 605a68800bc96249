"""Telling a full memory from other failures."""

import atexit
import contextlib
import ctypes
import gc
import sys
from functools import cache

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
