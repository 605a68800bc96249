"""From what a training script saved to the parameters of one model, under the names that its architecture gives.

Scripts keep parameters beside optimizers and averages of them (EMA), and wrappers of modules put words before or
between the parts of a name. What is taken off and which of two sets of weights is taken is written to ``notes``.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from alsatian.errors import ConfigError

EMA, RAW = "ema", "raw"
CHOICES = (EMA, RAW)
# Keys of whole checkpoints. Averages: timm, DETR, Detectron2, BasicSR, DINO's teacher.
_AVERAGED = (
    "state_dict_ema", "model_ema_state_dict", "ema_state_dict", "model_ema", "ema_model", "ema", "params_ema",
    "averaged_model", "teacher",
)  # fmt: skip
_TRAINED = (
    "state_dict", "model_state_dict", "model", "net", "network", "module", "params", "weights", "student",
)  # fmt: skip
# Words that only wrappers of PyTorch use (torch.compile, FSDP, activation checkpoints): nobody's own names.
_WRAPPERS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_PARALLEL = "module."
# What AveragedModel counts beside the parameters.
_COUNTER = "n_averaged"
# Names in checkpoints that were converted from TensorFlow long ago, and of older releases of torchvision.
_RENAMED = (
    (re.compile(r"LayerNorm\.gamma$"), "LayerNorm.weight"),
    (re.compile(r"LayerNorm\.beta$"), "LayerNorm.bias"),
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(\d)\."), r"\1\2."),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_1\."), r"\1.0."),
    (re.compile(r"(encoder_layer_\d+\.mlp)\.linear_2\."), r"\1.3."),
)
_DEPTH = 6
_AVERAGED_WORDS = {"ema", "averaged", "swa"}
_AVERAGE_WORDS = {"ema", "averaged", "teacher", "momentum", "avg"}


def unwrapped(value: Any, weights: str, path: Path, notes: list[str]) -> dict[str, torch.Tensor]:
    """The tensors by name in ``value``, what the file ``path`` holds; of an average and the raw parameters
    that which ``weights`` says (``ema`` or ``raw``).

    Raises:
        ConfigError: it holds several sets of parameters, and nothing tells which is the model's.
    """
    for _ in range(_DEPTH):
        if not isinstance(value, Mapping):
            return {}
        inner = {str(key): item for key, item in value.items() if _has_parameters(item)}
        key = _chosen(list(inner), weights, path, notes)
        if key is None:
            break
        value = inner[key]
    named = {str(name): item for name, item in value.items() if isinstance(item, torch.Tensor)}
    if not named and len(inner := {str(k): v for k, v in value.items() if _has_parameters(v)}) > 1:
        raise ConfigError(
            f"{path}: holds {len(inner)} sets of parameters ({', '.join(sorted(inner))}); save the state_dict() of "
            "one model"
        )
    if not named and inner:
        ((key, only),) = inner.items()
        notes.append(f"the parameters below '{key}'")
        return unwrapped(only, weights, path, notes)
    return without_wrappers({name: item.detach().resolve_neg() for name, item in named.items()}, path)


def _chosen(keys: list[str], weights: str, path: Path, notes: list[str]) -> str | None:
    trained = [key for key in _TRAINED if key in keys]
    averaged = [key for key in _AVERAGED if key in keys]
    averaged += [key for key in keys if key not in (*averaged, *trained) and _AVERAGED_WORDS & set(key.split("_"))]
    if averaged and trained:
        key = (averaged if weights == EMA else trained)[0]
        notes.append(_of_two(key, weights, averaged[0], trained[0]))
        known = {key, averaged[0], trained[0]}
    else:
        key = next(iter(trained or averaged), "")
        known = {key}
    if key and (more := sorted(set(keys) - known)):
        notes.append(f"the parameters below '{key}'; those below {', '.join(more)} are left out")
    return key or None


def _of_two(key: str, weights: str, averaged: str, trained: str) -> str:
    other = RAW if weights == EMA else EMA
    kind = "averaged" if weights == EMA else "raw"
    return f"the {kind} weights '{key}' of '{averaged}' and '{trained}' (weights={other} takes the others)"


def _has_parameters(value: Any, depth: int = _DEPTH) -> bool:
    """Whether ``value`` maps names to tensors, at some depth; an optimizer's state does not."""
    if depth == 0 or not isinstance(value, Mapping) or "param_groups" in value:
        return False
    return any(
        isinstance(key, str) and (isinstance(item, torch.Tensor) or _has_parameters(item, depth - 1))
        for key, item in value.items()
    )


