"""Weights that others wrote: read without running anything that a file may hold.

Safetensors cannot hold code. PyTorch's own format can, so it is read with ``weights_only=True``, which
refuses everything but tensors and plain values before it is called. Settings that training scripts keep beside
the parameters are read as empty stand-ins. No other format is read.
"""

import json
import pickle
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError

from alsatian.errors import ConfigError, StoreError
from alsatian.models.reading.parameters.state_dicts import EMA, check_tensors, unwrapped, without_wrappers

INDEX = ".index.json"
"""How the name of a list of shards ends."""
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar")
SUFFIXES = (".safetensors", *TORCH_SUFFIXES)
# Other formats of weights. Their files are refused by name where a model is looked for, not passed over.
REFUSED_SUFFIXES = (".pkl", ".pickle", ".joblib", ".h5", ".keras", ".msgpack", ".onnx", ".gguf")
# Classes of settings and numbers in checkpoints of argparse, NumPy, OmegaConf and Lightning. None is imported.
_SETTINGS = (
    "argparse.Namespace", "pathlib.Path", "pathlib.PosixPath", "pathlib.WindowsPath", "typing.Any",
    "datetime.datetime", "datetime.timedelta", "builtins.dict", "builtins.list", "builtins.str", "builtins.int",
    *(f"numpy{core}.multiarray.{name}" for core in (".core", "._core") for name in ("scalar", "_reconstruct")),
    "numpy.ndarray", "numpy.dtype",
    *(f"numpy.dtypes.{name}DType" for name in ("Float64", "Float32", "Int64", "Int32", "Bool")),
    "omegaconf.dictconfig.DictConfig", "omegaconf.listconfig.ListConfig", "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata", "omegaconf.nodes.AnyNode",
)  # fmt: skip
_DICTIONARIES = (
    "lightning.fabric.utilities.data.AttributeDict", "lightning_fabric.utilities.data.AttributeDict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
)  # fmt: skip


class _Ignored:
    """Stands for a value of ``_SETTINGS``; whatever a file gives it is dropped."""

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


def _stand_ins() -> list[Any]:
    """Names of classes with what is made in their place."""
    return [
        *((_Ignored, name) for name in _SETTINGS),
        *((dict, name) for name in _DICTIONARIES),
        (lambda *_: {}, "collections.defaultdict"),
    ]


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds.

    Attributes:
        tensors: by name, on the CPU.
        notes: which of several sets of parameters were taken, for people.
    """

    tensors: dict[str, torch.Tensor]
    notes: tuple[str, ...] = ()


def read_checkpoint(path: Path, weights: str = EMA) -> Checkpoint:
    """The parameters in ``path``.

    ``path`` is a safetensors file, a PyTorch file, or the index of sharded files of either kind. For how they
    are found in what a training script saved, and for ``weights``, see :func:`.state_dicts.unwrapped`.

    Raises:
        ConfigError: the file is of another format, or holds code, or no or several sets of parameters.
        StoreError: the file is missing or damaged.
    """
    notes: list[str] = []
    if path.name.endswith(INDEX):
        return Checkpoint({name: t for shard in shards(path) for name, t in read_state(shard).items()})
    if path.suffix == ".safetensors":
        state = without_wrappers(_safetensors(path), path)
    elif path.suffix in TORCH_SUFFIXES:
        state = unwrapped(_torch(path), weights, path, notes)
    else:
        raise ConfigError(f"{path}: is refused: weights are read from {', '.join(SUFFIXES)} only")
    if not state:
        raise ConfigError(f"{path}: holds no parameters by name; save the model's state_dict()")
    check_tensors(state, path)
    return Checkpoint(state, tuple(notes))


def read_state(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of :func:`read_checkpoint`."""
    return read_checkpoint(path).tensors


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
        with warnings.catch_warnings(), torch.serialization.safe_globals(_stand_ins()):
            warnings.simplefilter("ignore")  # about how a file was pickled, which is refused or does not matter
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise StoreError(f"{path}: there is no such file") from None
    except pickle.UnpicklingError:
        raise ConfigError(refusal) from None
    except Exception as error:  # damaged files raise many types
        # Those of Python's own kind speak of how the file was parsed, which tells nobody anything.
        why = "it is none, or damaged" if isinstance(error, LookupError | ValueError | TypeError) else _line(error)
        raise StoreError(f"{path}: cannot be read as a file of PyTorch ({why})") from None


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
