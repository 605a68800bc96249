"""Models as others save them, as feature extractors: ``save_pretrained`` folders and plain state dicts.

Weights are read by :mod:`alsatian.models.reading.checkpoints` and handed to the library that defines the model, so
no library opens a file, runs code from a folder or asks the network. Models run in float32.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.segment import Architecture, module_tensors
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, StoreError, first_line, nearest
from alsatian.models.reading.architectures import all_keys, architecture, build
from alsatian.models.reading.checkpoints import INDEX, load_into, mismatched, missing, read_json, read_state
from alsatian.models.reading.extractor import FeatureExtractor, feature_extractor
from alsatian.models.reading.inputs import DEFAULT_LENGTH, STATED, image_of, stated_image, text_of
from alsatian.models.reading.lora import Adapter, merge

CONFIG = "config.json"
# In the order of preference; what cannot hold code comes first.
WEIGHTS = tuple(
    name + end for name in ("model.safetensors", "pytorch_model.bin") for end in ("", INDEX)
)  # fmt: skip
EXAMPLE = '{"source": "torchvision", "name": "resnet18", "options": {}, "size": 224}'
_STATED_ARCHITECTURE = ("source", "name", "options")
# Settings of a configuration that do not decide what the body computes: left out, so that fine-tunes of
# one base have one architecture. Those that choose kernels could fetch code from a hub.
_LEFT_OUT = {
    "architectures", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "dtype",
    "torch_dtype", "task_specific_params", "transformers_version", "attn_implementation", "use_kernels",
    "experts_implementation", "fusion_config", "distributed_config", "transformers_weights", "tokenizer_class",
}  # fmt: skip


@dataclass(frozen=True)
class Loaded:
    """A model read from files.

    Attributes:
        module: its feature extractor, float32, on the CPU, in evaluation mode.
        built: its segments.
        spec: how to build it again.
        preprocessing: what its input needs.
    """

    module: FeatureExtractor
    built: Architecture
    spec: ArchitectureSpec
    preprocessing: Preprocessing


def weights_file(folder: Path) -> Path | None:
    """The weights, or the index of their shards, in a ``save_pretrained`` folder; None if there are none."""
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def open_folder(folder: Path, architectures: Path, length: int, adapter: Adapter | None = None) -> Loaded:
    """The model that transformers saved in ``folder``, with ``adapter`` merged into it.

    ``architectures`` is where exports are kept, ``length`` the tokens of a text.

    Raises:
        AlsatianError: a file is missing, refused or does not fit.
    """
    config = read_json(folder / CONFIG)
    model_class = _model_class(folder, config)
    options = {**_reduced(config), "use_cache": False}
    stated = _stated(folder / STATED, ()) if (folder / STATED).exists() else {}
    file = weights_file(folder)
    if file is None:
        raise ConfigError(f"{folder}: has {CONFIG} but no weights: {', '.join(WEIGHTS)}")
    with _one_line(f"{folder}: transformers cannot make a {model_class.__name__} of {CONFIG}"), quiet():
        settings = model_class.config_class.from_dict(dict(options))
        options = json.loads(json.dumps(_reduced(settings.to_dict())))
    preprocessing: Preprocessing
    if model_class.main_input_name == "pixel_values":
        with quiet():
            preprocessing = image_of(folder, stated)
    elif model_class.main_input_name == "input_ids":
        preprocessing = text_of(folder, settings, stated.get("length", length))
    else:
        raise ConfigError(
            f"{folder}: the model takes {model_class.main_input_name}; only images and texts are read"
        )
    state = read_state(file)
    rest = merge(adapter, state) if adapter else None
    with _one_line(f"{file}: cannot be loaded into {model_class.__name__}"), quiet():
        module, report = model_class.from_pretrained(
            None, config=settings, state_dict=state, output_loading_info=True, dtype=torch.float32,
            ignore_mismatched_sizes=True, local_files_only=True,
        )  # fmt: skip
        names = {id(t): name for name, t in (*module.named_parameters(), *module.named_buffers())}
        extractor = feature_extractor(module.eval(), preprocessing.example(), stated.get("pooling"))
    spec = ArchitectureSpec("transformers", model_class.__name__, options, extractor.pooling)
    with _one_line(f"{folder}: cannot be split"):
        built = architecture(spec, preprocessing, folder=architectures)
    used = {names[id(t)]: t for t in _used(extractor, built).values() if id(t) in names}
    for name in sorted(report["missing_keys"]):
        if name in used:
            raise ConfigError(missing(file, name, used[name].shape))
    for name, actual, expected in sorted(report["mismatched_keys"]):
        if name in used:
            raise ConfigError(mismatched(file, name, actual, expected))
    if rest:
        _merge_rest(rest, dict(module.named_parameters()), used)
    return Loaded(extractor, built, spec, preprocessing)


def open_state(file: Path, statement: Path | None, architectures: Path, adapter: Adapter | None = None) -> Loaded:
    """The model whose parameters are in ``file`` and whose architecture is in the JSON file ``statement``.

    Raises:
        AlsatianError: nothing states the architecture, a file is refused, or the two do not fit.
    """
    if statement is None:
        raise ConfigError(
            f"{file}: nothing states its architecture; write e.g. {EXAMPLE} to {file.with_suffix('.json').name}, "
            f"or to {STATED} for all files of the folder"
        )
    stated = _stated(statement, _STATED_ARCHITECTURE)
    source, name = stated.get("source", "torchvision"), stated.get("name")
    if source != "torchvision" or not isinstance(name, str):
        raise ConfigError(f"{statement}: states no architecture of torchvision; write e.g. {EXAMPLE}")
    preprocessing = stated_image(statement, stated)
    spec = ArchitectureSpec("torchvision", name, dict(stated.get("options") or {}), stated.get("pooling"))
    with torch.random.fork_rng(devices=[]), _one_line(f"{statement}: torchvision cannot build {name}"):
        extractor = build(spec, preprocessing)
    with _one_line(f"{file}: cannot be split"):
        built = architecture(spec, preprocessing, folder=architectures)
    state = read_state(file)
    rest = merge(adapter, state) if adapter else None
    used = _used(extractor, built)
    load_into(used, state, file, "body.")
    if rest:
        _merge_rest(
            rest, dict(extractor.body.named_parameters()), {n.removeprefix("body."): t for n, t in used.items()}
        )
    return Loaded(extractor, built, spec, preprocessing)


def _used(extractor: FeatureExtractor, built: Architecture) -> dict[str, torch.Tensor]:
    """The parameters and buffers that the segments read, by name, without constants of the graph."""
    tensors = module_tensors(extractor)
    saved = set(extractor.state_dict(keep_vars=True))
    names = {name for segment in built.segments for name in segment.parameter_names}
    return {name: tensors[name] for name in tensors if name in names and name in saved}


def _merge_rest(rest: Adapter, tensors: Mapping[str, torch.Tensor], used: Mapping[str, torch.Tensor]) -> None:
    """Merge what an adapter names as the module does, where the module's files have older names."""
    state = dict(tensors)
    rest = merge(rest, state)
    if rest.deltas:
        raise ConfigError(f"{rest.file}: the base has no layer '{next(iter(rest.deltas))}'")
    with torch.no_grad():
        for name, tensor in tensors.items():
            if state[name] is tensor:
                continue
            if state[name].shape == tensor.shape:
                tensor.copy_(state[name])
            elif name in used:  # else it is a head for other classes
                raise ConfigError(mismatched(rest.file, name, state[name].shape, tensor.shape))


