"""Weights of torchvision's classifiers that come without a word about them: which builder made them, and what the
images look like that the builder's published weights were trained on."""

import itertools
import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from alsatian.data.library_images import TransformedImages, plain
from alsatian.errors import ConfigError, nearest
from alsatian.models.reading.features.extractor import HEADS

Shapes = frozenset[tuple[str, torch.Size]]
# Parts that take no part in evaluation, or that fine-tuning replaces.
_NOT_BODY = (*HEADS, "AuxLogits", "aux1", "aux2")
# Of a ViT this depends on the size of its images.
_POSITIONS = "encoder.pos_embedding"
# What the builders of these set where they are given weights: ImageNet's numbers are exchanged for [-1, 1].
_TRANSFORM_INPUT = ("googlenet", "inception_v3")
_MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.randn, torch.rand}


def published_options(name: str, options: Mapping[str, Any], notes: list[str]) -> dict[str, Any]:
    """``options`` with what torchvision's builder ``name`` sets for weights."""
    if name not in _TRANSFORM_INPUT:
        return dict(options)
    if "transform_input" not in options:
        notes.append(f"transform_input=true, as torchvision's {name} has it with weights")
    return {"transform_input": True, "aux_logits": False, "init_weights": False, **options}


def guessed(state: Mapping[str, torch.Tensor], file: Path, notes: list[str]) -> tuple[str, dict[str, Any], str]:
    """The builder of torchvision with these names and shapes below one prefix: its name, options and the prefix.

    Raises:
        ConfigError: there is no such builder, or several.
    """
    # Builders of other families take seconds to look at, so first all prefixes are tried without them.
    for others, prefix in itertools.product((False, True), ("", *_prefixes(state))):
        below = {n.removeprefix(prefix): t.shape for n, t in state.items() if n.startswith(prefix)}
        shapes, positions = _shapes(below), below.get(_POSITIONS)
        # What the file's name and its parameters both say needs no look at other builders.
        names = [name for name in _named_in(file.stem) if _signature(name) == shapes][:1]
        looked_at = () if names else _builders() if others else _likely(shapes)
        names = names or [name for name in looked_at if _signature(name) == shapes]
        if len(names) > 1:
            raise ConfigError(f"{file}: may be any of {', '.join(names)} of torchvision; state its name")
        if names:
            options: dict[str, Any] = {}
            if positions is not None:
                options["image_size"] = _image_size(positions, below["conv_proj.weight"])
            notes.append(f"torchvision's {names[0]}, by the names and shapes of the parameters")
            return names[0], options, prefix
    raise ConfigError(
        f"{file}: nothing states its architecture, and its parameters are those of no builder of torchvision; "
        f'write e.g. {{"source": "torchvision", "name": "resnet18", "options": {{}}}} to '
        f"{file.with_suffix('.json').name}, or to alsatian.json for all files of the folder"
    )


def images_of(
    name: str, stated: str | None, options: Mapping[str, Any], file: Path, notes: list[str]
) -> TransformedImages:
    """The transforms of torchvision's weights for the builder ``name``: those that are ``stated``, those of a file
    with the name of the published one, or those of the newest weights.

    Raises:
        ConfigError: there are no such weights, or they are for images of another size.
    """
    from torchvision.models import get_model_weights  # takes seconds to import

    try:
        known = list(get_model_weights(name))
    except ValueError:
        known = []
    if not known:
        raise ConfigError(f"{file}: torchvision has no weights, and so no transforms, for {name}; state a size")
    size = options.get("image_size")
    fitting = [w for w in known if size in (None, _settings(w)["crop_size"])]
    if stated is not None:
        chosen = [w for w in known if w.name == stated.rpartition(".")[2]]
        if not chosen:
            raise ConfigError(f"{file}: transforms={stated}: {nearest(stated, [w.name for w in known])}")
    else:
        chosen = [w for w in known if Path(str(w.url)).name == file.name] or list(reversed(fitting))
    if not chosen or chosen[0] not in fitting:
        raise ConfigError(
            f"{file}: no weights of torchvision's {name} are for images of {size} pixels; state size, mean and std"
        )
    weights = chosen[0]
    if stated is None:
        others = len({plain(_settings(w)) for w in known}) > 1
        notes.append(
            f"images as for {type(weights).__name__}.{weights.name}"
            + (", the newest; others differ: state transforms" if others and len(chosen) > 1 else "")
        )
    side = _settings(weights)["crop_size"]
    return TransformedImages("torchvision", plain(_settings(weights)), side, side)


