"""LoRA adapters in the format of the library peft, merged into their base.

Source of the format and of the formulas: the documentation of peft, "LoRA" and "Checkpoint format". An
adapted layer computes ``W x + s B A x``, so the merged weight is ``V = W + s B A`` with the scale
``s = alpha / r``, or ``alpha / sqrt(r)`` for rank-stabilised LoRA. DoRA gives every output of ``V`` a length of
its own: ``m V / |V|``. Only adapted weights change, bit by bit, so everything before the first adapted layer is
shared with the base.
"""

import math
import re
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.low_rank import LowRank, Merged
from alsatian.errors import ConfigError
from alsatian.models.reading.parameters.checkpoints import read_json, read_state

CONFIG = "adapter_config.json"
WEIGHTS = ("adapter_model.safetensors", "adapter_model.bin")
# peft saves the names of the model that it wraps below this.
ROOT = "base_model.model."
# Settings under which that would not be what the adapted model computes.
_UNSUPPORTED = (
    "use_qalora", "layer_replication", "megatron_config", "target_parameters", "trainable_token_indices",
    "alora_invocation_tokens", "monteclora_config", "use_bdlora", "arrow_config", "kasa_config",
)  # fmt: skip
# Initialisations that leave the base as it is. Others (PiSSA, OLoRA, LoftQ, …) take B A out of W first.
_INITIAL = (True, False, "gaussian", "eva", "orthogonal", None)
_FACTOR = re.compile(
    r"(?P<layer>.+)\.lora_(?P<part>embedding_A|embedding_B|A|B|magnitude_vector)(\.default)?(?P<of>\.weight|\.bias)?"
)
_PAIRS = ({"A", "B"}, {"embedding_A", "embedding_B"})
_MAGNITUDE, _BIAS = "magnitude_vector", "B.bias"


