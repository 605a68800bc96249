"""Where intermediates live: in the device's memory, in pinned host memory, or in files on an SSD.

A tier stores the state of one batch and fetches it again, bit for bit and stride for stride, since kernels
choose their code by strides.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.segment import State
from alsatian.errors import LocalDiskError

Fetch = Callable[[], State]
"""Waits for a state that is on its way to the device and returns it."""


class Tier(ABC):
    """Keeps states of a bounded number of bytes; the cache does the accounting.

    Attributes:
        name: of the tier in counters, peaks and settings.
        budget: bytes that it may hold, None for no limit.
        used: bytes that are held or reserved.
    """

    name: str

    def __init__(self, budget: int | None) -> None:
        self.budget = budget
        self.used = 0

    def has_room(self, nbytes: int) -> bool:
        """Whether ``nbytes`` more fit beside what is there."""
        return self.budget is None or self.used + nbytes <= self.budget

    @abstractmethod
    def store(self, state: State) -> Any:
        """Keep ``state`` of the device and return a handle for it."""

    @abstractmethod
    def fetch(self, handle: Any) -> Fetch:
        """Begin to bring a state to the device, beside other work where the hardware allows."""

    def drop(self, handle: Any) -> None:
        """Give up what ``handle`` stands for. Memory goes with its last reference."""
        del handle


class DeviceTier(Tier):
    """The memory that the blocks compute in."""

    name = "device"

    def store(self, state: State) -> State:
        return state

    def fetch(self, handle: State) -> Fetch:
        return lambda: handle


class HostTier(Tier):
    """Host memory, pinned so that the device copies to and from it on a stream of its own."""

    name = "host"

    def __init__(self, budget: int | None, device: torch.device) -> None:
        super().__init__(budget)
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def store(self, state: State) -> State:
        return to_host(state, self._stream)

    def fetch(self, handle: State) -> Fetch:
        return to_device(handle, self._device, self._stream)


class DiskTier(Tier):
    """Files in ``folder``, which belongs to this tier. A thread writes one state and reads the next ahead."""

    name = "ssd"

    def __init__(self, budget: int | None, device: torch.device, folder: Path) -> None:
        super().__init__(budget)
        self._device = device
        self._folder = folder
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="ssd")
        self._writing: Future[None] | None = None
        self._count = 0

    def store(self, state: State) -> "_File":
        """See :class:`Tier`.

        Raises:
            LocalDiskError: the disk failed or is full.
        """
        self._settle()  # at most one state waits in memory for the disk
        self._count += 1
        file = _File(self._folder / str(self._count), state)
        here = to_host(state, self._stream)
        copied = self._stream.record_event() if self._stream else None
        self._writing = self._disk.submit(file.write, here, copied)
        return file

    def fetch(self, handle: "_File") -> Fetch:
        read = self._disk.submit(handle.read, self._stream is not None)

        def finish() -> State:
            self._settle()
            return to_device(read.result(), self._device, self._stream)()

        return finish

    def drop(self, handle: "_File") -> None:
        self._disk.submit(handle.path.unlink, missing_ok=True)

    def close(self) -> None:
        """Wait for the disk."""
        self._disk.shutdown(wait=True)

    def _settle(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()


class _File:
    """The memory of a state's tensors, one after another; what they look like stays in the process."""

    def __init__(self, path: Path, state: State) -> None:
        self.path = path
        self._likes = [(t.dtype, t.shape, t.stride(), t.untyped_storage().nbytes()) for t in state]

    def write(self, state: State, ready: torch.cuda.Event | None) -> None:
        if ready is not None:
            ready.synchronize()
        try:
            with self.path.open("wb", buffering=0) as file:
                for tensor in state:
                    rest = memoryview(_memory(tensor).numpy().data)
                    while rest:
                        rest = rest[file.write(rest) :]
        except OSError as error:
            raise LocalDiskError(_trouble(self.path.parent, "write", error)) from None

    def read(self, pin: bool) -> State:
        try:
            with self.path.open("rb", buffering=0) as file:
                return tuple(self._tensor(file, *like, pin) for like in self._likes)
        except OSError as error:
            raise LocalDiskError(_trouble(self.path.parent, "read", error)) from None

    def _tensor(
        self, file: Any, dtype: torch.dtype, shape: torch.Size, stride: tuple[int, ...], nbytes: int, pin: bool
    ) -> torch.Tensor:
        memory = torch.empty(nbytes, dtype=torch.uint8, pin_memory=pin)
        rest = memoryview(memory.numpy().data)
        while rest:
            if not (count := file.readinto(rest)):
                raise LocalDiskError(f"{self.path}: an intermediate was cut short by somebody else")
            rest = rest[count:]
        return memory.view(dtype).as_strided(shape, stride)


def to_host(state: State, stream: torch.cuda.Stream | None) -> State:
    """A copy of ``state`` in pinned host memory, made on ``stream``; without a device, ``state`` itself."""
    if stream is None:
        return state
    stream.wait_stream(torch.cuda.current_stream(stream.device))
    copies = []
    with torch.cuda.stream(stream):
        for tensor in state:
            copy = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, pin_memory=True)
            copies.append(copy.copy_(tensor, non_blocking=True))
            tensor.record_stream(stream)  # its memory is not used again before it is copied
    return tuple(copies)


def to_device(state: State, device: torch.device, stream: torch.cuda.Stream | None) -> Fetch:
    """Begin to copy ``state`` to ``device`` on ``stream``; the result makes the current stream wait for it."""
    if stream is None:
        return lambda: state
    with torch.cuda.stream(stream):
        copies = tuple(
            torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device=device).copy_(t, non_blocking=True)
            for t in state
        )
        done = stream.record_event()

    def finish() -> State:
        current = torch.cuda.current_stream(device)
        current.wait_event(done)
        for copy in copies:
            copy.record_stream(current)
        return copies

    return finish


def _memory(tensor: torch.Tensor) -> torch.Tensor:
    """All bytes of ``tensor``, which fills its memory (see ``Segment``)."""
    nbytes = tensor.untyped_storage().nbytes()
    return torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage(), 0, (nbytes,), (1,))


def _trouble(folder: Path, verb: str, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"{folder}: cannot {verb} intermediates ({reason}); free space there, or lower cache.ssd_budget"
