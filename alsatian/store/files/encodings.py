"""Smaller forms in which the store keeps float32 tensors: types that have all of their values.

A fine-tune that was saved in float16 and is read as float32 lies in float16, whatever its files said: it is the
values that are looked at.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch

NARROW_BYTES = 16_384
"""Bytes of a tensor from which on a smaller type is looked for; converting less takes longer than reading it."""
# Values that are looked at first, from all over the tensor.
_SAMPLE = 1024
_NOT_HERE = 0xFFFF


def narrowed(tensor: torch.Tensor) -> torch.Tensor | None:
    """A large float32 ``tensor`` on the CPU in the smallest type that gives its bits back; None if there is none.

    A tensor with values that are no numbers stays as it is: which of them they are is kept on some devices only.
    """
    if tensor.dtype != torch.float32 or tensor.nbytes < NARROW_BYTES:
        return None
    values = tensor.detach().contiguous().numpy().reshape(-1)
    sample = values[:: max(1, len(values) // _SAMPLE)]
    for kind, some in _KINDS.items():
        if some(sample) is not None and (found := some(values)) is not None:
            return torch.from_numpy(found).view(kind).view(tensor.shape)
    return None


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """The float32 tensor that ``tensor`` is a smaller form of, in memory of its own, on the same device."""
    if tensor.device.type != "cpu":
        return tensor.to(torch.float32)
    # NumPy's work, see alsatian.blocks.parameter_forms.
    wide = torch.empty(tensor.shape, dtype=torch.float32)
    into, flat = wide.numpy().reshape(-1), tensor.contiguous().reshape(-1)
    if tensor.dtype == torch.bfloat16:
        np.left_shift(flat.view(torch.int16).numpy().view(np.uint16), 16, out=into.view(np.uint32), dtype=np.uint32)
    elif tensor.dtype == torch.float16:
        np.copyto(into, flat.numpy())
    else:
        np.take(_numbers(tensor.dtype), flat.view(torch.uint8).numpy(), out=into, mode="clip")
    return wide


def _half(values: np.ndarray) -> np.ndarray | None:
    with np.errstate(all="ignore"):
        half = values.astype(np.float16)
    same = np.array_equal(half.astype(np.float32).view(np.uint32), values.view(np.uint32))
    return half if same and not np.isnan(half).any() else None


def _bfloat(values: np.ndarray) -> np.ndarray | None:
    bits = values.view(np.uint32)
    return None if (bits & 0xFFFF).any() or np.isnan(values).any() else (bits >> 16).astype(np.uint16)


def _byte(kind: torch.dtype) -> Callable[[np.ndarray], np.ndarray | None]:
    def found(values: np.ndarray) -> np.ndarray | None:
        if (half := _half(values)) is None:  # which has all values of either type
            return None
        codes = _codes(kind)[half.view(np.uint16)]
        return None if (codes == _NOT_HERE).any() else codes.astype(np.uint8)

    return found


# From the smallest on. Types of 8 bits without a negative zero are not among them.
_KINDS = {
    torch.float8_e4m3fn: _byte(torch.float8_e4m3fn),
    torch.float8_e5m2: _byte(torch.float8_e5m2),
    torch.float16: _half,
    torch.bfloat16: _bfloat,
}
NARROW = tuple(_KINDS)
"""The types that are looked for."""


@cache
def _numbers(kind: torch.dtype) -> np.ndarray:
    """The float32 numbers of all bytes of a type of 8 bits."""
    numbers: np.ndarray = torch.arange(256, dtype=torch.uint8).view(kind).to(torch.float32).numpy()
    return numbers


@cache
def _codes(kind: torch.dtype) -> np.ndarray:
    """The bytes of a type of 8 bits, by the bits of the same number as float16."""
    codes = np.full(65_536, _NOT_HERE, np.uint16)
    numbers = _numbers(kind)
    codes[numbers.astype(np.float16).view(np.uint16)] = np.arange(256)
    codes[np.isnan(np.arange(65_536, dtype=np.uint16).view(np.float16))] = _NOT_HERE
    return codes
