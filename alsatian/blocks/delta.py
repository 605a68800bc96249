"""A tensor as the bits in which it differs from another one, which is what little training does to a weight.

The bits of both are combined by exclusive or. Of values that changed little the first bytes are mostly zeros then,
so all first bytes are put side by side, all second ones, and so on, and Zstandard compresses them, piece by piece:
a piece stays in a core's cache. Bits are bits: zeros of either sign, infinities and what is no number come back
as they were, on every device.
"""

import math
from typing import Any

import numpy as np
import torch

from alsatian.errors import ConfigError

# Bytes that are compressed at once, and how hard: more takes longer and saves nothing, as most bits are random.
_PIECE, _LEVEL = 524_288, 1
# At the front: bytes of a value, pieces, and then of each piece its compressed bytes.
_NUMBER = np.dtype("<u4")


def pack(tensor: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """The bits in which ``tensor`` differs from ``base``, of the same type and shape, compressed: bytes (n,).

    Equal tensors give equal bytes with one version of Zstandard.

    Raises:
        ConfigError: the package that compresses is missing.
    """
    compressor = _zstandard().ZstdCompressor(level=_LEVEL)
    bits, width = _bytes(tensor) ^ _bytes(base), tensor.element_size()
    pieces = []
    for start in range(0, len(bits), _PIECE):
        by_byte = bits[start : start + _PIECE].reshape(-1, width).T
        pieces.append(compressor.compress(np.ascontiguousarray(by_byte).data))
    front = np.array([width, len(pieces), *map(len, pieces)], _NUMBER)
    return torch.from_numpy(np.frombuffer(b"".join((front.tobytes(), *pieces)), np.uint8).copy())


def unpack(packed: torch.Tensor) -> torch.Tensor:
    """The bits that :func:`pack` compressed, bytes (n,) in memory of their own.

    Raises:
        ValueError: it is something else.
        ConfigError: the package that decompresses is missing.
    """
    zstandard, data = _zstandard(), packed.numpy()
    try:
        decompressor = zstandard.ZstdDecompressor()
        width, count = (int(n) for n in data[: 2 * _NUMBER.itemsize].view(_NUMBER))
        first = (2 + count) * _NUMBER.itemsize
        ends = first + np.cumsum(data[2 * _NUMBER.itemsize : first].view(_NUMBER), dtype=np.int64)
        frames = [data[start:end] for start, end in zip([first, *ends], ends, strict=False)]
        sizes = [zstandard.frame_content_size(frame) for frame in frames]
        if not 0 < width <= 16 or any(not 0 < size <= _PIECE or size % width for size in sizes):
            raise ValueError
        bits = torch.empty(sum(sizes), dtype=torch.uint8)
        values, start = bits.numpy().reshape(-1, width), 0
        for frame, size in zip(frames, sizes, strict=True):
            end = start + size // width
            by_byte = np.frombuffer(decompressor.decompress(frame), np.uint8).reshape(width, -1)
            for i in range(width):  # faster than all at once, which NumPy does value by value
                values[start:end, i] = by_byte[i]
            start = end
    except (ValueError, zstandard.ZstdError):
        raise ValueError("a delta that cannot be decompressed") from None
    return bits


def restored(bits: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
    """The tensor that differs from ``base`` in these ``bits``, in their memory, on the same device.

    Raises:
        ValueError: they do not fit.
    """
    if bits.nbytes != base.nbytes:
        raise ValueError("a delta does not fit the tensor that it is of")
    if bits.device.type == "cpu":  # NumPy's work, see alsatian.blocks.parameter_forms
        np.bitwise_xor(bits.numpy(), _bytes(base), out=bits.numpy())
    else:
        bits.bitwise_xor_(base.detach().contiguous().view(-1).view(torch.uint8))
    return bits.view(base.dtype).view(base.shape)


def share_of_bits(ours: np.ndarray, theirs: np.ndarray, width: int) -> float:
    """About the share of their size that values of ``width`` bytes each, given as bytes, take as what they differ
    in from others: the entropy of each byte of the values, in bits of eight."""
    by_byte = (ours ^ theirs).reshape(-1, width).T
    return sum(map(_entropy, by_byte)) / (8 * width)


def _entropy(values: np.ndarray) -> float:
    """Bits for each of these bytes, by how often every one occurs."""
    counts = np.bincount(values, minlength=256)
    shares = counts[counts > 0] / len(values)
    return -math.fsum(shares * np.log2(shares))


def _bytes(tensor: torch.Tensor) -> np.ndarray:
    found: np.ndarray = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    return found


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise ConfigError(
            "a store with deltas needs a package that is missing: pip install 'alsatian[deltas]' "
            "(or zstandard) to read it or add to it"
        ) from None
    return zstandard
