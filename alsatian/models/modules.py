"""Feature extractors of the caller's process, made ready to be split. What the caller gave is never changed."""

import copy
import warnings
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.errors import ConfigError, SplitError, first_line, nearest, said, whole

# Other types of numbers that parameters may have and that float32 holds, or for which it is precise enough.
_CONVERTED = (torch.float16, torch.bfloat16, torch.float64)
_IMAGE = '{"size": 224, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}'


def prepared(module: torch.nn.Module, model_id: str) -> torch.nn.Module:
    """``module`` as it can be split: without wrappers, on the CPU, in float32.

    Wrappers are those of ``torch.compile``, ``DataParallel`` and ``DistributedDataParallel``. A module on another
    device, with parameters in half or double precision, or made under ``torch.inference_mode`` is copied; that its
    precision changes is said in a warning.

    Raises:
        SplitError: it has no parameters in memory, is TorchScript, or cannot be copied.
    """
    module = _unwrapped(module)
    name = type(module).__name__
    if isinstance(module, torch.jit.ScriptModule):
        raise SplitError(f"{name} is TorchScript, which cannot be split; give the module that it was made of")
    tensors = [*module.parameters(), *module.buffers()]
    if any(is_lazy(tensor) for tensor in tensors):
        raise SplitError(f"{name} has parameters without shape; run a batch through it first")
    if any(tensor.is_meta for tensor in tensors):
        raise SplitError(f"{name} has parameters on the meta device, without values; load its weights first")
    kinds = {tensor.dtype for tensor in module.parameters() if tensor.is_floating_point()}
    if odd := [kind for kind in kinds if kind.itemsize < 2]:
        raise SplitError(f"{name} has parameters in {odd[0]}; use weights in full precision")
    converted = sorted(str(kind) for kind in kinds & set(_CONVERTED))
    if converted:
        warnings.warn(
            f"model '{model_id}': its parameters in {', '.join(converted)} run in float32, in a copy", stacklevel=4
        )
    if not converted and all(t.device.type == "cpu" and not t.is_inference() for t in tensors):
        return module
    try:
        copied = copy.deepcopy(module)
    except Exception as error:  # whatever a module's own attributes raise
        raise SplitError(f"{name} cannot be copied: {first_line(error)}") from error
    return copied.to("cpu", torch.float32) if converted else copied.to("cpu")


def _unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """``module`` itself where a wrapper is given that computes the same."""
    while True:
        if isinstance(module, torch.nn.DataParallel | torch.nn.parallel.DistributedDataParallel):
            module = module.module
        elif isinstance(compiled := getattr(module, "_orig_mod", None), torch.nn.Module):
            module = compiled
        else:
            return module


def preprocessing_of(preprocessing: Any, models: Mapping[str, torch.nn.Module] | None) -> dict[str, Preprocessing]:
    """What prepares the input of each of ``models`` by id, from one for all of them or one for each by id; None are
    models that have their own.

    Each is a preprocessing, or the settings of an :class:`~alsatian.data.preprocessing.ImagePreprocessing` as a
    mapping.

    Raises:
        ConfigError: it is none of these, lacks a model or names one that there is not.
    """
    if models is None:
        if preprocessing is not None:
            raise ConfigError("preprocessing: the models of a set or in files have their own; leave it out")
        return {}
    if preprocessing is None:
        raise ConfigError(f"search: models given as modules need a preprocessing, e.g. preprocessing={_IMAGE}")
    if not isinstance(preprocessing, Mapping) or (
        _is_settings(preprocessing) and preprocessing.keys() != models.keys()
    ):
        return dict.fromkeys(models, _one_preprocessing(preprocessing, "preprocessing"))
    for model_id in preprocessing:
        if model_id not in models:
            raise ConfigError(
                f"preprocessing: '{model_id}' is neither a setting of images (size, mean, std) nor a model; "
                f"{nearest(str(model_id), models)}"
            )
    if lacking := [model_id for model_id in models if model_id not in preprocessing]:
        raise ConfigError(f"preprocessing: there is none for the model '{lacking[0]}'")
    return {
        model_id: _one_preprocessing(preprocessing[model_id], f"preprocessing['{model_id}']") for model_id in models
    }


def _is_settings(value: Mapping[Any, Any]) -> bool:
    return "size" in value or not any(isinstance(item, Preprocessing | Mapping) for item in value.values())


def _one_preprocessing(value: Any, name: str) -> Preprocessing:
    if isinstance(value, Preprocessing):
        return value
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"{name}: {said(value)} is given; accepted are ImagePreprocessing(size=…), its settings such as "
            f"{_IMAGE}, or one of these for each model by id"
        )
    valid = ("size", "mean", "std")
    for key in value:
        if key not in valid:
            raise ConfigError(f"{name}: '{key}' is no setting of images; {nearest(str(key), valid)}")
    if "size" not in value:
        raise ConfigError(f"{name}: lacks the size of the model's input in pixels, e.g. {_IMAGE}")
    try:
        numbers = {key: tuple(float(n) for n in value[key]) for key in ("mean", "std") if key in value}
        return ImagePreprocessing(whole(value["size"]), **numbers)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ConfigError(f"{name}: {dict(value)} are no settings of images; e.g. {_IMAGE}") from None
