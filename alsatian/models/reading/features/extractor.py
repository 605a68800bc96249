"""From a model with a head to a feature extractor: one vector per item, pooling last."""

from collections.abc import Mapping, Sequence
from inspect import Parameter, signature
from typing import Any

import torch
from torch import nn

from alsatian.errors import ConfigError
from alsatian.models.reading.features.eager import no_padding, plain_attention
from alsatian.models.reading.features.pooling import HEAD_INPUT, behind, check_pooling, pooled

# Where torchvision's classifiers keep their last part, outermost name first.
HEADS = ("heads", "head", "classifier", "fc")
# What image models call the parameter of the token that stands for the whole image.
CLASS_TOKENS = frozenset({"cls_token", "class_token", "class_embedding"})
# What models of transformers take besides pixels or tokens; some make up a value where none is given.
MORE_INPUTS = frozenset(
    {
        "bbox", "image", "visual_embeds", "input_values", "input_features", "spatial_shapes", "flattened_patches",
        "pixel_values_videos",
    }
)  # fmt: skip
_NAMES = {"image": "pixel_values", "text": "input_ids"}


class FeatureExtractor(nn.Module):
    """A model's body without its head, then pooling and what follows it.

    Attributes:
        body: returns a tensor, or an output object of transformers.
        pooling: see :data:`alsatian.models.reading.features.pooling.POOLINGS`.
        behind: layers behind pooling.
    """

    def __init__(self, body: nn.Module, pooling: str, layers: Sequence[Mapping[str, Any]] = ()) -> None:
        super().__init__()
        self.body = body
        self.pooling = check_pooling(pooling)
        self.behind = behind(layers)

    def pool(self, hidden: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Features (N, D) of the body's output."""
        features: torch.Tensor = self.behind(pooled(hidden, self.pooling, mask))
        return features


class ImageExtractor(FeatureExtractor):
    """Takes pixels (N, 3, H, W)."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Features (N, D)."""
        with plain_attention(), no_padding():
            hidden = last_hidden_state(self.body(pixels))
        return self.pool(hidden)


class TextExtractor(FeatureExtractor):
    """Takes token ids and a mask, both (N, T) integers; the mask is 1 for tokens and 0 for padding."""

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Features (N, D)."""
        with plain_attention():
            hidden = last_hidden_state(self.body(input_ids=input_ids, attention_mask=attention_mask))
        return self.pool(hidden, attention_mask)


def last_hidden_state(output: Any) -> torch.Tensor:
    """The tensor that a body's output carries: itself, or the last hidden state or feature map."""
    if isinstance(output, torch.Tensor):
        return output
    hidden = getattr(output, "last_hidden_state", None)
    if hidden is None and getattr(output, "feature_maps", None):
        hidden = output.feature_maps[-1]
    return output[0] if hidden is None else hidden


def feature_extractor(
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    pooling: str | None = None,
    layers: Sequence[Mapping[str, Any]] = (),
) -> FeatureExtractor:
    """``module`` without its head, with pooling and ``layers`` behind it, for inputs like ``example``.

    ``example`` is ``(pixels,)``, (N, 3, H, W), or ``(input_ids, attention_mask)``, (N, T) each. The head goes
    where the library keeps it: see :func:`transformers_body` and :func:`without_head`.

    With ``head_input`` the body is the whole module without its ``classifier``. Unless it is given, pooling
    follows from the shape that the body returns:

    ==============  ====================================================================
    (N, D)          ``none``: the body pools already
    (N, D, H, W)    ``global_average``
    (N, T, D) text  ``mean_tokens``, by the mask
    (N, T, D) else  ``class_token`` if a parameter of the body is called so (see
                    ``CLASS_TOKENS``), ``mean_tokens`` otherwise
    ==============  ====================================================================

    Raises:
        ConfigError: no head was found, the output is none of these, or there is not one hidden state for
            every token of a text.
    """
    text = len(example) == 2
    if pooling == HEAD_INPUT:
        body = module
        body.classifier = nn.Identity()
    else:
        body = transformers_body(module, text) if hasattr(module, "base_model_prefix") else without_head(module)
    kind = TextExtractor if text else ImageExtractor
    if pooling is None:
        pooling = _pooling(body, example)
    return kind(body, pooling, layers)


def _pooling(body: nn.Module, example: tuple[torch.Tensor, ...]) -> str:
    """The rule's choice, see :func:`feature_extractor`."""
    text = len(example) == 2
    body.eval()
    with torch.no_grad():
        output = body(input_ids=example[0], attention_mask=example[1]) if text else body(*example)
    hidden = last_hidden_state(output)
    if hidden.dim() == 3:
        if text:
            if hidden.shape[1] != example[0].shape[1]:
                raise ConfigError(
                    f"{type(body).__name__} returns {hidden.shape[1]} hidden states for "
                    f"{example[0].shape[1]} tokens; they cannot be averaged by the mask, give a pooling"
                )
            return "mean_tokens"
        names = {name.split(".")[-1] for name, _ in body.named_parameters()}
        return "class_token" if names & CLASS_TOKENS else "mean_tokens"
    by_dimensions = {2: "none", 4: "global_average"}
    if hidden.dim() not in by_dimensions:
        raise ConfigError(
            f"{type(body).__name__} returns a tensor of {hidden.dim()} dimensions; 2 to 4 can be pooled"
        )
    return by_dimensions[hidden.dim()]


def transformers_body(module: nn.Module, text: bool) -> nn.Module:
    """The part of a model of transformers that turns pixels or ``text`` into hidden states.

    That is the base model below a task head; of a detection model the convolutional backbone, as in the
    paper; of a model of images and texts the tower for the input at hand; of an encoder-decoder the encoder.
    """
    body: Any = module.base_model
    if _NAMES["text" if text else "image"] not in signature(body.forward).parameters:
        body = module  # a base model with a part that goes by the name that task models give to theirs
    tower = getattr(body, "text_model" if text else "vision_model", None)
    if isinstance(tower, nn.Module):
        body = tower
    if isinstance(getattr(body, "backbone", None), nn.Module):
        # The detector wraps the backbone in modules of its own that also handle a mask of the pixels.
        inner = (part for part in body.backbone.modules() if hasattr(part, "base_model_prefix"))
        body = next(inner, body)
    if getattr(body.config, "is_encoder_decoder", False):
        body = body.get_encoder()
    _check_inputs(body, "text" if text else "image")
    body.config.use_cache = False  # keys and values of past tokens are no features
    if hasattr(body.config, "mask_ratio") and hasattr(getattr(body, "embeddings", None), "random_masking"):
        # A masked autoencoder hides patches at random, in evaluation as well; features are made of all.
        body.embeddings.random_masking = _hide_nothing
    for part in body.modules():
        # Longformer and LED look into the mask for tokens that all others attend to; a mask of padding has
        # none, and a look at values is what no export can follow.
        if "is_global_attn" in signature(part.forward).parameters:
            part.register_forward_pre_hook(_no_global_attention, with_kwargs=True)
    assert isinstance(body, nn.Module)
    return body


def _check_inputs(body: nn.Module, modality: str) -> None:
    """See that ``body`` takes nothing but images or texts.

    Raises:
        ConfigError: it takes more; names what.
    """
    other = _NAMES["image" if modality == "text" else "text"]
    given = {_NAMES[modality], "attention_mask"}
    parameters = signature(body.forward).parameters.values()
    more = [
        p.name
        for p in parameters
        if p.name not in given
        and p.kind not in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL)
        and (p.default is Parameter.empty or p.name == other or p.name in MORE_INPUTS)
    ]
    if more:
        raise ConfigError(
            f"{type(body).__name__} takes {', '.join(more)} besides {_NAMES[modality]}; models of images alone or "
            "texts alone are read"
        )


