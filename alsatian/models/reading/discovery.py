"""Which models there are in a folder, before any of them is read."""

import fnmatch
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from alsatian.contents import digests
from alsatian.errors import ConfigError
from alsatian.models.reading import saved_models
from alsatian.models.reading.inputs import sentences, tokenizers
from alsatian.models.reading.inputs.processors import FILES
from alsatian.models.reading.inputs.settings import STATED
from alsatian.models.reading.parameters import lora
from alsatian.models.reading.parameters.checkpoints import INDEX, REFUSED_SUFFIXES, SUFFIXES, shards

# What the Trainer of transformers, Accelerate and others keep beside a model to go on with its training.
_TRAINING = re.compile(
    r"(optimizer|scheduler|scaler|training_args|random_states?|rng_state|trainer_state|sampler)[\w.-]*"
    r"\.(pt|pth|bin|pkl|safetensors)"
)


@dataclass(frozen=True)
class ModelFiles:
    """A model in a folder, not read yet.

    Attributes:
        id: its path below the folder it was found in.
        kind: ``"saved"`` (``save_pretrained``), ``"weights"`` (a file) or ``"adapter"`` (LoRA).
        path: its folder, or its file.
        statement: the JSON file that states the architecture of a file of weights, if there is one.
    """

    id: str
    kind: str
    path: Path
    statement: Path | None = None

    def files(self) -> list[Path]:
        """All files that decide what the model is."""
        if self.kind == "adapter":
            words = (self.path / name for name in tokenizers.FILES)
            return [self.path / lora.CONFIG, lora.weights_file(self.path), *(p for p in words if p.exists())]
        if self.kind == "weights":
            return [self.path, *([self.statement] if self.statement else [])]
        own = sentences.sentences_in(self.path)
        folder = own.transformer if own else self.path
        weights = saved_models.weights_file(folder)
        parts = shards(weights) if weights and weights.name.endswith(INDEX) else []
        names = (saved_models.CONFIG, *FILES, *tokenizers.FILES)
        more = [self.path / STATED, *sentences.files_of(self.path, own)]
        return [p for p in (*(folder / n for n in names), weights, *parts, *more) if p is not None and p.exists()]

    def stamp(self) -> list[list[str]]:
        """Names of its files, and digests of what they hold.

        Raises:
            ConfigError: a file cannot be read.
        """
        files = self.files()
        return [[file.name, digest] for file, digest in zip(files, digests(files), strict=True)]


@dataclass
class Found:
    """What there is in a folder.

    Attributes:
        models: by id.
        refused: one line for each thing that is no usable model, by its path below the folder.
        left_out: one line for each thing that is passed over, and how to include it, likewise.
    """

    models: dict[str, ModelFiles] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def find(root: Path, include: Sequence[str] = ()) -> Found:
    """The models at or below ``root``. Links to folders are followed, each folder once.

    What lies below a folder that is a model belongs to it, such as the checkpoints of its training, and is
    left out but for ids that ``include`` names; ``*`` stands for anything.

    Raises:
        ConfigError: there is nothing at ``root``.
    """
    found = Found()
    if root.is_file():
        if root.suffix not in SUFFIXES:
            raise ConfigError(f"{root}: is refused: weights are read from {', '.join(SUFFIXES)} only")
        found.models[root.stem] = ModelFiles(root.stem, "weights", root, _statement(root, root.parent))
        return found
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder or file")
    _walk(root, root, include, found, {}, None)
    return found


