"""Other forms of a block's parameters, made when it is loaded.

All is NumPy's work: if a thread beside the search had PyTorch do it, OpenMP would start a second team of threads
for it (see :mod:`alsatian.runtime.loading.transfer`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

Tensors = Sequence[torch.Tensor] | Mapping[int, torch.Tensor]


@dataclass(frozen=True)
class Recipe:
    """Makes one parameter, on the CPU, out of some of those that a block is stored with.

    Attributes:
        sources: which of them, by place.
        form: names what is made of them: recipes with the same form give the same for the same tensors.
        make: takes them, in the order of ``sources``.
    """

    sources: tuple[int, ...]
    form: str
    make: Callable[..., torch.Tensor]

    @property
    def is_plain(self) -> bool:
        """Whether it is one of them as it is."""
        return not self.form

    def __call__(self, tensors: Tensors) -> torch.Tensor:
        return self.make(*(tensors[i] for i in self.sources))


def taken(index: int) -> Recipe:
    """The parameter at ``index`` as it is."""
    return Recipe((index,), "", lambda tensor: tensor)


def then(recipe: Recipe, form: Callable[[torch.Tensor], torch.Tensor]) -> Recipe:
    """What ``recipe`` makes, in another ``form``."""
    return Recipe(recipe.sources, f"{recipe.form} {form.__name__}", lambda *tensors: form(recipe.make(*tensors)))


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

    def made(weight: torch.Tensor, gamma: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
        values = _array(weight)
        scale = _scale(gamma, variance, eps).astype(values.dtype)
        return torch.from_numpy(values * scale.reshape(-1, *[1] * (values.ndim - 1)))

    return Recipe((weight, gamma, variance), f"folded_weight {eps}", made)


def folded_bias(beta: int, mean: int, gamma: int, variance: int, bias: int | None, eps: float) -> Recipe:
    """The bias (out) of a convolution that takes the batch normalisation behind it over; ``bias`` is its own."""

    def made(
        beta: torch.Tensor,
        mean: torch.Tensor,
        gamma: torch.Tensor,
        variance: torch.Tensor,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        offset = _array(beta)
        own = 0.0 if bias is None else _array(bias).astype(np.float64)
        whole = offset + _scale(gamma, variance, eps) * (own - _array(mean))
        return torch.from_numpy(whole.astype(offset.dtype))

    sources = (beta, mean, gamma, variance, *(() if bias is None else (bias,)))
    return Recipe(sources, f"folded_bias {eps}", made)


def _scale(gamma: torch.Tensor, variance: torch.Tensor, eps: float) -> np.ndarray:
    """weight / sqrt(variance + eps) in double precision."""
    wide = [_array(tensor).astype(np.float64) for tensor in (gamma, variance)]
    scale: np.ndarray = wide[0] / np.sqrt(wide[1] + eps)
    return scale


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy()