def _settings(weights: Any) -> dict[str, Any]:
    """The arguments of the transforms of ``weights``, with the class's defaults, as plain data."""
    made = weights.transforms()
    return {
        "crop_size": made.crop_size[0], "resize_size": made.resize_size[0], "mean": list(made.mean),
        "std": list(made.std), "interpolation": made.interpolation.value, "antialias": made.antialias,
    }  # fmt: skip


class _OnMeta(TorchFunctionMode):
    """New parameters on the meta device, other tensors where they belong: some builders compute their widths."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        more = {"device": "meta"} if func in _MAKERS else {}
        return func(*args, **{**(kwargs or {}), **more})


def without_values(build: Any) -> torch.nn.Module:
    """What ``build`` makes, on the meta device, without the time and the memory of its parameters."""
    try:
        with torch.device("meta"):
            module: torch.nn.Module = build()
    except NotImplementedError:
        with _OnMeta():
            module = build()
    return module


def _named_in(stem: str) -> list[str]:
    """Builders whose names are in that of a file, the longest first: of ``resnet18`` and ``resnet`` the former."""
    return sorted((name for name in _builders() if name in stem.lower()), key=len, reverse=True)[:2]


def _likely(shapes: Shapes) -> list[str]:
    """Builders of the families whose first member has half of its kinds of names, or more, among ``shapes``."""
    from torchvision import models

    families: dict[str, list[str]] = {}
    for name in _builders():
        families.setdefault(getattr(models, name).__module__, []).append(name)
    kinds = _kinds(shapes)
    return [n for names in families.values() if _near(_kinds(_signature(names[0])), kinds) for n in names]


def _near(ones: set[str], others: set[str]) -> bool:
    return 2 * len(ones & others) >= min(len(ones), len(others))


def _kinds(shapes: Shapes) -> set[str]:
    return {re.sub(r"\d+", "0", name) for name, _ in shapes}


@cache
def _builders() -> tuple[str, ...]:
    from torchvision import models

    return tuple(models.list_models(module=models))


@cache
def _signature(name: str) -> Shapes:
    from torchvision import models

    options = {"init_weights": False} if name in _TRANSFORM_INPUT else {}
    module = without_values(lambda: getattr(models, name)(**options))
    return _shapes({n: t.shape for n, t in module.state_dict().items()})


def _shapes(state: Mapping[str, torch.Size]) -> Shapes:
    """Names and shapes of the body; counters of batches came late to PyTorch, positions depend on the images."""
    return frozenset(
        (name, shape)
        for name, shape in state.items()
        if name.partition(".")[0] not in _NOT_BODY
        and not name.endswith("num_batches_tracked")
        and name != _POSITIONS
    )


def _prefixes(state: Mapping[str, torch.Tensor]) -> list[str]:
    """Starts of names that at least half of them share, shortest first."""
    starts = (re.match(rf"(?:[^.]+\.){{{depth}}}", name) for depth in (1, 2, 3) for name in state)
    counts = Counter(match[0] for match in starts if match)
    return sorted((prefix for prefix, count in counts.items() if 2 * count > len(state)), key=len)


def _image_size(positions: torch.Size, patches: torch.Size) -> int:
    """Pixels of the side of a ViT's images: one position is the class token's."""
    return int((positions[1] - 1) ** 0.5) * patches[-1]