@dataclass(frozen=True)
class Delta:
    """What an adapter does to one layer, float32.

    Attributes:
        factors: their product is added to the layer's weight, in its layout.
        shape: of the weight.
        bias: added to the layer's bias; None for nothing.
        magnitude: length of every output's weights; None without DoRA.
        outputs: the dimension of ``weight`` that counts the layer's outputs.
    """

    factors: LowRank
    shape: tuple[int, ...]
    bias: torch.Tensor | None = None
    magnitude: torch.Tensor | None = None
    outputs: int = 0

    def merged(self, weight: torch.Tensor) -> tuple[torch.Tensor, Merged | None]:
        """The adapted layer's weight, of the base's ``weight``, and how it is made of that if no more is done."""
        if self.magnitude is None:
            return Merged.of(weight, self.factors)
        whole = self.factors.merged(weight)
        others = [i for i in range(whole.dim()) if i != self.outputs]
        shape = [-1 if i == self.outputs else 1 for i in range(whole.dim())]
        lengths = torch.linalg.vector_norm(whole, dim=others, keepdim=True)
        return self.magnitude.reshape(shape) / lengths * whole, None


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter.

    Attributes:
        file: where its weights lie, for errors.
        base: what ``adapter_config.json`` calls the base: a path or a name on a hub.
        deltas: what it does to each adapted layer, by the layer's name.
        replaced: parameters trained in full (heads, biases), by name.
        ranks: rank of each delta by its factors' shapes.
        merged: how what was merged so far was made, for the store.
    """

    file: Path
    base: str
    deltas: Mapping[str, Delta]
    replaced: Mapping[str, torch.Tensor] = field(default_factory=dict)
    ranks: Mapping[str, int] = field(default_factory=dict)
    merged: list[Merged] = field(default_factory=list)


def base_name(folder: Path) -> str:
    """What the adapter in ``folder`` calls its base.

    Raises:
        ConfigError: the adapter is of another kind than LoRA or names no base.
    """
    path = folder / CONFIG
    config = read_json(path)
    kind = str(config.get("peft_type"))
    if kind.upper() != "LORA":
        raise ConfigError(f"{path}: adapters of peft_type {kind} are not supported; only LORA can be merged")
    base = config.get("base_model_name_or_path")
    if not isinstance(base, str) or not base or "\0" in base:
        raise ConfigError(f"{path}: base_model_name_or_path is empty or no path; write the base's folder there")
    return base


def weights_file(folder: Path) -> Path:
    """The weights of the adapter in ``folder``.

    Raises:
        ConfigError: there are none.
    """
    for name in WEIGHTS:
        if (folder / name).exists():
            return folder / name
    raise ConfigError(f"{folder}: has {CONFIG} but neither {' nor '.join(WEIGHTS)}")


def read_adapter(folder: Path) -> Adapter:
    """The adapter in ``folder``.

    Raises:
        ConfigError: it is not LoRA, or of a variant that does not merge into the base's weights.
    """
    base, config, file = base_name(folder), read_json(folder / CONFIG), weights_file(folder)
    for key in _UNSUPPORTED:
        if config.get(key):
            raise ConfigError(f"{folder / CONFIG}: {key}={config[key]} is not supported; LoRA and DoRA are merged")
    if config.get("init_lora_weights") not in _INITIAL:
        raise ConfigError(
            f"{folder / CONFIG}: init_lora_weights={config['init_lora_weights']} changes the base as well; "
            "convert the adapter to plain LoRA (peft: path_initial_model_for_weight_conversion)"
        )
    factors: dict[str, dict[str, torch.Tensor]] = {}
    replaced = {}
    for key, tensor in read_state(file).items():
        name = key.removeprefix(ROOT)
        match = _FACTOR.fullmatch(name)
        if match:
            part = match["part"] + (".bias" if match["of"] == ".bias" else "")
            factors.setdefault(match["layer"], {})[part] = tensor.to(torch.float32)
        elif "lora_" in name:
            raise ConfigError(f"{file}: '{key}' is of a variant of LoRA that is not supported")
        else:
            replaced[name.replace(".modules_to_save.default.", ".").replace(".base_layer.", ".")] = tensor
    if not factors:
        raise ConfigError(f"{file}: holds no lora_A and lora_B")
    deltas = {layer: _delta(layer, pair, config, file) for layer, pair in factors.items()}
    ranks = {
        layer: min(len(t) for part, t in parts.items() if part.endswith("A")) for layer, parts in factors.items()
    }
    return Adapter(file, base, deltas, replaced, ranks)


def merge(adapter: Adapter, state: MutableMapping[str, torch.Tensor]) -> Adapter:
    """Merge ``adapter`` into ``state``, parameters of its base by name; return what has no place there.

    Names may differ by the prefix that a task model puts before its base model's. Changed entries become
    float32 tensors of their own; all others stay the same objects.

    Raises:
        ConfigError: a delta does not fit its layer.
    """
    without_first = {name.partition(".")[2]: name for name in state}

    def full_name(name: str) -> str | None:
        """The full name of a parameter that may lack, or have too much, what stands before the first dot."""
        known = (known for known in (name, name.partition(".")[2]) if known in state)
        return next(known, without_first.get(name))

    deltas, replaced = {}, {}
    for layer, delta in adapter.deltas.items():
        name = full_name(f"{layer}.weight")
        if name is None:
            deltas[layer] = delta
            continue
        weight = state[name].to(torch.float32)
        if isinstance(weight, torch.nn.Parameter):  # of a module, which will take the merged one
            weight = weight.detach().clone()
        if weight.shape != delta.shape:
            raise ConfigError(
                f"{adapter.file}: the adapter of '{layer}' is made for a weight of shape "
                f"{list(delta.shape)}; the base's is {list(weight.shape)}"
            )
        state[name], made = delta.merged(weight)
        if made is not None:
            adapter.merged.append(made)
        if delta.bias is not None:
            own = full_name(f"{layer}.bias")
            if own is None:
                raise ConfigError(f"{adapter.file}: the adapter of '{layer}' adds to a bias; the base has none")
            state[own] = state[own].to(torch.float32) + delta.bias
    for key, tensor in adapter.replaced.items():
        name = full_name(key)
        if name is None:
            replaced[key] = tensor
        else:
            state[name] = tensor
    return replace(adapter, deltas=deltas, replaced=replaced)


def _delta(layer: str, parts: Mapping[str, torch.Tensor], config: Mapping[str, Any], file: Path) -> Delta:
    """What the factors ``parts`` do to one layer."""
    pair = set(parts) - {_MAGNITUDE, _BIAS}
    if pair not in _PAIRS:
        raise ConfigError(f"{file}: '{layer}' has {' and '.join(sorted(pair))}; one A and one B are needed")
    embedding = "embedding_A" in pair
    down, up = (parts["embedding_A"], parts["embedding_B"]) if embedding else (parts["A"], parts["B"])
    if down.dim() != up.dim() or down.dim() < 2 or not len(up) or up[0].numel() != len(down) or not len(down):
        raise ConfigError(
            f"{file}: '{layer}' has factors {list(up.shape)} and {list(down.shape)}, which do not fit"
        )
    rank = down.shape[0]
    alpha = _by_pattern(config.get("alpha_pattern"), layer, config.get("lora_alpha", 8), file.parent / CONFIG)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise ConfigError(f"{file.parent / CONFIG}: the alpha of '{layer}' is {alpha!r}; a number is needed")
    scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    # Of a convolution A has the kernel's height and width and B is 1 by 1.
    left, right, shape = up.flatten(1), down.flatten(1), (up.shape[0], *down.shape[1:])
    # An embedding's factors are those of its transpose; Conv1D keeps its weight as (inputs, outputs).
    turned = embedding or (bool(config.get("fan_in_fan_out")) and len(shape) == 2)
    if turned:
        left, right, shape = right.T, left.T, shape[::-1]
    bias, magnitude = parts.get(_BIAS), parts.get(_MAGNITUDE)
    if magnitude is None and config.get("use_dora"):
        raise ConfigError(f"{file}: '{layer}' has no length of its outputs, which use_dora needs")
    if magnitude is not None and magnitude.numel() != up.shape[0]:
        raise ConfigError(f"{file}: '{layer}' has {magnitude.numel()} lengths for {up.shape[0]} outputs")
    return Delta(
        LowRank(left.contiguous(), right.contiguous(), float(torch.tensor(scale, dtype=torch.float32))),
        shape,
        None if bias is None else scale * bias,
        magnitude,
        int(turned),
    )


def _by_pattern(patterns: Any, layer: str, default: Any, path: Path) -> Any:
    """The value whose pattern fits ``layer``: peft compares with the end of the name, from a dot on."""
    if patterns and not isinstance(patterns, Mapping):
        raise ConfigError(f"{path}: alpha_pattern={patterns!r} gives no alpha by layer")
    for pattern, value in (patterns or {}).items():
        try:
            if re.fullmatch(rf"(.*\.)?({pattern})", layer):
                return value
        except re.error as error:
            raise ConfigError(f"{path}: alpha_pattern: '{pattern}' is no regular expression ({error})") from None
    return default
