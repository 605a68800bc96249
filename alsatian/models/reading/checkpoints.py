"""Weights that others wrote: read without running anything that a file may hold.

Safetensors cannot hold code. PyTorch's own format can, so it is read with ``weights_only=True``, which
refuses everything but tensors and plain values before it is called. No other format is read.
"""

import json
import pickle
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from alsatian.errors import ConfigError, StoreError

INDEX = ".index.json"
"""How the name of a list of shards ends."""
TORCH_SUFFIXES = (".pt", ".pth", ".bin")
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
# Other formats of weights. Their files are refused by name where a model is looked for, not passed over.
REFUSED_SUFFIXES = (".ckpt", ".pkl", ".pickle", ".joblib", ".h5", ".keras", ".msgpack", ".onnx", ".gguf", ".tar")
# Keys under which training scripts keep the parameters beside the optimizer's state.
WRAPPERS = ("state_dict", "model_state_dict", "model")
# What wrappers of modules put before every name.
PREFIXES = ("module.", "_orig_mod.")


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors in ``path`` by name, on the CPU.

    ``path`` is a safetensors file, a PyTorch file, or the index of sharded files of either kind. Parameters
    may lie below one of ``WRAPPERS``; ``PREFIXES`` are taken off names if all names have them.

    Raises:
        ConfigError: the file is of another format, or holds code or no tensors.
        StoreError: the file is missing or damaged.
    """
    if path.name.endswith(INDEX):
        state = _sharded(path)
    elif path.suffix == ".safetensors":
        state = _safetensors(path)
    elif path.suffix in TORCH_SUFFIXES:
        state = _unwrapped(_torch(path))
    else:
        raise ConfigError(f"{path}: is refused: weights are read from {', '.join(SUFFIXES)} only")
    if not state:
        raise ConfigError(f"{path}: holds no parameters by name; save the model's state_dict()")
    for name, tensor in state.items():
        if name.endswith("weight") and (not tensor.is_floating_point() or tensor.element_size() < 2):
            kind = str(tensor.dtype).removeprefix("torch.")
            raise ConfigError(f"{path}: is refused: '{name}' is quantized ({kind}); use weights in full precision")
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    return state


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        ConfigError: there is none.
    """
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: is not valid JSON ({error})") from None
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: holds no JSON object")
    return value


def shards(index: Path) -> list[Path]:
    """The files that ``index`` lists, sorted. They lie beside it.

    Raises:
        ConfigError: it lists none, or files elsewhere.
    """
    weights = read_json(index).get("weight_map")
    names = sorted({str(name) for name in weights.values()}) if isinstance(weights, dict) else []
    if not names:
        raise ConfigError(f"{index}: has no weight_map, which says where parameters are")
    for name in names:
        if Path(name).name != name or Path(name).suffix not in SUFFIXES:
            raise ConfigError(f"{index}: lists '{name}', which is no file of weights beside it")
    return [index.parent / name for name in names]


def load_into(
    targets: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor], file: Path, prefix: str = ""
) -> None:
    """Copy ``state`` into ``targets``, by name; what ``targets`` has no name for is left out.

    ``prefix`` stands before the names of ``targets`` only. Values are cast to the target's dtype.

    Raises:
        ConfigError: a target is not in ``state`` or has another shape there.
    """
    with torch.no_grad():
        for name, target in targets.items():
            value = state.get(name.removeprefix(prefix))
            if value is None:
                raise ConfigError(missing(file, name.removeprefix(prefix), target.shape))
            if value.shape != target.shape:
                raise ConfigError(mismatched(file, name.removeprefix(prefix), value.shape, target.shape))
            target.copy_(value)


def missing(file: Path, name: str, expected: torch.Size) -> str:
    """The error about a parameter that ``file`` lacks."""
    return f"{file}: has no parameter '{name}'; the architecture needs it in shape {list(expected)}"


def mismatched(file: Path, name: str, actual: torch.Size, expected: torch.Size) -> str:
    """The error about a parameter of another shape."""
    return f"{file}: '{name}' has shape {list(actual)}; the architecture needs {list(expected)}"


def _sharded(index: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = {}
    for shard in shards(index):
        state.update(read_state(shard))
    return state


def _safetensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        state: dict[str, torch.Tensor] = safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise StoreError(f"{path}: cannot be read as safetensors ({_line(error)})") from None
    return state


def _torch(path: Path) -> Any:
    refusal = (
        f"{path}: is refused: it holds pickled code or is not a file of tensors, and loading it could run "
        "anything; save the model's state_dict(), best as safetensors"
    )
    if _is_script(path):
        raise ConfigError(refusal)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how a file was pickled, which is refused or does not matter
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except pickle.UnpicklingError:
        raise ConfigError(refusal) from None
    except Exception as error:  # damaged files raise many types
        raise StoreError(f"{path}: cannot be read as a file of PyTorch ({_line(error)})") from None


def _unwrapped(value: Any) -> dict[str, torch.Tensor]:
    """The tensors of ``value`` or of what it wraps; numbers and lists of a training script are left out."""
    for key in WRAPPERS:
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            return _unwrapped(value[key])
    if not isinstance(value, Mapping):
        return {}
    return {str(name): item.detach() for name, item in value.items() if isinstance(item, torch.Tensor)}


def _is_script(path: Path) -> bool:
    """Whether ``path`` is a TorchScript archive, which is code by its nature."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("constants.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


def _line(error: Exception) -> str:
    text = (str(error).strip().splitlines() or [""])[0][:120]
    return text if " " in text else f"{type(error).__name__} {text}".strip()
