"""Architectures by name, and their segments, each exported once a process."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from alsatian.blocks import serialization
from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.segment import Architecture
from alsatian.blocks.split import SPLIT_VERSION, split
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, first_line, nearest
from alsatian.fingerprint import digest_json
from alsatian.models.reading.features.extractor import FeatureExtractor, feature_extractor
from alsatian.models.reading.features.pooling import HEAD_INPUT
from alsatian.store.store_folder import writing

SOURCES = ("torchvision", "transformers", "timm")
# Options of transformers with which it would fetch code or weights and run what it got.
REFUSED_OPTIONS = frozenset(
    {
        "auto_map", "attn_implementation", "_attn_implementation", "use_kernels", "experts_implementation",
        "_experts_implementation", "fusion_config", "distributed_config", "quantization_config",
    }
)  # fmt: skip

REFUSED_OF_TIMM = ("pretrained", "checkpoint_path", "cache_dir", "pretrained_cfg_overlay")
"""Options of ``create_model`` with which timm would read weights on its own."""

_library: dict[str, Architecture] = {}


def build(spec: ArchitectureSpec, preprocessing: Preprocessing) -> FeatureExtractor:
    """The feature extractor of ``spec`` with random parameters, for inputs of ``preprocessing``.

    Raises:
        ConfigError: see :func:`library_module`.
    """
    return feature_extractor(library_module(spec).eval(), preprocessing.example(), spec.pooling, spec.layers)


def library_module(spec: ArchitectureSpec, more: Mapping[str, Any] | None = None) -> torch.nn.Module:
    """The model of ``spec`` with its head and random parameters.

    ``spec.source`` names the library, ``spec.name`` the model there: for torchvision one of its builders
    or ``"VisionTransformer"`` for one of any size, with the builder's arguments as options; for
    transformers a model class, with its configuration as options; for timm a name, with the arguments of its
    ``create_model``. ``more`` are arguments that do not decide the architecture.

    Raises:
        ConfigError: there is no such source, model or option.
    """
    builders = {"torchvision": _torchvision, "transformers": _transformers, "timm": _timm}
    if spec.source not in builders:
        raise ConfigError(f"architecture source '{spec.source}' is unknown; {nearest(spec.source, SOURCES)}")
    return builders[spec.source](replace(spec, options={**spec.options, **(more or {})}))


def _torchvision(spec: ArchitectureSpec) -> torch.nn.Module:
    from torchvision import models  # takes seconds to import

    valid = [*models.list_models(module=models), "VisionTransformer"]
    if spec.name not in valid:
        raise ConfigError(f"torchvision has no model '{spec.name}'; {nearest(spec.name, valid)}")
    for option in ("weights", "weights_backbone", "pretrained"):
        if spec.options.get(option):
            raise ConfigError(f"torchvision's {spec.name}: the option {option} is refused: it would fetch them")
    builder: Any = getattr(models, spec.name)
    try:
        module: torch.nn.Module = builder(**spec.options)
    except (TypeError, ValueError, AssertionError) as error:
        raise ConfigError(f"torchvision's {spec.name} does not take {dict(spec.options)}: {error}") from None
    return module


def _timm(spec: ArchitectureSpec) -> torch.nn.Module:
    try:
        import timm  # takes seconds to import
    except ImportError:
        raise ConfigError(
            f"{spec.name} is a model of timm, which is not installed; pip install 'alsatian[timm]'"
        ) from None
    if not timm.is_model(spec.name):
        names = timm.list_models()
        raise ConfigError(f"timm has no model '{spec.name}'; {nearest(spec.name, names)}")
    for option in REFUSED_OF_TIMM:
        if spec.options.get(option):
            raise ConfigError(f"timm's {spec.name}: the option {option} is refused: it would fetch or read weights")
    try:
        module: torch.nn.Module = timm.create_model(spec.name, pretrained=False, **spec.options)
    except Exception as error:  # models raise many types
        raise ConfigError(f"timm's {spec.name} does not take {dict(spec.options)}: {first_line(error)}") from None
    return module


def _transformers(spec: ArchitectureSpec) -> torch.nn.Module:
    if refused := sorted(all_keys(spec.options) & REFUSED_OPTIONS):
        raise ConfigError(f"transformers' {spec.name}: the option {refused[0]} is refused: it may fetch code")
    return transformers_model(spec.name, spec.options)


def image_classifier(model_class: Any) -> tuple[Any, str | None]:
    """Transformers' classifier of images of the kind that ``model_class`` is the base or the classifier of, and the
    pooling that gives its head's input. Any other class comes back as it is, with None.

    How tokens or feature maps become the vector that a head is given differs from kind to kind (class token, mean
    with or without a norm, both side by side); so the library's own code does it.
    """
    import transformers  # takes seconds to import
    from transformers.models.auto import modeling_auto as auto

    kind = str(getattr(model_class.config_class, "model_type", None))
    classifiers = auto.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES.get(kind, ())
    first = classifiers if isinstance(classifiers, str) else next(iter(classifiers), None)
    if first is None or model_class.__name__ not in (first, auto.MODEL_MAPPING_NAMES.get(kind)):
        return model_class, None
    found: Any = getattr(transformers, first)
    taken = signature(found.forward).parameters
    if "pixel_values" not in taken or model_class.main_input_name != "pixel_values":
        return model_class, None  # of two towers, or of patches
    return found, HEAD_INPUT


def transformers_model(name: str, options: Mapping[str, Any]) -> torch.nn.Module:
    """A model of transformers' class ``name`` with the configuration ``options`` and random parameters.

    Raises:
        ConfigError: there is no such class, or it does not take the options.
    """
    import transformers  # takes seconds to import

    model_class: Any = getattr(transformers, name, None)
    if getattr(model_class, "config_class", None) is None:
        raise ConfigError(f"transformers has no model class '{name}'")
    try:
        config = configuration(model_class, options)
        config.use_cache = False
        module: torch.nn.Module = model_class(config)
    except Exception as error:  # configurations raise many types; the first line says why
        what = f"transformers' {name} does not take {dict(options)}"
        raise ConfigError(f"{what}: {first_line(error)}") from None
    return module


def configuration(model_class: Any, options: Mapping[str, Any]) -> Any:
    """The configuration of ``model_class`` with ``options``, as they stand in a file."""
    return model_class.config_class.from_dict(_with_special_numbers(options))


def _with_special_numbers(value: Any) -> Any:
    """``value`` with the numbers that JSON lacks, which transformers writes as ``{"__float__": "Infinity"}``."""
    if isinstance(value, Mapping):
        name = value.get("__float__")
        if len(value) == 1 and name in ("Infinity", "-Infinity", "NaN"):
            return float(name)
        return {key: _with_special_numbers(item) for key, item in value.items()}
    return [_with_special_numbers(item) for item in value] if isinstance(value, list) else value


def all_keys(value: Any) -> set[str]:
    """The keys of ``value`` at every level."""
    if isinstance(value, Mapping):
        return {str(key) for key in value}.union(*(all_keys(item) for item in value.values()))
    return set().union(*(all_keys(item) for item in value)) if isinstance(value, list | tuple) else set()


def architecture(
    spec: ArchitectureSpec,
    preprocessing: Preprocessing,
    device: torch.device | str = "cpu",
    folder: Path | None = None,
    extractor: Callable[[], FeatureExtractor] | None = None,
) -> Architecture:
    """The segments of ``spec`` for inputs of ``preprocessing``.

    They are exported on first use and kept in this process and, if given, in ``folder``, by everything
    that decides how they look: of the preprocessing, the shapes and types of what it gives. An ``extractor`` of
    ``spec`` that can be had at once, whatever its parameters are, saves building one.
    """
    key = digest_json(
        [
            spec.source,
            spec.name,
            dict(spec.options),
            spec.pooling,
            *map(dict, spec.layers),
            [[str(tensor.dtype), *tensor.shape] for tensor in preprocessing.example()],
            str(device),
            code_version(),
            _library_version(spec.source),
        ]
    )
    if key not in _library:
        built = serialization.read(folder / key) if folder else None
        if built is None:
            # The parameters drawn here are thrown away; the caller's random state is left alone.
            with torch.random.fork_rng(devices=[]):
                module = build(spec, preprocessing) if extractor is None else extractor()
                built = split(module, preprocessing.example(), device)
            if folder:
                with writing(folder.parent, "an architecture"):
                    serialization.write(folder / key, built)
        _library[key] = built
    return _library[key]


def _library_version(source: str) -> str:
    """The version of the library that defines an architecture: another one may write the same model otherwise."""
    try:
        return version(source)
    except PackageNotFoundError:
        return ""


def code_version() -> str:
    """The version that decides how graphs look, and so identities."""
    return f"torch {torch.__version__}, split {SPLIT_VERSION}"
