"""Parameters from files into the modules that need them; what is missing or misfit is named."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from alsatian.blocks.candidate import ArchitectureSpec
from alsatian.blocks.segment import Architecture, module_tensors
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError, StoreError, first_line
from alsatian.models.reading.features.classifiers import Classifier, LinearHead
from alsatian.models.reading.features.extractor import FeatureExtractor
from alsatian.models.reading.parameters.lora import Adapter, merge

# A model whose tensors need so many times the bytes of its file, and so many bytes at least, is refused unbuilt.
_TIMES, _BYTES = 8, 2**30
# Layers that no model has without as many tensors.
_LAYERS = 4096
# Of names in notes.
_SHOWN, _LETTERS = 3, 80
_COUNTS = ("layer", "depth", "block", "stage", "repeat")


@dataclass(frozen=True)
class Loaded:
    """A model read from files.

    Attributes:
        module: its feature extractor, float32, on the CPU, in evaluation mode.
        built: its segments.
        spec: how to build it again.
        preprocessing: what its input needs.
        notes: what was taken of several possibilities, and what was assumed, for people.
        towers: whether the model has one part for images and one for texts, of which one was read.
        head: the classifier that it was saved with, or why there is none that is linear on the features.
    """

    module: FeatureExtractor
    built: Architecture
    spec: ArchitectureSpec
    preprocessing: Preprocessing
    notes: tuple[str, ...] = ()
    towers: bool = False
    head: LinearHead | str = "none was looked for"


def used(extractor: FeatureExtractor, built: Architecture) -> dict[str, torch.Tensor]:
    """The parameters and buffers that the segments read, by name, without constants of the graph."""
    tensors = module_tensors(extractor)
    saved = set(extractor.state_dict(keep_vars=True))
    names = {name for segment in built.segments for name in segment.parameter_names}
    return {name: tensors[name] for name in tensors if name in names and name in saved}


def load(
    module: nn.Module, state: Mapping[str, torch.Tensor], needed: Mapping[str, torch.Tensor], file: Path
) -> list[str]:
    """Load ``state`` into ``module``, which knows how older releases of its library named parameters; return the
    names that are none of its own.

    ``needed`` are its tensors that must be there, by name; others that do not fit are left as they are. Parameters
    of ``module`` on the meta device become those of ``state`` themselves, without a copy, or zero if they are not
    there.

    Raises:
        ConfigError: one of ``needed`` is missing or has another shape.
    """
    own = module.state_dict()
    fitting = {name: t for name, t in state.items() if name not in own or own[name].shape == t.shape}
    for name in sorted(state.keys() - fitting.keys()):
        if name in needed:
            raise ConfigError(mismatched(file, name, state[name].shape, own[name].shape))
    if empty := any(parameter.is_meta for parameter in module.parameters()):
        # As a copy would have them: in the module's type, and no two in one memory.
        fitting = {name: t.to(own[name].dtype).contiguous() if name in own else t for name, t in fitting.items()}
        places = {t.data_ptr(): name for name, t in fitting.items()}
        fitting = {name: t if places[t.data_ptr()] == name else t.clone() for name, t in fitting.items()}
    found = module.load_state_dict(fitting, strict=False, assign=empty)
    for part in module.modules() if empty else ():
        for name, parameter in part.named_parameters(recurse=False):
            if parameter.is_meta:
                zeros = torch.zeros(parameter.shape, dtype=parameter.dtype)
                setattr(part, name, nn.Parameter(zeros, parameter.requires_grad))
    for name in needed:
        if name in found.missing_keys:
            raise ConfigError(missing(file, name, needed[name].shape))
    return list(found.unexpected_keys)


def head_of(
    classifier: Classifier, state: Mapping[str, torch.Tensor], rest: Adapter | None, extractor: FeatureExtractor,
    built: Architecture,
) -> LinearHead | str:  # fmt: skip
    """The values of ``classifier`` from the parameters ``state`` of the model's files, or from what an adapter
    brings that has no place there; or why there are none."""
    dimension = built.segments[-1].output_bytes // torch.float32.itemsize
    pooling = extractor.pooling if not len(extractor.behind) else "followed by layers"
    return classifier.values({**state, **(rest.replaced if rest else {})}, pooling, dimension)


def note_unused(names: Iterable[str], notes: list[str]) -> None:
    """Add to ``notes`` that the parameters ``names`` of a file are no part of its model, if there are any."""
    if rest := sorted(names):
        shown = [repr(name[:_LETTERS]) for name in rest[:_SHOWN]] + ["…"] * (len(rest) > _SHOWN)
        notes.append(f"left out what the model has no parameters for ({len(rest)}): {', '.join(shown)}")


def merge_rest(rest: Adapter, tensors: Mapping[str, torch.Tensor], needed: Mapping[str, torch.Tensor]) -> None:
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
            elif name in needed:  # else it is a head for other classes
                raise ConfigError(mismatched(rest.file, name, state[name].shape, tensor.shape))


def check_counts(options: Any, tensors: int, path: Path) -> None:
    """See that ``options`` of ``path`` ask for no more layers than a file of so many ``tensors`` can have.

    Raises:
        ConfigError: they do; building the model would take for ever.
    """
    for key, value in _numbers(options):
        if value > max(_LAYERS, tensors) and any(word in key for word in _COUNTS):
            raise ConfigError(f"{path}: {key}={value} is refused: the weights beside it hold {tensors} tensors")


def check_size(model: nn.Module, state: Mapping[str, torch.Tensor], path: Path) -> None:
    """See that ``model``, on the meta device, is not far larger than the weights for it.

    Raises:
        ConfigError: it is; building it could fill the memory.
    """
    wanted = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))
    given = sum(t.nbytes for t in state.values())
    if wanted > max(_BYTES, _TIMES * given):
        raise ConfigError(f"{path}: is refused: it needs {wanted} bytes of weights; those beside it have {given}")


def _numbers(value: Any, key: str = "") -> Iterator[tuple[str, int]]:
    """All whole numbers in ``value`` with the key that they stand below."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _numbers(item, str(name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _numbers(item, key)
    elif type(value) is int:
        yield key, value


def missing(file: Path, name: str, expected: torch.Size) -> str:
    """The error about a parameter that ``file`` lacks."""
    return f"{file}: has no parameter '{name}'; the architecture needs it in shape {list(expected)}"


def mismatched(file: Path, name: str, actual: torch.Size, expected: torch.Size) -> str:
    """The error about a parameter of another shape."""
    return f"{file}: '{name}' has shape {list(actual)}; the architecture needs {list(expected)}"


@contextmanager
def one_line(what: str) -> Iterator[None]:
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
