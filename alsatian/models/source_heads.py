"""Models' own classifiers, from the store, for proxies that need them (LEEP and NCE).

A model's manifest says under ``head`` which file of the store holds its classifier, or why there is none. Models
that share all blocks, and so their features, may have different ones.
"""

from collections.abc import Iterable

import torch
from blake3 import blake3
from safetensors import SafetensorError
from safetensors.torch import load

from alsatian.blocks.candidate import HEAD, Candidate
from alsatian.errors import ConfigError, StoreError
from alsatian.proxies.base import Head
from alsatian.store.store_files import StoreFiles


def source_heads(store: StoreFiles, candidates: Iterable[Candidate]) -> dict[str, Head]:
    """The classifiers of ``candidates`` by id: features (N, D) -> softmax of their logits (N, Z), float64.

    Classifiers that were trained with sigmoids, for labels that do not exclude each other, are taken as if they had
    been trained with a softmax.

    Raises:
        ConfigError: models have none; one line for each, with the reason.
        StoreError: a file is missing or damaged.
    """
    heads: dict[str, Head] = {}
    lines = []
    for candidate in candidates:
        kept = candidate.metadata.get(HEAD)
        if digest := candidate.head:
            heads[candidate.id] = _head(store, candidate.id, digest)
        else:
            reason = kept.get("none") if isinstance(kept, dict) else None
            lines.append(f"model '{candidate.id}': {reason or 'no classifier was kept when it was stored'}")
    if lines:
        count = (
            f"{len(lines)} models have no classifier of their"
            if len(lines) > 1
            else "a model has no classifier of its"
        )
        raise ConfigError("\n".join([f"{count} own, which leep and nce need:", *lines]))
    return heads


def _head(store: StoreFiles, model_id: str, digest: str) -> Head:
    path = store.assets / digest
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(
            f"{path}: cannot read the classifier of model '{model_id}' ({error.strerror}); add the model again"
        ) from None
    if blake3(content).hexdigest() != digest:
        raise StoreError(f"{path}: damaged classifier of model '{model_id}'; delete it and add the model again")
    try:
        tensors = load(content)
        weight, bias = (tensors[name].double() for name in ("weight", "bias"))
    except (SafetensorError, KeyError) as error:
        raise StoreError(f"{path}: no classifier of model '{model_id}' ({error})") from None

    def head(features: torch.Tensor) -> torch.Tensor:
        own, shift = weight.to(features.device), bias.to(features.device)
        return torch.softmax(features.double() @ own.T + shift, dim=1)

    return head
