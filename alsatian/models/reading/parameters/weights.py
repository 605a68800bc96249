"""Parameters for a start model: from a file or from PyTorch's local cache, never from a network."""

from dataclasses import dataclass
from pathlib import Path

import torch

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.contents import digests
from alsatian.errors import ConfigError, nearest
from alsatian.models.reading.features.extractor import FeatureExtractor
from alsatian.models.reading.parameters.checkpoints import read_state
from alsatian.models.reading.parameters.loading import load
from alsatian.models.reading.parameters.state_dicts import renamed

_CACHED = "torchvision:"


@dataclass(frozen=True)
class Weights:
    """Where a start's parameters come from.

    Attributes:
        file: a state dict; None for random parameters.
        note: what was found, for people and records.
        digest: BLAKE3 digest of the file, or ``"random"``.
    """

    file: Path | None
    note: str
    digest: str = "random"


def find_weights(asked: str | None, spec: ArchitectureSpec) -> Weights:
    """What ``asked`` names.

    None stands for random parameters; ``torchvision:DEFAULT``, or another of torchvision's names, for those
    weights if they are in PyTorch's local cache, and for random ones otherwise; anything else is the path
    of a ``.safetensors`` or ``.pt`` state dict, or of a folder with a ``model.safetensors``.

    Raises:
        ConfigError: there is no such file, or torchvision has no such weights.
    """
    if asked is None:
        return Weights(None, "random parameters")
    if asked.startswith(_CACHED):
        file = _cached(asked.removeprefix(_CACHED), spec)
        if not file.is_file():
            return Weights(None, f"random parameters ({file.name} is not in PyTorch's local cache)")
    else:
        file = Path(asked)
        file = file / "model.safetensors" if file.is_dir() else file
        if not file.is_file():
            raise ConfigError(f"model_set.weights={asked}: there is no such file; null is for random parameters")
    (digest,) = digests([file])
    return Weights(file, f"the parameters in {file.name} ({digest[:8]})", digest)


def _cached(name: str, spec: ArchitectureSpec) -> Path:
    """Where PyTorch's cache would hold torchvision's weights ``name`` of ``spec``."""
    from torchvision.models import get_model_weights  # takes seconds to import

    try:
        known = get_model_weights(spec.name)
    except ValueError:
        raise ConfigError(f"torchvision has no weights for '{spec.name}' of {spec.source}") from None
    if spec.source != "torchvision" or name not in known.__members__:
        raise ConfigError(f"model_set.weights={_CACHED}{name}: {nearest(name, known.__members__)}")
    return Path(torch.hub.get_dir()) / "checkpoints" / str(known[name].url).rpartition("/")[2]


def load_weights(module: FeatureExtractor, file: Path, needed: set[str]) -> None:
    """Copy a state dict into the body of ``module``. A head's parameters and others without use are ignored.

    ``needed`` holds the names in ``module`` of the tensors that the features depend on.

    Raises:
        AlsatianError: the file cannot be read, lacks a tensor, or has one of another shape.
    """
    state = read_state(file)
    prefix = f"{getattr(module.body, 'base_model_prefix', '')}."
    named = {renamed(name.removeprefix(prefix)): tensor for name, tensor in state.items()}
    own = module.body.state_dict()
    load(module.body, named, {name: tensor for name, tensor in own.items() if f"body.{name}" in needed}, file)