def _walk(
    folder: Path, root: Path, include: Sequence[str], found: Found, seen: dict[Path, Path], owner: str | None
) -> None:
    """Enter what is in ``folder`` into ``found``; ``owner`` is the model that the folder lies in."""
    place, real = folder.relative_to(root).as_posix(), folder.resolve()
    if real in seen:
        found.left_out[place] = f"{folder}: left out, it is a link to {seen[real]}, which is read"
        return
    seen[real] = folder
    if is_store(folder):
        found.left_out[place] = f"{folder}: left out, it is a store; store:ID names a model of it"
        return
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        found.refused[place] = f"{folder}: cannot be read ({error.strerror})"
        return
    folders = [folder / name for name in names if (folder / name).is_dir()]
    files = [name for name in names if not (folder / name).is_dir()]
    here = _models_in(folder, files, root, found)
    whole = here[0].id if here and here[0].path == folder else None
    for model in here:
        own = model.path.relative_to(root).as_posix() if folder != root or model.path != root else model.id
        if owner is not None and not any(fnmatch.fnmatchcase(model.id, pattern) for pattern in include):
            found.left_out[own] = (
                f"{model.path}: left out, it lies in the model '{owner}'; include=[{model.id}] takes it"
            )
        elif model.id in found.models:
            other = found.models[model.id].path.name
            found.refused[own] = f"{model.path}: has the id '{model.id}', as has {other}; rename one of them"
        else:
            found.models[model.id] = model
    if sentences.MODULES in files:
        folders = [path for path in folders if not sentences.PART.fullmatch(path.name)]
    # What a link leads to is read at its own place, if it has one here.
    for below in sorted(folders, key=lambda path: (path.is_symlink(), path.name)):
        _walk(below, root, include, found, seen, whole or owner)


def is_store(folder: Path) -> bool:
    """Whether ``folder`` is a store, whose blocks are files of weights but no models."""
    return (folder / "blocks").is_dir() and any((folder / "models").glob("*.json"))


def _models_in(folder: Path, files: Sequence[str], root: Path, found: Found) -> list[ModelFiles]:
    """What ``folder`` is, or the files of weights that it holds."""
    own = folder.relative_to(root).as_posix() if folder != root else root.resolve().name
    training = [name for name in files if _TRAINING.fullmatch(name)]
    if training:
        place = (folder / training[0]).relative_to(root).as_posix()
        found.left_out[place] = f"{folder}: left out {', '.join(training)}: states of a training, no models"
    if lora.CONFIG in files or saved_models.CONFIG in files or sentences.MODULES in files:
        kind = "adapter" if lora.CONFIG in files else "saved"
        model = ModelFiles(own, kind, folder)
        taken = {path.name for path in _existing(model)} | set(lora.WEIGHTS if kind == "adapter" else ())
        for name in files:
            if (folder / name).suffix in (*SUFFIXES, *REFUSED_SUFFIXES) and name not in {*taken, *training}:
                place = (folder / name).relative_to(root).as_posix()
                found.left_out[place] = (
                    f"{folder / name}: left out, the model '{own}' is read from "
                    f"{', '.join(sorted(n for n in taken if Path(n).suffix in SUFFIXES)) or 'its adapter'}; "
                    "to include it, move it to a folder of its own"
                )
        return [model]
    here = []
    for name in files:
        path = folder / name
        place = path.relative_to(root).as_posix()
        if name in training:
            continue
        if path.suffix in SUFFIXES and not path.is_file():
            found.refused[place] = f"{path}: is no file: a link to nothing, or a pipe"
        elif path.suffix in SUFFIXES:
            model_id = path.relative_to(root).with_suffix("").as_posix()
            here.append(ModelFiles(model_id, "weights", path, _statement(path, root)))
        elif path.suffix in REFUSED_SUFFIXES:
            found.refused[place] = f"{path}: is refused: weights are read from {', '.join(SUFFIXES)} only"
    return here


def _existing(model: ModelFiles) -> list[Path]:
    """The files of ``model``, or none if it cannot be read, which reading it will say."""
    try:
        return model.files()
    except ConfigError:
        return []


def _statement(path: Path, root: Path) -> Path | None:
    """The JSON file that states the architecture of ``path``: its own, or the nearest one for a folder."""
    own = path.with_suffix(".json")
    if own.exists():
        return own
    for folder in path.parents:
        if (folder / STATED).exists():
            return folder / STATED
        if folder == root:
            break
    return None
