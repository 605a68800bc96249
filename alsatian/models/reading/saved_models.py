"""Models that transformers and sentence-transformers saved, as feature extractors.

Weights are read by :mod:`alsatian.models.reading.parameters.checkpoints` and handed to the library that defines the
model, so no library opens a file, runs code from a folder or asks the network. Models run in float32.
"""

import json
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.preprocessing import Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError, nearest
from alsatian.fingerprint import digest_json
from alsatian.models.reading.architectures import all_keys, architecture, configuration, image_classifier
from alsatian.models.reading.features.classifiers import classifier_in
from alsatian.models.reading.features.extractor import FeatureExtractor, feature_extractor
from alsatian.models.reading.features.text_checks import check_text, word_embedding
from alsatian.models.reading.inputs.images import image_of
from alsatian.models.reading.inputs.processors import processor_file
from alsatian.models.reading.inputs.sentences import Sentences, sentences_in
from alsatian.models.reading.inputs.settings import IMAGE, STATED, TEXT, Reading, stated_in
from alsatian.models.reading.inputs.tokenizers import positions, text_of, tokenizer_in
from alsatian.models.reading.parameters.checkpoints import INDEX, read_checkpoint, read_json, read_state
from alsatian.models.reading.parameters.loading import (
    Loaded,
    check_counts,
    check_size,
    head_of,
    load,
    merge_rest,
    mismatched,
    missing,
    note_unused,
    one_line,
    quiet,
    used,
)  # fmt: skip
from alsatian.models.reading.parameters.lora import Adapter, merge
from alsatian.models.reading.parameters.state_dicts import fitted, renamed
from alsatian.models.reading.state_models import is_timm, open_timm

CONFIG = "config.json"
# In the order of preference; what cannot hold code comes first.
WEIGHTS = tuple(
    name + end for name in ("model.safetensors", "pytorch_model.bin") for end in ("", INDEX)
)  # fmt: skip
# Settings of a configuration that do not decide what the body computes: left out, so that fine-tunes of
# one base have one architecture. Those that choose kernels could fetch code from a hub.
_LEFT_OUT = {
    "architectures", "id2label", "label2id", "num_labels", "problem_type", "finetuning_task", "dtype",
    "torch_dtype", "task_specific_params", "transformers_version", "attn_implementation", "use_kernels",
    "experts_implementation", "fusion_config", "distributed_config", "transformers_weights", "tokenizer_class",
}  # fmt: skip
# Pooling by what decides it: for it a model has to be run, and one of an architecture is enough.
_poolings: dict[str, str] = {}
_INPUTS = {"pixel_values": IMAGE, "input_ids": TEXT}


def weights_file(folder: Path) -> Path | None:
    """The weights, or the index of their shards, in a ``save_pretrained`` folder; None if there are none."""
    return next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)


def open_folder(folder: Path, architectures: Path, reading: Reading, adapter: Adapter | None = None) -> Loaded:
    """The model that transformers, sentence-transformers or timm saved in ``folder``, with ``adapter`` merged in.

    ``architectures`` is where exports are kept.

    Raises:
        AlsatianError: a file is missing, refused or does not fit.
    """
    sentences = sentences_in(folder)
    inner = sentences.transformer if sentences else folder
    config, file = read_json(inner / CONFIG), weights_file(inner)
    if file is None:
        raise ConfigError(f"{inner}: has {CONFIG} but no weights: {', '.join(WEIGHTS)}")
    if is_timm(config):
        return open_timm(inner / CONFIG, config, file, architectures, reading, adapter)
    model_class, of_head = image_classifier(_model_class(inner, config))
    stated = stated_in(folder / STATED) if (folder / STATED).exists() else {}
    reading = reading.changed(stated, folder / STATED)
    checkpoint = read_checkpoint(file, reading.weights)
    state, notes = {renamed(name): t for name, t in checkpoint.tensors.items()}, list(checkpoint.notes)
    if config.get("model_type") not in (None, model_class.config_class.model_type):
        notes.append(
            f"{CONFIG}: model_type={config['model_type']}, but read as the {model_class.__name__} it names"
        )
    options = {**_reduced(config), "use_cache": False}
    check_counts(options, len(state), inner / CONFIG)
    with one_line(f"{inner}: transformers cannot make a {model_class.__name__} of {CONFIG}"), quiet():
        settings = configuration(model_class, options)
        options = _reduced(json.loads(settings.to_json_string(use_diff=False)))
        with torch.device("meta"):
            empty = model_class(settings)
            if adapter and (words := _own_words(adapter, empty)):  # it was made for a larger vocabulary
                settings.vocab_size = options["vocab_size"] = words
                empty = model_class(settings)
    check_size(empty, state, inner / CONFIG)
    state = _fitted(state, empty, reading, file, notes, stated.get("prefix"))
    modality, towers = _modality(model_class, folder, reading, notes)
    texts = adapter.file.parent if adapter and tokenizer_in(adapter.file.parent) else folder
    preprocessing = _preprocessing(folder, texts, modality, empty, stated, sentences, reading)
    rest = merge(adapter, state) if adapter else None
    pooling = stated.get("pooling") or (sentences.pooling if sentences else reading.pooling)
    with one_line(f"{file}: cannot be loaded into {model_class.__name__}"), quiet():
        module, report = model_class.from_pretrained(
            None, config=settings, state_dict=state, output_loading_info=True, dtype=torch.float32,
            ignore_mismatched_sizes=True, local_files_only=True,
        )  # fmt: skip
        names = {id(t): name for name, t in (*module.named_parameters(), *module.named_buffers())}
        layers = sentences.layers if sentences else ()
        own = pooling if modality == TEXT or "pooling" in stated else of_head
        classifier = classifier_in(module, own)
        kind = digest_json([model_class.__name__, options, preprocessing.fingerprint, own])
        extractor = feature_extractor(module.eval(), preprocessing.example(), _poolings.get(kind, own), layers)
        _poolings[kind] = extractor.pooling
    if modality == TEXT and pooling is None and "+" not in extractor.pooling:
        notes.append(f"pooling: {extractor.pooling}; its files say none (pooling=… states another)")
    _load_layers(extractor, sentences)
    spec = ArchitectureSpec("transformers", model_class.__name__, options, extractor.pooling, layers)
    with one_line(f"{folder}: cannot be split"):
        built = architecture(spec, preprocessing, folder=architectures)
    needed = {names[id(t)]: t for t in used(extractor, built).values() if id(t) in names}
    for name in sorted(report["missing_keys"]):
        if name in needed:
            raise ConfigError(missing(file, name, needed[name].shape))
    for name, actual, expected in sorted(report["mismatched_keys"]):
        if name in needed:
            raise ConfigError(mismatched(file, name, actual, expected))
    note_unused(report["unexpected_keys"], notes)
    if rest:
        merge_rest(rest, dict(module.named_parameters()), needed)
    if isinstance(preprocessing, TextPreprocessing):
        with quiet():
            check_text(extractor, preprocessing, folder, notes)
    head = head_of(classifier, state, rest, extractor, built)
    return Loaded(extractor, built, spec, preprocessing, tuple(notes), towers, head)


