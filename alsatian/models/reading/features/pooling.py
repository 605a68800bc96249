"""From hidden states to one vector an item, and what some models do to that vector.

Source of the formulas for texts: the documentation of sentence-transformers, "Pooling", "Dense", "Normalize".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from alsatian.errors import ConfigError, nearest

HEAD_INPUT = "head_input"
POOLINGS = (
    HEAD_INPUT, "none", "class_token", "mean_tokens", "max_tokens", "last_token", "mean_sqrt_tokens",
    "weighted_mean_tokens", "global_average",
)  # fmt: skip
"""``head_input`` is what the library's own classifier of images is given, flattened; ``none``: the body returns
(N, D) already; ``global_average`` is over the positions of a feature map (N, D, H, W); the others are over tokens
(N, T, D), by the mask where there is one. Several, joined by ``+``, are concatenated."""
ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid", "LeakyReLU", "ELU", "Softplus", "Mish")


def check_pooling(pooling: str) -> str:
    """``pooling``, if there is such a one.

    Raises:
        ConfigError: there is not.
    """
    for part in pooling.split("+") if isinstance(pooling, str) else [str(pooling)]:
        if part not in POOLINGS:
            raise ConfigError(f"pooling '{part}' is unknown; {nearest(part, POOLINGS)}")
    return pooling


def pooled(hidden: torch.Tensor, pooling: str, mask: torch.Tensor | None = None) -> torch.Tensor:
    """Features (N, D) of hidden states; of several poolings (N, D each) side by side.

    ``mask`` (N, T) is 1 for tokens, which come first, and 0 for padding behind them.

    Raises:
        ConfigError: a pooling does not fit the dimensions of ``hidden``.
    """
    parts = [_pooled(hidden, part, mask) for part in pooling.split("+")]
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _pooled(hidden: torch.Tensor, pooling: str, mask: torch.Tensor | None) -> torch.Tensor:
    if pooling == HEAD_INPUT:
        return hidden.flatten(1)
    if hidden.dim() != (needed := {"none": 2, "global_average": 4}.get(pooling, 3)):
        raise ConfigError(
            f"pooling '{pooling}' is for hidden states of {needed} dimensions; the model's have {hidden.dim()}"
        )
    if pooling == "none":
        return hidden
    if pooling == "global_average":
        return hidden.flatten(2).mean(2)
    if pooling == "class_token":
        return hidden[:, 0]
    if mask is None:
        if pooling == "mean_tokens":
            return hidden.mean(1)
        mask = torch.ones_like(hidden[..., 0])
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    if pooling == "max_tokens":
        return hidden.masked_fill(weights == 0, float("-inf")).amax(1)
    if pooling == "last_token":
        last = (mask.to(torch.int64).sum(1) - 1).clamp(min=0).view(-1, 1, 1)
        return hidden.gather(1, last.expand(-1, 1, hidden.shape[2])).squeeze(1)
    if pooling == "weighted_mean_tokens":
        weights = weights * torch.arange(1, hidden.shape[1] + 1, device=hidden.device).view(1, -1, 1)
    total = (hidden * weights).sum(1)
    count = weights.sum(1).clamp(min=1)
    return total / (count.sqrt() if pooling == "mean_sqrt_tokens" else count)


class Dense(nn.Module):
    """A linear layer with an activation."""

    def __init__(self, inputs: int, outputs: int, bias: bool, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias)
        self.activation = getattr(nn, activation)()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, inputs) -> (N, outputs)."""
        result: torch.Tensor = self.activation(self.linear(features))
        return result


class Normalize(nn.Module):
    """Every vector to length 1."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, D) -> (N, D)."""
        return nn.functional.normalize(features, p=2.0, dim=1)


def behind(layers: Sequence[Mapping[str, Any]]) -> nn.Sequential:
    """The modules behind pooling, from their descriptions as plain data.

    Raises:
        ConfigError: there is no such module.
    """
    modules: list[nn.Module] = []
    for layer in layers:
        settings = {key: value for key, value in layer.items() if key != "kind"}
        if layer["kind"] == "dense" and settings["activation"] in ACTIVATIONS:
            modules.append(Dense(**settings))
        elif layer["kind"] == "layer_norm":
            modules.append(nn.LayerNorm(**settings))
        elif layer["kind"] == "normalize":
            modules.append(Normalize())
        else:
            raise ConfigError(f"there is no layer {dict(layer)} behind pooling")
    return nn.Sequential(*modules)
