"""What the operating system says about one search: peaks of memory, and bytes read and written."""

import resource
import sys
from pathlib import Path

import torch

_PROC = Path("/proc/self")


class ProcessUse:
    """The use that this whole process, with all its threads, makes of memory and disk from now on.

    What a platform does not tell is None, never a guess.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self._start_rss = _memory("VmRSS")
        self._reset = _reset_peak_rss()
        self._io = _io()

    def until_now(self, counted: int) -> dict[str, int | None]:
        """Bytes since this object was made, by name.

        ``peak_rss_bytes`` is the largest resident memory since then; where the system does not let the
        peak start anew, it is None and ``lifetime_peak_rss_bytes`` covers the whole life of the process
        instead. ``start_rss_bytes`` was resident at the start. ``peak_device_bytes`` is the largest sum of
        tensors on a GPU. ``os_read_bytes`` and ``os_write_bytes`` went from and to the disk;
        ``os_rchar_bytes`` is what read calls asked for, also where the page cache answered.
        ``counted_read_bytes`` is ``counted``, our own count of bytes read from files, and
        ``read_difference_bytes`` what the disk gave beyond it, below 0 where the page cache answered.
        """
        now = _io()

        def spent(name: str) -> int | None:
            return now[name] - self._io[name] if name in now and name in self._io else None

        peak = _memory("VmHWM") if self._reset else None
        gpu = self._device.type == "cuda"
        read = spent("read_bytes")
        return {
            "peak_rss_bytes": peak,
            "lifetime_peak_rss_bytes": _largest_rss() if peak is None else None,
            "start_rss_bytes": self._start_rss,
            "peak_device_bytes": torch.cuda.max_memory_allocated(self._device) if gpu else None,
            "os_read_bytes": read,
            "os_write_bytes": spent("write_bytes"),
            "os_rchar_bytes": spent("rchar"),
            "counted_read_bytes": counted,
            "read_difference_bytes": None if read is None else read - counted,
        }


def _reset_peak_rss() -> bool:
    """Have the peak of resident memory start anew; False where the system refuses."""
    try:
        (_PROC / "clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _memory(name: str) -> int | None:
    """A size from the process's status, in bytes."""
    value = _fields("status").get(name, "").split()
    return int(value[0]) * 1024 if value else None


def _io() -> dict[str, int]:
    return {name: int(value) for name, value in _fields("io").items()}


def _fields(file: str) -> dict[str, str]:
    """The lines ``name: value`` of a file about this process; none where there is no such file."""
    try:
        lines = (_PROC / file).read_text().splitlines()
    except OSError:
        return {}
    return {name: value for name, _, value in (line.partition(":") for line in lines)}


def _largest_rss() -> int:
    """The peak of resident memory over the life of the process, in bytes."""
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest if sys.platform == "darwin" else largest * 1024
