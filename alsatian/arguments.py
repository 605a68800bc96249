"""The gate of :mod:`alsatian.api`: arguments as people write them, accepted or refused in one line."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import Batch
from alsatian.errors import ConfigError, nearest, said, whole
from alsatian.models.model_set import CandidateSet, ModelSet
from alsatian.proxies import named as proxies
from alsatian.proxies.base import Proxy, name_of, needs_head
from alsatian.records.ranking import LAST, LAYERS, LayerChoice, RankedModel
from alsatian.searching.named import named, schedule_named
from alsatian.searching.schedules import Schedule
from alsatian.searching.strategy import Strategy

_MODULES = 'paths of checkpoints, modules by id, e.g. {"resnet18": module}, or a ModelSet'
_Part = TypeVar("_Part")


def models_of(models: Any) -> ModelSet | dict[str, torch.nn.Module] | list[str | Path]:
    """Candidates: a model set, feature extractors by id, or words that name models.

    Raises:
        ConfigError: they are neither.
    """
    if isinstance(models, ModelSet):
        return models
    if isinstance(models, str | Path):
        return [models]
    if isinstance(models, list | tuple) and models and all(isinstance(one, str | Path) for one in models):
        return list(models)
    if not isinstance(models, Mapping):
        raise ConfigError(f"models: {said(models)} is given; accepted are {_MODULES}")
    for model_id, module in models.items():
        if not isinstance(model_id, str) or not model_id:
            raise ConfigError(f"models: the id {model_id!r} is no text; an id is one, e.g. '{model_id or 'model'}'")
        if isinstance(module, torch.Tensor):
            raise ConfigError(
                "models: a state dict is given; load it into its module first (module.load_state_dict) and give "
                f"{_MODULES}"
            )
        if isinstance(module, Mapping):
            raise ConfigError(
                f"models: '{model_id}' is a {type(module).__name__}, a state dict perhaps; load it into its module "
                "first (module.load_state_dict) and give that"
            )
        if not isinstance(module, torch.nn.Module):
            raise ConfigError(
                f"models: '{model_id}' is {said(module)}; a torch.nn.Module is expected"
                + (" (checkpoints on disk are read by FolderSet)" if isinstance(module, str | Path) else "")
            )
    return dict(models)


def strategy_of(strategy: Any) -> Strategy | None:
    """A strategy or its name; None for the usual one.

    Raises:
        ConfigError: it is neither.
    """
    return named(strategy) if isinstance(strategy, str) else instance("strategy", strategy, Strategy, "'alsatian'")


def schedule_of(schedule: Any) -> Schedule:
    """A schedule or its name.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(schedule, str):
        return schedule_named(schedule)
    if isinstance(schedule, type) or not callable(getattr(schedule, "rounds", None)):
        raise ConfigError(f"schedule: {said(schedule)} is given; a name such as 'halving' is expected")
    chosen: Schedule = schedule
    return chosen


def proxy_of(proxy: Any) -> Proxy:
    """A proxy or its name.

    Raises:
        ConfigError: it is neither.
    """
    if isinstance(proxy, str):
        return proxies.named(proxy)
    if isinstance(proxy, type) or not callable(getattr(proxy, "score", None)):
        raise ConfigError(
            f"proxy: {said(proxy)} is given; accepted are an object with the method score, or 'linear'"
        )
    chosen: Proxy = proxy
    return chosen