def _modality(model_class: Any, folder: Path, reading: Reading, notes: list[str]) -> tuple[str, bool]:
    """What the model takes, and whether it has two towers, of which it is that of the one that is read."""
    one = _INPUTS.get(model_class.main_input_name)
    if one is None:
        raise ConfigError(
            f"{folder}: the model takes {model_class.main_input_name}; only images and texts are read"
        )
    taken = signature(model_class.forward).parameters
    if not all(name in taken for name in _INPUTS):
        return one, False
    chosen = reading.modality or (IMAGE if processor_file(folder) else TEXT)
    other = TEXT if chosen == IMAGE else IMAGE
    notes.append(f"the part of {model_class.__name__} for {chosen}s (modality={other} takes the other)")
    return chosen, True


def _own_words(adapter: Adapter, empty: Any) -> int | None:
    """How many words the embedding has that ``adapter`` brings for the model ``empty``; None if it brings none."""
    if (table := word_embedding(empty)) is None:
        return None
    name = next(name for name, tensor in empty.named_parameters() if tensor is table.weight)
    ends = f".{'.'.join(name.split('.')[-2:])}"
    return next((len(t) for key, t in adapter.replaced.items() if f".{key}".endswith(ends)), None)


def _preprocessing(
    folder: Path, texts: Path, modality: str, empty: Any, stated: Mapping[str, Any], sentences: Sentences | None,
    reading: Reading,
) -> Preprocessing:  # fmt: skip
    """What prepares images, by the files in ``folder``, or texts, by those in ``texts``, for ``empty``."""
    with quiet():
        if modality == IMAGE:
            return image_of(folder, stated)
        config = getattr(empty.config, "text_config", None) or empty.config
        length = min(reading.length, positions(config, empty))
        if sentences is None:
            return text_of(texts, length)
        where = sentences.transformer if texts == folder else texts
        length = min(length, sentences.length or length)
        return text_of(where, length, lower=sentences.lower, prompt=sentences.prompt)


def _load_layers(extractor: FeatureExtractor, sentences: Sentences | None) -> None:
    """The parameters of what follows pooling."""
    for position, file in (sentences.files if sentences else {}).items():
        layer = extractor.behind[position]
        state = {name.removeprefix("norm."): t for name, t in read_state(file).items()}
        load(layer, state, layer.state_dict(), file)
    extractor.eval()


def _fitted(
    state: dict[str, torch.Tensor], empty: Any, reading: Reading, file: Path, notes: list[str], stated: str | None
) -> dict[str, torch.Tensor]:
    """``state`` under the names of the model ``empty``. That a task model's names begin with its base model's
    prefix, or lack it, transformers knows itself.
    """
    own, prefix = set(empty.state_dict()), f"{empty.base_model_prefix}."
    base = {name.removeprefix(prefix) for name in own}
    known = sum(name.removeprefix(prefix) in base for name in state)
    if stated is None and 2 * known >= min(len(base), len(state)):
        return state
    needed = {name for name in own if name.startswith(prefix)} or own
    return fitted(state, needed, reading.weights, file, notes, stated)


def _model_class(folder: Path, config: Mapping[str, Any]) -> Any:
    import transformers  # takes seconds to import

    path = folder / CONFIG
    if "auto_map" in all_keys(config):
        raise ConfigError(f"{path}: is refused: auto_map asks for code of its own, which is never run")
    if config.get("quantization_config"):
        raise ConfigError(f"{path}: is refused: quantized weights cannot be read; use the model in full precision")
    names = config.get("architectures")
    if not isinstance(names, list) or not names or str(names[0]).startswith("Auto"):
        raise ConfigError(f'{path}: names no class of transformers; add e.g. "architectures": ["BertModel"]')
    kind = getattr(transformers, str(names[0]), None)
    whole = isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel) and kind.config_class
    if not whole or str(names[0]).endswith("PreTrainedModel"):
        valid = [name for name in dir(transformers) if name.endswith(("Model", "Classification", "LM"))]
        valid = [n for n in valid if not n.endswith("PreTrainedModel") and not n.startswith("Auto")]
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
