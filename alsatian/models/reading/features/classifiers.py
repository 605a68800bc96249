"""The classifier that a model was saved with, kept where its logits are a linear function of the features.

Features of a model that was saved with a classifier are what that classifier is given, in most cases: torchvision's
and timm's models lose their last layer, transformers' classifiers of images theirs. Where the layer is linear, its
weights and the features give the logits. Classifiers of texts are given one token, most behind more layers, but
features are the mean over tokens, unless ``pooling=last_token`` is stated.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from alsatian.models.reading.features.extractor import HEADS
from alsatian.models.reading.features.pooling import HEAD_INPUT

# What passes features through in evaluation, one vector an item as they are.
_PASSING = (nn.Dropout, nn.Identity, nn.Flatten)


@dataclass(frozen=True)
class LinearHead:
    """Logits are ``features @ weight.T + bias``.

    Attributes:
        weight: (Z, D), float32.
        bias: (Z,), float32.
    """

    weight: torch.Tensor
    bias: torch.Tensor

    def content(self) -> bytes:
        """As a safetensors file."""
        return save({"weight": self.weight.contiguous(), "bias": self.bias.contiguous()})


@dataclass(frozen=True)
class Classifier:
    """Where a module has its classifier.

    Attributes:
        layer: the name of the one linear layer; empty if there is no such.
        reason: why not.
        pooling: with which features are what the layer is given.
    """

    layer: str = ""
    reason: str = ""
    pooling: str = "none"

    def values(self, state: Mapping[str, torch.Tensor], pooling: str, dimension: int) -> LinearHead | str:
        """The head for features of ``dimension`` values by ``pooling``, from a file's parameters ``state``; or, in
        a few words, why there is none."""
        if not self.layer:
            return self.reason
        weight, bias = state.get(f"{self.layer}.weight"), state.get(f"{self.layer}.bias")
        if weight is None:
            # What stands between parameters with names of their own, e.g. a ReLU, is told by no file.
            other = sorted(name for name in state if name.startswith(f"{self.layer.partition('.')[0]}."))
            known = f"'{other[0]}' is of another than the library's" if other else f"there is no '{self.layer}'"
            return f"its files hold no classifier that is known: {known}"
        if pooling != self.pooling:
            return f"its classifier is not given the features, whose pooling is {pooling}"
        if weight.dim() != 2 or weight.shape[1] != dimension:
            return f"its classifier '{self.layer}' does not fit {dimension} features"
        if len(weight) < 2:
            return f"its classifier '{self.layer}' has one output, and so no classes"
        weight = weight.to(torch.float32)
        bias = weight.new_zeros(len(weight)) if bias is None else bias.to(torch.float32)
        if bias.shape != weight.shape[:1] or not (weight.isfinite().all() and bias.isfinite().all()):
            return f"its classifier '{self.layer}' holds values that are not finite, or no bias for each class"
        return LinearHead(weight, bias)


def classifier_in(module: nn.Module, pooling: str | None = None) -> Classifier:
    """Where ``module`` of torchvision, timm or transformers, whole as yet, has its classifier; ``pooling`` is the
    stated one of a model of transformers."""
    model: Any = module
    if hasattr(module, "base_model_prefix"):
        kind = type(module).__name__
        if pooling == HEAD_INPUT:
            return _linear(module, getattr(module, "classifier", None), HEAD_INPUT)
        if pooling == "last_token" and isinstance(getattr(module, "score", None), nn.Linear):
            return Classifier("score", pooling="last_token")
        return Classifier(reason=f"the features of a {kind} are not what a classifier is given")
    if hasattr(module, "forward_features") and hasattr(module, "reset_classifier"):
        return _linear(module, model.get_classifier())
    heads = (getattr(module, name, None) for name in HEADS)
    head = next((head for head in heads if isinstance(head, nn.Module)), None)
    return _linear(module, head)


def _linear(module: nn.Module, head: Any, pooling: str = "none") -> Classifier:
    """``head`` of ``module`` if it is one linear layer, and nothing else that computes."""
    if not isinstance(head, nn.Module):
        return Classifier(reason="it has several classifiers" if head else "it has no classifier")
    layers = [part for part in head.modules() if not isinstance(part, _PASSING) and not list(part.children())]
    if not layers:
        return Classifier(reason="it has no classifier")
    if len(layers) > 1 or type(layers[0]) is not nn.Linear:
        kinds = ", ".join(type(layer).__name__ for layer in layers)
        return Classifier(reason=f"its classifier is no linear function of the features ({kinds})")
    return Classifier(next(name for name, part in module.named_modules() if part is layers[0]), pooling=pooling)
