"""Models that sentence-transformers saved: a transformer, how its tokens are pooled, and layers behind that.

Source of the format: the documentation of sentence-transformers, "Creating Custom Models". ``modules.json`` lists
the parts and their folders.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.errors import ConfigError
from alsatian.models.reading.features.pooling import ACTIVATIONS
from alsatian.models.reading.parameters.checkpoints import read_json

_LIBRARY = "sentence_transformers"
MODULES = "modules.json"
PART = re.compile(r"\d+_\w+")
"""How the library names the folders of parts."""
SETTINGS = "config_sentence_transformers.json"
_LENGTHS = "sentence_*_config.json"
_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# What a transformer's settings file may say: honoured, or the only value that is read.
_HONOURED = ("max_seq_length", "do_lower_case", "transformer_task", "backend", "unpad_inputs")
_AS_USUAL: Mapping[str, Any] = {
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
    "module_output_name": "token_embeddings",
}
# How a model is held and run, not what it computes; models run in float32 here.
_RUNNING = {"dtype", "torch_dtype", "attn_implementation"}
# In the order in which several are concatenated: the flag in older files, the name in newer ones, and ours.
_POOLINGS = (
    ("pooling_mode_cls_token", "cls", "class_token"),
    ("pooling_mode_max_tokens", "max", "max_tokens"),
    ("pooling_mode_mean_tokens", "mean", "mean_tokens"),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens", "mean_sqrt_tokens"),
    ("pooling_mode_weightedmean_tokens", "weightedmean", "weighted_mean_tokens"),
    ("pooling_mode_lasttoken", "lasttoken", "last_token"),
)


@dataclass(frozen=True)
class Sentences:
    """What ``modules.json`` says.

    Attributes:
        transformer: the folder of the transformer.
        pooling: as :mod:`alsatian.models.reading.features.pooling` names it.
        layers: behind pooling, as ``behind`` there takes them.
        files: the weights of those layers that have some, by their position.
        length: tokens of a text, at most; None if nothing is said.
        lower: whether texts are put into lower case.
        prompt: what stands before every text.
    """

    transformer: Path
    pooling: str
    layers: tuple[dict[str, Any], ...]
    files: Mapping[int, Path]
    length: int | None
    lower: bool
    prompt: str


def sentences_in(folder: Path) -> Sentences | None:
    """What sentence-transformers saved in ``folder``; None if it is not one of its folders.

    Raises:
        ConfigError: a part is of a kind that is not read, or a file is not as the library writes it.
    """
    path = folder / MODULES
    if not path.exists():
        return None
    kinds, places = [], []
    for part in _modules(path):
        name, kind = str(part["type"]).partition(".")[0], str(part["type"]).rpartition(".")[2]
        if name != _LIBRARY:
            raise ConfigError(f"{path}: is refused: {part['type']} is code of its own, which is never run")
        kinds.append(kind)
        places.append(_inside(folder, part["path"], path))
    if kinds[:2] != ["Transformer", "Pooling"]:
        raise ConfigError(f"{path}: begins with {' and '.join(kinds[:2])}; only a Transformer with Pooling is read")
    layers: list[dict[str, Any]] = []
    files: dict[int, Path] = {}
    for kind, place in zip(kinds[2:], places[2:], strict=True):
        if kind == "Dropout":
            continue  # does nothing in evaluation
        layer = _layer(kind, place, path)
        if layer["kind"] != "normalize":
            files[len(layers)] = _weights(place)
        layers.append(layer)
    about = _about(places[0])
    pooling = _pooling(places[1] / "config.json")
    prompt = _prompt(folder / SETTINGS, places[1] / "config.json")
    return Sentences(places[0], pooling, tuple(layers), files, about.get("max_seq_length"),
                     bool(about.get("do_lower_case")), prompt)  # fmt: skip


def files_of(folder: Path, sentences: Sentences | None) -> list[Path]:
    """The files in ``folder`` that say what ``sentences`` does, and its layers' weights."""
    if sentences is None:
        return []
    settings = [folder / MODULES, folder / SETTINGS, *sorted(sentences.transformer.glob(_LENGTHS))]
    parts = sorted({*folder.glob("[0-9]*_*/config.json"), *sentences.files.values()})
    return [*settings, *parts]


def _modules(path: Path) -> list[dict[str, Any]]:
    try:
        parts = json.loads(path.read_bytes())
        return [{"type": part["type"], "path": part["path"]} for part in parts]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError, KeyError, TypeError):
        raise ConfigError(f"{path}: is no list of modules with type and path") from None


