"""How parameters that were read get to the device's memory, and from another thread to this one."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from alsatian.store.files.encodings import widened

Parameters = list[torch.Tensor]
# Values of a tensor from which on PyTorch divides a copy among threads (at::internal::GRAIN_SIZE).
_GRAIN = 32768
# Values that are converted on the device at once.
_PIECE = 1_000_000
# Bytes that PyTorch's allocator aligns memory to.
_ALIGNED = 64


Make = Callable[[Parameters], Parameters]
"""Makes parameters of what is on the device."""


class Loaded(NamedTuple):
    """Parameters in the device's memory, there once ``ready`` has happened (None: already); or in the host's
    memory what they will be made of, some of it, by number, in a ``narrow`` type."""

    parameters: Parameters
    ready: torch.cuda.Event | None = None
    narrow: frozenset[int] = frozenset()


class Transfer:
    """Within the host's memory. Every parameter has memory of its own, which it fills and which is aligned: kernels
    choose their code by that, and what was made of others may lack it.

    Attributes:
        widens: whether tensors in a smaller type can be brought, to be converted on the device.
    """

    widens = False

    def stage(self, read: Sequence[torch.Tensor]) -> Parameters:
        """Parameters in the host's memory that :meth:`bring` can take; copies where need be."""
        return [tensor if _stands_alone(tensor) else _copied(tensor) for tensor in read]

    def bring(self, staged: Parameters, narrow: Collection[int] = (), make: Make = list) -> Loaded:
        """What ``make`` makes of copies on the device; ``narrow`` are those, by their number, that become
        float32 there. May return before it is there."""
        return Loaded(make([self._widened(t) if i in narrow else t for i, t in enumerate(staged)]))

    def _widened(self, tensor: torch.Tensor) -> torch.Tensor:
        return widened(tensor)

    def hand_over(self, loaded: Loaded) -> None:
        """Have the calling thread's work on the device wait for ``loaded``, which it is going to use."""

    def mark(self) -> Any:
        """The point that the calling thread's work on the device has come to."""
        return None

    def wait(self, marks: Sequence[Any]) -> None:
        """Wait until the device has passed all ``marks``."""


class CudaTransfer(Transfer):
    """To a GPU, through pinned memory, in a stream of its own beside the work on batches.

    The caching allocator ties memory to the stream it was allocated in. Two things follow: the stream that
    uses a block waits for the event behind its copy, and the block's memory is recorded as in use there, so
    that dropping it does not hand it to the next copy while kernels still read it.
    """

    widens = True

    def __init__(self, device: torch.device) -> None:
        # A new thread starts on device 0, so the index is fixed here.
        self._device = torch.device("cuda", torch.cuda.current_device() if device.index is None else device.index)
        self._stream = torch.cuda.Stream(self._device)

    def stage(self, read: Sequence[torch.Tensor]) -> Parameters:
        return [tensor.pin_memory() for tensor in read]

    def bring(self, staged: Parameters, narrow: Collection[int] = (), make: Make = list) -> Loaded:
        # The allocator of pinned memory keeps a buffer that is dropped until the copies from it are done.
        with torch.cuda.stream(self._stream):
            copies = [
                self._widened(t) if i in narrow else t.to(self._device, non_blocking=True)
                for i, t in enumerate(staged)
            ]
            parameters = make(copies)
            ready = torch.cuda.Event()
            ready.record(self._stream)
        return Loaded(parameters, ready)

    def _widened(self, tensor: torch.Tensor) -> torch.Tensor:
        # Piece by piece, since room was made for the float32 tensor alone.
        wide = torch.empty(tensor.shape, dtype=torch.float32, device=self._device)
        for into, piece in zip(wide.view(-1).split(_PIECE), tensor.view(-1).split(_PIECE), strict=True):
            into.copy_(piece.to(self._device, non_blocking=True))
        return wide

    def hand_over(self, loaded: Loaded) -> None:
        stream = torch.cuda.current_stream(self._device)
        if loaded.ready is not None:
            stream.wait_event(loaded.ready)
        for tensor in loaded.parameters:
            tensor.record_stream(stream)

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event()
        event.record(torch.cuda.current_stream(self._device))
        return event

    def wait(self, marks: Sequence[torch.cuda.Event]) -> None:
        for event in marks:
            event.synchronize()


def _stands_alone(tensor: torch.Tensor) -> bool:
    """Whether a tensor has memory of its own, which it fills and which is aligned."""
    memory = tensor.untyped_storage()
    return bool(memory.nbytes() == tensor.nbytes and memory.data_ptr() % _ALIGNED == 0 and tensor.is_contiguous())


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    """A copy that PyTorch's threads have no part in.

    If a thread beside the search had it copied by PyTorch, OpenMP would start a second team of threads for it. From
    then on it counts more threads than cores, and all of them sleep between two kernels: small blocks take up to
    twice as long.
    """
    laid = tensor.detach()
    if tensor.dim() != 4 or not laid.is_contiguous(memory_format=torch.channels_last):
        laid = laid.contiguous()
    copy = torch.empty_strided(laid.shape, laid.stride(), dtype=laid.dtype)
    if laid.numel() < _GRAIN:
        return copy.copy_(laid)  # a block has many small tensors, and what is done for each takes the interpreter
    np.copyto(_raw(copy), _raw(laid))
    return copy


def _raw(tensor: torch.Tensor) -> np.ndarray:
    """The bytes of a ``tensor`` without gaps, as they lie in memory."""
    return tensor.as_strided((tensor.numel(),), (1,)).view(torch.uint8).numpy()


def transfer_to(device: torch.device) -> Transfer:
    """The way to ``device``."""
    return CudaTransfer(device) if device.type == "cuda" else Transfer()


def pinned_bytes(block_bytes: Sequence[int]) -> int:
    """What pinned copies of tensors of these sizes take: the allocator rounds each up to a power of two."""
    return sum(1 << (size - 1).bit_length() for size in block_bytes if size)