def proxies_of(value: Any) -> tuple[Proxy, ...]:
    """One proxy or several: objects or names, or names in one text with commas; none yet for None.

    Raises:
        ConfigError: one of them is neither, there is none, or two have the same name.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        value = [name.strip() for name in value.split(",")]
    chosen = tuple(map(proxy_of, value if isinstance(value, list | tuple) else [value]))
    names = list(map(name_of, chosen))
    if not chosen:
        raise ConfigError("proxies: none is given; accepted are names, e.g. 'logistic,knn', or objects")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"proxies: {', '.join(twice)} is given more than once; each name stands for one column")
    if taken := [name for name in names if name in RankedModel.model_fields]:
        raise ConfigError(f"proxies: '{taken[0]}' is a column of every ranking; give the proxy another name")
    return chosen


def layers_of(value: Any, scorers: Sequence[Proxy]) -> LayerChoice:
    """Which layers' features ``scorers`` score.

    Raises:
        ConfigError: there is no such choice, or a proxy needs what only a model's own features have.
    """
    if value not in LAYERS:
        raise ConfigError(f"layers={value}: {nearest(str(value), LAYERS)}")
    needy = [name_of(proxy) for proxy in filter(needs_head, scorers)]
    if value != LAST and needy:
        raise ConfigError(f"layers={value}: proxy {needy[0]} scores a model's own classifier; choose layers={LAST}")
    chosen: LayerChoice = value
    return chosen


def instance(name: str, value: Any, kind: type[_Part], example: str) -> _Part | None:
    """``value``, an instance of ``kind`` or None.

    Raises:
        ConfigError: it is something else.
    """
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{name}: {said(value)} is given; accepted are a {kind.__name__}, or e.g. {example}")
    return value


def batch_size_of(size: Any) -> int:
    """Items of a batch.

    Raises:
        ConfigError: it is no whole number of at least 1.
    """
    number = whole_number_of("batch_size", size)
    if number < 1:
        raise ConfigError(f"batch_size={number}: must be at least 1")
    return number


def whole_number_of(name: str, value: Any) -> int:
    """``value``, which is a whole number.

    Raises:
        ConfigError: it is none.
    """
    try:
        return whole(value)
    except TypeError:
        raise ConfigError(f"{name}={value!r}: must be a whole number, e.g. {name}=32") from None


def flag_of(name: str, value: Any) -> bool:
    """``value``, which is true or false.

    Raises:
        ConfigError: it is neither.
    """
    if not isinstance(value, bool):
        raise ConfigError(f"{name}={value!r}: True or False is expected")
    return value


def resolve_device(device: Any) -> torch.device:
    """The device that is called ``device`` or is it.

    Raises:
        ConfigError: this machine or this build of PyTorch has no such device.
    """
    name = str(device) if isinstance(device, torch.device) else device
    if isinstance(name, str) and name in ("cpu:0", "cuda:0"):
        name = name.partition(":")[0]
    if name not in ("cpu", "cuda"):
        more = "; another GPU is chosen by CUDA_VISIBLE_DEVICES" if str(name).startswith("cuda:") else ""
        raise ConfigError(f"device={name}: {nearest(str(name), ['cpu', 'cuda'])}{more}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda: PyTorch finds no CUDA device here; use device=cpu")
    return torch.device(name)


def folder_of(name: str, value: Any) -> Path | None:
    """A folder by its path, or None.

    Raises:
        ConfigError: it is no path.
    """
    if value is None:
        return None
    if not isinstance(value, str | os.PathLike) or not str(value):
        raise ConfigError(f"{name}={value!r}: the path of a folder is expected")
    return Path(value)


def function_of(name: str, value: Any) -> Any:
    """``value``, which can be called.

    Raises:
        ConfigError: it cannot.
    """
    if not callable(value):
        raise ConfigError(f"{name}: {said(value)} is given; a function is expected")
    return value


def candidates_of(candidates: Any) -> Sequence[Candidate]:
    """Chains of blocks, or those of a set.

    Raises:
        ConfigError: they are neither, or there is none.
    """
    if isinstance(candidates, CandidateSet):
        return candidates.candidates
    if not isinstance(candidates, list | tuple) or not all(isinstance(one, Candidate) for one in candidates):
        raise ConfigError(
            f"candidates: {said(candidates)} is given; accepted are a ModelSet or its candidates: parameters and "
            "code are not needed, but chains of blocks are"
        )
    return CandidateSet(tuple(candidates)).candidates


def batches_of(batches: Any) -> tuple[list[Batch], list[Batch]]:
    """Batches of the test items and of the training items.

    Raises:
        ConfigError: they are something else.
    """
    pair = list(batches) if isinstance(batches, tuple | list) else []
    if len(pair) != 2 or not all(isinstance(b, Batch) for part in pair if isinstance(part, list) for b in part):
        raise ConfigError(
            f"batches: {said(batches)} is given; accepted are the batches of test and training items, as "
            "Dataset.batches(batch_size, models) gives them"
        )
    return pair[0], pair[1]