def _inside(folder: Path, name: Any, path: Path) -> Path:
    place = folder / str(name)
    if not place.resolve().is_relative_to(folder.resolve()):
        raise ConfigError(f"{path}: names '{name}', which is not inside of its folder")
    return place


def _about(transformer: Path) -> dict[str, Any]:
    """What the transformer's own settings file says, whatever its kind is called there."""
    path = next(iter(sorted(transformer.glob(_LENGTHS))), None)
    about = read_json(path) if path else {}
    task = about.get("transformer_task", "feature-extraction")
    if task != "feature-extraction":
        raise ConfigError(f"{path}: transformer_task={task} is not read; only feature-extraction is")
    for key, value in about.items():
        running = key in ("model_args", "model_kwargs") and isinstance(value, Mapping) and value.keys() <= _RUNNING
        if value and key not in _HONOURED and value != _AS_USUAL.get(key) and not running:
            raise ConfigError(f"{path}: {key}={value} is not read")
    length = about.get("max_seq_length")
    if length is not None and (type(length) is not int or length < 2):
        raise ConfigError(f"{path}: max_seq_length={length!r}: a number of tokens is needed, at least 2")
    return about


def _pooling(path: Path) -> str:
    value = read_json(path)
    modes = value.get("pooling_mode")
    if modes is None:
        modes = [name for flag, name, _ in _POOLINGS if value.get(flag)] or ["mean"]
    ours = {name: own for _, name, own in _POOLINGS}
    modes = [modes] if isinstance(modes, str) else modes
    if not isinstance(modes, list) or not modes:
        raise ConfigError(f"{path}: pooling_mode={modes!r} is no name of a pooling; valid are {', '.join(ours)}")
    unknown = [key for key, on in value.items() if key.startswith("pooling_mode_") and on]
    unknown = [key for key in unknown if key not in {flag for flag, _, _ in _POOLINGS}]
    for name in (*unknown, *modes):
        if str(name) not in ours:
            raise ConfigError(f"{path}: pooling '{name}' is unknown; valid are {', '.join(ours)}")
    return "+".join(ours[name] for name in modes)


def _prompt(path: Path, pooling: Path) -> str:
    value = read_json(path) if path.exists() else {}
    if value.get("truncate_dim") is not None:
        raise ConfigError(f"{path}: truncate_dim={value['truncate_dim']} is not read; vectors are whole")
    name, prompts = value.get("default_prompt_name"), value.get("prompts") or {}
    if name is None:
        return ""
    if not isinstance(prompts, Mapping) or not isinstance(prompts.get(name), str):
        raise ConfigError(f"{path}: default_prompt_name={name!r} is none of its prompts")
    prompt: str = prompts[name]
    if prompt and read_json(pooling).get("include_prompt") is False:
        raise ConfigError(f"{pooling}: include_prompt=false with a default prompt is not read")
    return prompt


def _layer(kind: str, place: Path, path: Path) -> dict[str, Any]:
    """The description of a part behind pooling."""
    own = place / "config.json"
    value = read_json(own) if own.exists() else {}
    try:
        if kind == "Normalize":
            layer: dict[str, Any] = {"kind": "normalize"}
        elif kind == "LayerNorm":
            layer = {"kind": "layer_norm", "normalized_shape": int(value["dimension"])}
        elif kind == "Dense":
            name = str(value.get("activation_function", "torch.nn.modules.activation.Tanh"))
            activation = name.rpartition(".")[2]
            if not name.startswith("torch.nn.modules.") or activation not in ACTIVATIONS:
                raise ConfigError(f"{own}: activation_function={name} is not read; of torch.nn only {ACTIVATIONS}")
            layer = {
                "kind": "dense", "inputs": int(value["in_features"]), "outputs": int(value["out_features"]),
                "bias": bool(value.get("bias", True)), "activation": activation,
            }  # fmt: skip
        else:
            raise ConfigError(f"{path}: a part of type {kind} behind pooling is not read")
    except (KeyError, TypeError, ValueError):
        raise ConfigError(f"{own}: lacks the sizes of a {kind}") from None
    ends = [value.get(key) for key in ("module_input_name", "module_output_name")]
    if value.get("use_residual") or any(end not in (None, "sentence_embedding") for end in ends):
        raise ConfigError(f"{own}: use_residual and other inputs than the sentence's vector are not read")
    return layer


def _weights(place: Path) -> Path:
    for name in _WEIGHTS:
        if (place / name).is_file():
            return place / name
    raise ConfigError(f"{place}: has neither {' nor '.join(_WEIGHTS)}")