def _hide_nothing(patches: torch.Tensor, noise: object = None) -> tuple[torch.Tensor, None, None]:
    """All ``patches`` in their order; takes the place of ``random_masking`` in embeddings of patches."""
    return patches, None, None


def _no_global_attention(part: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Arguments that say that no token is global, whatever the caller found in the mask."""
    return args, {**kwargs, "is_global_attn": False}


def without_head(module: nn.Module) -> nn.Module:
    """``module`` without its classification head; its pooling, where it is outside of the head, stays.

    timm's models drop the head themselves. Elsewhere the head is replaced by the identity, or, if it is a
    convolution over the feature map (SqueezeNet), what comes before it is taken: the map is flattened behind.

    Raises:
        ConfigError: no head was found under its usual names.
    """
    if hasattr(module, "forward_features") and hasattr(module, "reset_classifier"):
        timm: Any = module
        timm.reset_classifier(0)
        return module
    for name in HEADS:
        head = getattr(module, name, None)
        if not isinstance(head, nn.Module):
            continue
        below = getattr(module, "features", None)
        if isinstance(below, nn.Module) and any(isinstance(part, nn.Conv2d) for part in head.modules()):
            return below
        setattr(module, name, nn.Identity())
        return module
    raise ConfigError(f"{type(module).__name__} has no head under {', '.join(HEADS)}")
