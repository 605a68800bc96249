"""Other forms of a block's parameters, made when it is loaded.

All is NumPy's work: if a thread beside the search had PyTorch do it, OpenMP would start a second team of threads
for it (see :mod:`alsatian.runtime.loading.transfer`).
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

Recipe = Callable[[Sequence[torch.Tensor]], torch.Tensor]
"""Makes one parameter out of those that a block is stored with, on the CPU."""


def taken(index: int) -> Recipe:
    """The parameter at ``index`` as it is."""
    return lambda tensors: tensors[index]


def then(recipe: Recipe, form: Callable[[torch.Tensor], torch.Tensor]) -> Recipe:
    """What ``recipe`` makes, in another ``form``."""
    return lambda tensors: form(recipe(tensors))


def channels_last(tensor: torch.Tensor) -> torch.Tensor:
    """A 2-d convolution's weights with channels last in memory; other tensors as they are."""
    if tensor.dim() != 4:
        return tensor
    laid = torch.empty(tensor.shape, dtype=tensor.dtype, memory_format=torch.channels_last)
    np.copyto(_array(laid), _array(tensor))
    return laid


def bfloat16(tensor: torch.Tensor) -> torch.Tensor:
    """float32 numbers rounded to the nearest of bfloat16, of two the even one; others as they are."""
    if tensor.dtype != torch.float32:
        return tensor
    halves = torch.empty_strided(tensor.shape, tensor.stride(), dtype=torch.bfloat16)
    bits, numbers = _array(tensor.view(torch.int32)).view(np.uint32), _array(tensor)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    np.copyto(_array(halves.view(torch.int16)).view(np.uint16), np.where(np.isnan(numbers), 0x7FC0, rounded))
    return halves


def folded_weight(weight: int, gamma: int, variance: int, eps: float) -> Recipe:
    """Weights (out, …) of a convolution times the scale of the batch normalisation behind it."""

    def made(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        values = _array(tensors[weight])
        scale = _scale(tensors[gamma], tensors[variance], eps).astype(values.dtype)
        return torch.from_numpy(values * scale.reshape(-1, *[1] * (values.ndim - 1)))

    return made


def folded_bias(beta: int, mean: int, gamma: int, variance: int, bias: int | None, eps: float) -> Recipe:
    """The bias (out) of a convolution that takes the batch normalisation behind it over; ``bias`` is its own."""

    def made(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        offset = _array(tensors[beta])
        own = 0.0 if bias is None else _array(tensors[bias]).astype(np.float64)
        whole = offset + _scale(tensors[gamma], tensors[variance], eps) * (own - _array(tensors[mean]))
        return torch.from_numpy(whole.astype(offset.dtype))

    return made


def _scale(gamma: torch.Tensor, variance: torch.Tensor, eps: float) -> np.ndarray:
    """weight / sqrt(variance + eps) in double precision."""
    wide = [_array(tensor).astype(np.float64) for tensor in (gamma, variance)]
    scale: np.ndarray = wide[0] / np.sqrt(wide[1] + eps)
    return scale


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()
