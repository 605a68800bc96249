"""Models of torchvision and timm: files of weights with what is stated or found of them, and folders of timm's."""

import copy
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.data.library_images import TransformedImages, plain
from alsatian.data.preprocessing import CHANNELS, MOST_SIDE, Preprocessing
from alsatian.errors import ConfigError
from alsatian.fingerprint import digest_json
from alsatian.models.reading.architectures import architecture, library_module
from alsatian.models.reading.features.classifiers import Classifier, classifier_in
from alsatian.models.reading.features.extractor import HEADS, FeatureExtractor, feature_extractor
from alsatian.models.reading.inputs.images import stated_image
from alsatian.models.reading.inputs.settings import STATED, Reading, stated_in
from alsatian.models.reading.parameters.checkpoints import read_checkpoint
from alsatian.models.reading.parameters.loading import (
    Loaded,
    check_counts,
    check_size,
    head_of,
    load,
    merge_rest,
    note_unused,
    one_line,
    used,
)  # fmt: skip
from alsatian.models.reading.parameters.lora import Adapter, merge
from alsatian.models.reading.parameters.state_dicts import fitted, renamed
from alsatian.models.reading.torchvision_files import guessed, images_of, published_options, without_values

_FILES = ("torchvision", "timm")


def open_state(
    file: Path, statement: Path | None, architectures: Path, reading: Reading, adapter: Adapter | None = None
) -> Loaded:
    """The model whose parameters are in ``file`` and whose architecture is in the JSON file ``statement``, or is
    told by the parameters where nothing is stated.

    Raises:
        AlsatianError: the architecture cannot be told, a file is refused, or the two do not fit.
    """
    stated = stated_in(statement, architecture=True) if statement else {}
    where = statement or file
    reading = reading.changed(stated, where)
    source, name = stated.get("source", "torchvision"), stated.get("name")
    if source not in _FILES or (name is not None and not isinstance(name, str)):
        raise ConfigError(f"{where}: source={source!r}, name={name!r}: a model of {' or '.join(_FILES)} is needed")
    if name is None and source == "timm":
        raise ConfigError(f'{where}: states no name of a model of timm; add one, e.g. "name": "resnet18"')
    checkpoint = read_checkpoint(file, reading.weights)
    state, notes = {renamed(n): t for n, t in checkpoint.tensors.items()}, list(checkpoint.notes)
    options, prefix = dict(stated.get("options") or {}), stated.get("prefix")
    if name is None:
        name, options, prefix = guessed(state, file, notes)
    if source == "torchvision":
        options = published_options(name, options, notes)
    spec = ArchitectureSpec(source, name, options, stated.get("pooling"))
    preprocessing: Preprocessing
    if "size" in stated:
        preprocessing = stated_image(where, stated)
    elif source == "timm":
        preprocessing = timm_images(spec, None, where, notes)
    else:
        preprocessing = images_of(name, stated.get("transforms"), options, file, notes)
    return _loaded(spec, preprocessing, state, file, where, architectures, reading, notes, prefix, adapter)


def is_timm(config: Mapping[str, Any]) -> bool:
    """Whether ``config.json`` is timm's own, or that of transformers' wrapper around timm."""
    return isinstance(config.get("architecture"), str) and (
        "architectures" not in config or config.get("model_type") == "timm_wrapper"
    )


def open_timm(
    path: Path, config: Mapping[str, Any], weights: Path, architectures: Path, reading: Reading,
    adapter: Adapter | None = None,
) -> Loaded:  # fmt: skip
    """The model of timm that ``config``, from the file ``path``, names, with the parameters in ``weights``.

    Raises:
        AlsatianError: a file is refused or does not fit.
    """
    stated = stated_in(path.parent / STATED) if (path.parent / STATED).exists() else {}
    reading = reading.changed(stated, path.parent / STATED)
    options = config.get("model_args") or {}
    given = config.get("pretrained_cfg")
    if not isinstance(options, Mapping) or not isinstance(given or {}, Mapping):
        raise ConfigError(f"{path}: model_args and pretrained_cfg have to be objects")
    kept = {key: value for key, value in options.items() if key != "num_classes"}  # the head is cut
    spec = ArchitectureSpec("timm", config["architecture"], kept, stated.get("pooling"))
    checkpoint = read_checkpoint(weights, reading.weights)
    notes = list(checkpoint.notes)
    preprocessing: Preprocessing
    if "size" in stated:
        preprocessing = stated_image(path.parent / STATED, stated)
    else:
        preprocessing = timm_images(spec, given, path, notes)
    prefix = "timm_model" if config.get("model_type") == "timm_wrapper" else stated.get("prefix")
    return _loaded(
        spec, preprocessing, checkpoint.tensors, weights, path, architectures, reading, notes, prefix, adapter
    )