def without_wrappers(state: Mapping[str, torch.Tensor], path: Path) -> dict[str, torch.Tensor]:
    """``state`` without what wrappers of modules put into names, in whatever order they were nested.

    Raises:
        ConfigError: two tensors would have one name.
    """
    names = [name for name in state if name != _COUNTER]
    short = {name: ".".join(p for p in name.split(".") if p not in _WRAPPERS) for name in names}
    while short and all(name.startswith(_PARALLEL) for name in short.values()):
        short = {old: name.removeprefix(_PARALLEL) for old, name in short.items()}
    if len(set(short.values())) < len(short):
        raise ConfigError(f"{path}: without {', '.join(sorted(_WRAPPERS))} two parameters have one name")
    return {name: state[old] for old, name in short.items()}


def renamed(name: str) -> str:
    """The ``name`` that today's release of a library gives to a parameter."""
    for pattern, new in _RENAMED:
        name = pattern.sub(new, name)
    return name


def fitted(
    state: Mapping[str, torch.Tensor],
    needed: Iterable[str],
    weights: str,
    path: Path,
    notes: list[str],
    prefix: str | None = None,
) -> dict[str, torch.Tensor]:
    """``state`` without the one prefix that keeps its names from being those that the architecture needs.

    Training frameworks put the model into an attribute of something larger (``model.`` in Lightning). Without a
    stated ``prefix`` it is the one below which all ``needed`` names are; of two of which one is an average,
    ``weights`` says which. A state that has no such prefix comes back as it is.

    Raises:
        ConfigError: several prefixes fit, and nothing tells which is the model's.
    """
    wanted = sorted(set(needed))
    if prefix is not None:
        return _below(state, f"{prefix.rstrip('.')}." if prefix else "")
    if all(name in state for name in wanted):
        return dict(state)
    ends = wanted[:3]
    possible = sorted({n.removesuffix(e) for e in ends for n in state if n.endswith(f".{e}")})
    found = {p: sum(p + name in state for name in wanted) for p in possible}
    best = [p for p in possible if found[p] == max(found.values()) and 2 * found[p] > len(wanted)]
    if sum(name in state for name in wanted) >= max(found.values(), default=0):
        return dict(state)
    if len(best) > 1:
        averaged = [p for p in best if _AVERAGE_WORDS & {w for part in p.split(".") for w in part.split("_")}]
        trained = [p for p in best if p not in averaged]
        if len(averaged) != 1 or len(trained) != 1:
            raise ConfigError(
                f'{path}: holds the model below {" and ".join(best)}; state one, e.g. {{"prefix": "{best[0]}"}}, '
                "in alsatian.json"
            )
        best = averaged if weights == EMA else trained
        notes.append(_of_two(best[0], weights, averaged[0], trained[0]))
    elif best:
        notes.append(f"the parameters below '{best[0]}'")
    return _below(state, best[0]) if best else dict(state)


def _below(state: Mapping[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def check_tensors(state: Mapping[str, torch.Tensor], path: Path) -> None:
    """See that all of ``state`` are plain numbers that the file ``path`` holds.

    Raises:
        ConfigError: one is quantized, sparse, without values, or larger than its file.
    """
    size = path.stat().st_size
    for name, tensor in state.items():
        kind = str(tensor.dtype).removeprefix("torch.")
        problem = None
        if tensor.is_meta:
            problem = "has no values (it is on the meta device); save the model after loading its weights"
        elif tensor.layout != torch.strided:
            problem = f"is no dense tensor ({str(tensor.layout).removeprefix('torch.')}); save it with to_dense()"
        elif type(tensor) not in (torch.Tensor, torch.nn.Parameter):
            problem = f"is a {type(tensor).__name__}; save plain tensors"
        elif tensor.is_complex():
            problem = f"is complex ({kind}); models are read in float32"
        elif tensor.is_quantized or (
            name.endswith("weight") and (not tensor.is_floating_point() or tensor.element_size() < 2)
        ):
            problem = f"is quantized ({kind}); use weights in full precision"
        elif tensor.nbytes > size:
            problem = f"claims {tensor.nbytes} bytes in a file of {size}; save it with contiguous()"
        if problem:
            raise ConfigError(f"{path}: is refused: '{name}' {problem}")
