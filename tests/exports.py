"""Exports that tests need again: to export takes a second, and half of all tests' time was that.

A test that is about exporting itself sets ``alsatian.models.reading.architectures._library`` to ``{}``, as in a new
process. ``--cache-clear`` forgets what earlier runs exported.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

import alsatian
from alsatian.blocks import serialization
from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import split
from alsatian.fingerprint import digest_json
from alsatian.models import model_set
from alsatian.models.reading import architectures

SOURCE = Path(alsatian.__file__).parent
# The code that decides how an architecture of a library looks, beside the versions that its key holds.
MAKERS = ("blocks", "models/reading")


Split = Callable[..., Architecture]


def share(root: Path | None) -> None:
    """From here on in this process; between runs in ``root``, if there is one."""
    model_set.split = once(model_set.split)
    if root is not None:
        kept = Kept(root)
        architectures.digest_json = kept.key_of
        architectures.split = kept.split


class Kept:
    """Architectures of libraries in ``root``, by the keys of ``architectures``, until the code that makes them
    changes."""

    def __init__(self, root: Path) -> None:
        files = sorted(path for maker in MAKERS for path in (SOURCE / maker).rglob("*.py"))
        self._folder = root / digest_json([path.read_text("utf-8") for path in files])[:16]
        for other in root.glob("*"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)
        self._library = architectures._library
        self._key = ""

    def key_of(self, facts: Any) -> str:
        """The key of what is split next, if it has to be."""
        self._key = digest_json(facts)
        return self._key

    def split(self, module: nn.Module, example: tuple[torch.Tensor, ...], device: Any = "cpu") -> Architecture:
        """What was kept, or an export."""
        path = self._folder / self._key
        new = architectures._library is not self._library  # somebody wants another process, or other code
        built = None if new else serialization.read(path)
        if built is None:
            built = split(module, example, device)
            if not new:
                path.parent.mkdir(parents=True, exist_ok=True)
                serialization.write(path, built)
        return built


def once(export: Split) -> Split:
    """``export``, which exports modules once that are made of the same layers of PyTorch in the same way."""
    known: dict[Any, Architecture] = {}

    def remembering(
        module: nn.Module, example: tuple[torch.Tensor, ...], device: str | torch.device = "cpu"
    ) -> Architecture:
        structure = structure_of(module)
        key = (structure, tuple((t.dtype, t.shape) for t in example), str(device))
        if structure is None or key not in known:
            known[key] = export(module, example, device)
        return known[key]

    return remembering


def structure_of(module: nn.Module) -> Any:
    """All that an export of ``module`` depends on; None if it has code or hooks that are not PyTorch's."""
    for part in module.modules():
        hooked = any(value for name, value in vars(part).items() if name.endswith("_hooks"))
        if hooked or "forward" in vars(part) or not type(part).__module__.startswith("torch.nn.modules."):
            return None
    tensors = (*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False))
    first = {id(tensor): name for name, tensor in reversed(tensors)}
    kinds = ((n, first[id(t)], t.dtype, t.shape, t.stride(), t.requires_grad, str(t.device)) for n, t in tensors)
    settings = [(name, type(part), _plain(part)) for name, part in module.named_modules()]
    return str(settings), tuple(kinds)


def _plain(part: nn.Module) -> list[str]:
    """A layer's settings as text; most classes leave some out of their own."""
    own = {name: value for name, value in vars(part).items() if not isinstance(value, dict) and name != "training"}
    return [f"{name}={value!r}" for name, value in sorted(own.items())]
