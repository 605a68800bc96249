"""From a model with a head to a feature extractor: one vector per item, pooling last."""

from typing import Any

import torch
from torch import nn

from alsatian.errors import ConfigError

# Where torchvision's classifiers keep their last part, outermost name first.
HEADS = ("heads", "head", "classifier", "fc")
POOLINGS = ("none", "class_token", "mean_tokens", "global_average")


class FeatureExtractor(nn.Module):
    """A model's body without its head, then pooling.

    Attributes:
        body: returns a tensor, or an output object of transformers.
        pooling: ``none`` (the body returns (N, D) already), ``class_token`` (the first of the tokens
            (N, T, D)), ``mean_tokens`` (their mean, by the mask where there is one), ``global_average``
            (over the positions of a feature map (N, D, H, W)).
    """

    def __init__(self, body: nn.Module, pooling: str) -> None:
        super().__init__()
        if pooling not in POOLINGS:
            raise ConfigError(f"pooling '{pooling}' is unknown; valid are {', '.join(POOLINGS)}")
        self.body = body
        self.pooling = pooling

    def pool(self, hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, D) of the body's output."""
        if self.pooling == "class_token":
            return hidden[:, 0]
        if self.pooling == "mean_tokens":
            if mask is None:
                return hidden.mean(1)
            weights = mask.unsqueeze(-1).to(hidden.dtype)
            return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)
        if self.pooling == "global_average":
            return hidden.flatten(2).mean(2)
        return hidden


class ImageExtractor(FeatureExtractor):
    """Takes pixels (N, 3, H, W)."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features (N, D)."""
        return self.pool(last_hidden_state(self.body(pixels)))


class TextExtractor(FeatureExtractor):
    """Takes token ids and a mask, both (N, T) integers; the mask is 1 for tokens and 0 for padding."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Features (N, D)."""
        hidden = last_hidden_state(self.body(input_ids=input_ids, attention_mask=attention_mask))
        return self.pool(hidden, attention_mask)


def last_hidden_state(output: Any) -> torch.Tensor:
    """The tensor that a body's output carries: itself, or the last hidden state or feature map."""
    if isinstance(output, torch.Tensor):
        return output
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None and getattr(output, "feature_maps", None):
        hidden = output.feature_maps[-1]
    if hidden is None:
        hidden = output[0]
    return hidden


def feature_extractor(
    module: nn.Module, example: tuple[torch.Tensor, ...], pooling: str | None = None
) -> FeatureExtractor:
    """``module`` without its head, with pooling, for inputs like ``example``.

    Transformers' models lose what lies above their base model. Other modules lose the part that is called
    as torchvision calls heads. Pooling is chosen by the body's output unless it is given: a feature map is
    averaged; tokens of text are averaged by the mask; tokens of an image give the class token if the model
    has one, their mean otherwise.

    Raises:
        ConfigError: no head was found, or the output is none of these.
    """
    text = len(example) == 2
    body = module.base_model if hasattr(module, "base_model_prefix") else without_head(module)
    assert isinstance(body, nn.Module)
    kind = TextExtractor if text else ImageExtractor
    if pooling is None:
        body.eval()
        with torch.no_grad():
            output = body(input_ids=example[0], attention_mask=example[1]) if text else body(*example)
        dimensions = last_hidden_state(output).dim()
        has_class_token = any(name.split(".")[-1] == "cls_token" for name, _ in body.named_parameters())
        by_dimensions = {
            2: "none",
            3: "class_token" if has_class_token and not text else "mean_tokens",
            4: "global_average",
        }
        if dimensions not in by_dimensions:
            raise ConfigError(
                f"{type(module).__name__} returns a tensor of {dimensions} dimensions; 2 to 4 can be pooled"
            )
        pooling = by_dimensions[dimensions]
    return kind(body, pooling)


def without_head(module: nn.Module) -> nn.Module:
    """``module`` with its classification head replaced by the identity.

    Raises:
        ConfigError: no head was found under its usual names.
    """
    for name in HEADS:
        if isinstance(getattr(module, name, None), nn.Module):
            setattr(module, name, nn.Identity())
            return module
    raise ConfigError(f"{type(module).__name__} has no head under {', '.join(HEADS)}")
