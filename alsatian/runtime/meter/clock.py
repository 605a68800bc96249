"""Clocks: points in time, marked now, and the seconds between them, perhaps told later."""

import time
from typing import Any, Protocol

import torch


class Clock(Protocol):
    """Marks points in time and tells the seconds between two of them, perhaps later."""

    def mark(self) -> Any: ...

    def seconds(self, start: Any, end: Any) -> float: ...


class HostClock:
    """The host's monotonic clock."""

    def mark(self) -> float:
        return time.perf_counter()

    def seconds(self, start: float, end: float) -> float:
        return end - start


class CudaClock:
    """Events in the current CUDA stream, which needs no synchronisation when they are set.

    An event fires when all work queued before it is done and the host has reached it, so consecutive
    events divide the wall time: a part of the host that runs while the device is still busy with earlier
    work costs nothing, and waiting is charged to the work that is waited for.
    """

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        end.synchronize()
        return float(start.elapsed_time(end)) / 1000