def timm_images(
    spec: ArchitectureSpec, given: Mapping[str, Any] | None, path: Path, notes: list[str]
) -> TransformedImages:
    """What timm's own data configuration makes of images: that of ``given``, else of the model's name.

    Raises:
        ConfigError: timm is missing, has no such model, or its images have other than three channels.
    """
    module: Any = without_values(lambda: library_module(spec, {"pretrained_cfg": dict(given)} if given else {}))
    import timm

    with one_line(f"{path}: timm cannot prepare images for {spec.name}"):
        resolve: Any = timm.data.resolve_model_data_config  # type: ignore[attr-defined]
        config = {key: list(v) if isinstance(v, tuple) else v for key, v in resolve(module).items()}
    channels, height, width = config["input_size"]
    if channels != CHANNELS:
        raise ConfigError(f"{path}: {spec.name} takes images of {channels} channels; only {CHANNELS} are given")
    with one_line(f"{path}: timm cannot prepare images for {spec.name}"):
        images = TransformedImages("timm", plain(config), height, width)
        if max(height, width) > MOST_SIDE * config["crop_pct"]:
            raise ConfigError(f"crop_pct={config['crop_pct']} is refused: a side has at most {MOST_SIDE} pixels")
        images(np.zeros((1, 40, 64, CHANNELS), np.uint8))
    if not given:
        how = f"{height}×{width}, {config['interpolation']}, crop {config['crop_pct']:g}"
        notes.append(f"images as timm prepares them for {spec.name} ({how})")
    return images


@dataclass(frozen=True)
class _Pattern:
    """A model without the values of its parameters, of which further ones of its architecture are made.

    To build one draws all parameters, and to choose its pooling runs it; a copy takes a hundredth of that.

    Attributes:
        module: without its head; its parameters are on the meta device, buffers have their values.
        extractor: its features; holds ``module`` or a part of it.
        names: of all its parameters and buffers, those of the head as well.
        classifier: where its head was.
    """

    module: torch.nn.Module
    extractor: FeatureExtractor
    names: frozenset[str]
    classifier: Classifier

    def copied(self, device: str) -> tuple[torch.nn.Module, FeatureExtractor]:
        """A copy of module and extractor in which all parameters are zero, or only shapes on the meta device."""
        new = {
            id(p): torch.nn.Parameter(torch.zeros(p.shape, dtype=p.dtype, device=device), p.requires_grad)
            for p in self.module.parameters()
        }
        return copy.deepcopy((self.module, self.extractor), new)  # in which these stand for the old ones

    def to_load(self) -> tuple[torch.nn.Module, FeatureExtractor]:
        """A copy for :func:`load`: without memory, which that of the file takes the place of, unless parameters are
        tied, since those have to stay so."""
        names = [name for name, _ in self.module.named_parameters(remove_duplicate=False)]
        return self.copied("meta" if len(names) == len(list(self.module.parameters())) else "cpu")


_patterns: dict[str, _Pattern] = {}


def _pattern(spec: ArchitectureSpec, preprocessing: Preprocessing) -> _Pattern:
    """That of ``spec``, which is built and run once."""
    with torch.random.fork_rng(devices=[]):
        module = library_module(spec).eval()
    names, classifier = frozenset(module.state_dict()), classifier_in(module)
    extractor = feature_extractor(module, preprocessing.example(), spec.pooling)
    return _Pattern(*_Pattern(module, extractor, names, classifier).copied("meta"), names, classifier)


def _loaded(
    spec: ArchitectureSpec, preprocessing: Preprocessing, state: dict[str, torch.Tensor], file: Path, where: Path,
    architectures: Path, reading: Reading, notes: list[str], prefix: str | None, adapter: Adapter | None,
) -> Loaded:  # fmt: skip
    check_counts(spec.options, len(state), where)
    key = digest_json([asdict(spec), preprocessing.fingerprint])
    with one_line(f"{where}: {spec.source} cannot build {spec.name}"):
        if key not in _patterns:
            check_size(without_values(lambda: library_module(spec)), state, where)
            _patterns[key] = _pattern(spec, preprocessing)
        check_size(_patterns[key].module, state, where)
        module, extractor = _patterns[key].to_load()
        names = {id(t): n for n, t in (*module.named_parameters(), *module.named_buffers())}
    with one_line(f"{file}: cannot be split"):
        built = architecture(
            spec, preprocessing, folder=architectures, extractor=lambda: _patterns[key].copied("cpu")[1]
        )
    needed = {names[id(t)]: t for t in used(extractor, built).values() if id(t) in names}
    state = fitted(state, needed, reading.weights, file, notes, prefix)
    rest = merge(adapter, state) if adapter else None
    unused = set(load(module, state, needed, file)) - _patterns[key].names
    note_unused((name for name in unused if name.partition(".")[0] not in HEADS), notes)
    if rest:
        merge_rest(rest, dict(module.named_parameters()), needed)
    head = head_of(_patterns[key].classifier, state, rest, extractor, built)
    return Loaded(extractor, built, spec, preprocessing, tuple(notes), head=head)
