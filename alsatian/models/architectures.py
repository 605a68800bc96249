"""Architectures by name, and their segments, each exported once a process."""

from pathlib import Path
from typing import Any

import torch

from alsatian.blocks import portable
from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.fingerprint import digest_json
from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import SPLIT_VERSION, split
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
    spec: ArchitectureSpec,
    preprocessing: Preprocessing,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
) -> Architecture:
    """The segments of ``spec`` for inputs of ``preprocessing``.

    They are exported on first use and kept in this process and, if given, in ``folder``, by everything
    that decides how they look.
    """
    key = digest_json(
        [spec.source, spec.name, dict(spec.options), preprocessing.fingerprint, str(device), code_version()]
    )
    if key not in _library:
        built = portable.read(folder / key) if folder else None
        if built is None:
            # The parameters drawn here are thrown away; the caller's random state is left alone.
            with torch.random.fork_rng(devices=[]):
                built = split(build(spec), preprocessing.example(), device)
            if folder:
                portable.write(folder / key, built)
        _library[key] = built
    return _library[key]


def code_version() -> str:
    """The version that decides how graphs look, and so identities."""
    return f"torch {torch.__version__}, split {SPLIT_VERSION}"