def _model_class(folder: Path, config: Mapping[str, Any]) -> Any:
    import transformers  # takes seconds to import

    path = folder / CONFIG
    if "auto_map" in all_keys(config):
        raise ConfigError(f"{path}: is refused: auto_map asks for code of its own, which is never run")
    if config.get("quantization_config"):
        raise ConfigError(f"{path}: is refused: quantized weights cannot be read; use the model in full precision")
    names = config.get("architectures")
    if not isinstance(names, list) or not names:
        raise ConfigError(f'{path}: names no class of transformers; add e.g. "architectures": ["BertModel"]')
    kind = getattr(transformers, str(names[0]), None)
    if not (isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel) and kind.config_class):
        valid = [name for name in dir(transformers) if name.endswith(("Model", "Classification", "LM"))]
        valid = [name for name in valid if not name.endswith("PreTrainedModel")]
        raise ConfigError(f"{path}: transformers has no model class '{names[0]}'; {nearest(str(names[0]), valid)}")
    return kind


def _reduced(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` as what decides the body's graph, at every level."""
    kept = {}
    for key, value in config.items():
        if key not in _LEFT_OUT and not key.startswith("_"):
            kept[key] = _reduced(value) if isinstance(value, Mapping) else value
    if kept.get("use_pretrained_backbone"):
        kept["use_pretrained_backbone"] = False  # its parameters are in the weights; nothing is fetched
    return kept


def _stated(path: Path, more: tuple[str, ...]) -> dict[str, Any]:
    value = read_json(path)
    valid = ("size", "mean", "std", "length", "pooling", *more)
    for key in value:
        # What is stated for a whole folder may hold more than one of its models needs.
        if key not in (*valid, *_STATED_ARCHITECTURE):
            raise ConfigError(f"{path}: '{key}' is unknown; {nearest(key, valid)}")
    length = value.get("length", DEFAULT_LENGTH)
    if type(length) is not int or length < 2:
        raise ConfigError(f"{path}: length={length!r}: a number of tokens is needed, at least 2")
    if not isinstance(value.get("options") or {}, Mapping):
        raise ConfigError(f"{path}: options={value['options']!r}: arguments by name are needed, e.g. {{}}")
    return value


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Errors of a library, which are of many types and lines, as one line after ``what``."""
    try:
        yield
    except StoreError:
        raise  # a full disk is no property of the model
    except Exception as error:
        raise ConfigError(f"{what}: {first_line(error)}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers reports nothing. It reports on standard error what is checked here."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
