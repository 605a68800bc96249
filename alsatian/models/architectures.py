"""Architectures by name, and their segments, each exported once a process."""

from typing import Any

import torch

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.fingerprint import digest_json
from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import split
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, nearest

# Where torchvision's classifiers keep their last part, outermost name first.
HEADS = ("heads", "head", "classifier", "fc")

_library: dict[str, Architecture] = {}


def build(spec: ArchitectureSpec) -> torch.nn.Module:
    """The feature extractor of ``spec`` with random parameters, its head replaced by the identity.

    ``spec.source`` is ``"torchvision"``; ``spec.name`` one of its model builders or
    ``"VisionTransformer"`` for one of any size.

    Raises:
        ConfigError: there is no such source, model or option.
    """
    if spec.source != "torchvision":
        raise ConfigError(
            f"architecture source '{spec.source}' is unknown; {nearest(spec.source, ['torchvision'])}"
        )
    from torchvision import models  # takes seconds to import

    valid = [*models.list_models(module=models), "VisionTransformer"]
    if spec.name not in valid:
        raise ConfigError(f"torchvision has no model '{spec.name}'; {nearest(spec.name, valid)}")
    builder: Any = getattr(models, spec.name)
    try:
        module = builder(**spec.options)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"torchvision's {spec.name} does not take {dict(spec.options)}: {error}") from None
    return without_head(module)


def without_head(module: torch.nn.Module) -> torch.nn.Module:
    """``module`` with its classification head replaced by the identity.

    Raises:
        ConfigError: no head was found under its usual names.
    """
    for name in HEADS:
        if isinstance(getattr(module, name, None), torch.nn.Module):
            setattr(module, name, torch.nn.Identity())
            return module
    raise ConfigError(f"{type(module).__name__} has no head under {', '.join(HEADS)}")


def architecture(
    spec: ArchitectureSpec, preprocessing: Preprocessing, device: torch.device | str = "cpu"
) -> Architecture:
    """The segments of ``spec`` for inputs of ``preprocessing``, exported on first use in this process."""
    key = digest_json([spec.source, spec.name, dict(spec.options), preprocessing.fingerprint, str(device)])
    if key not in _library:
        # The parameters drawn here are thrown away; the caller's random state is left alone.
        with torch.random.fork_rng(devices=[]):
            _library[key] = split(build(spec), preprocessing.example(), device)
    return _library[key]
