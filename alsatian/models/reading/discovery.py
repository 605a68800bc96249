"""Which models there are in a folder, before any of them is read."""

import os
from dataclasses import dataclass
from pathlib import Path

from alsatian.contents import digests
from alsatian.errors import ConfigError
from alsatian.models.reading import lora, saved_models
from alsatian.models.reading.checkpoints import INDEX, REFUSED_SUFFIXES, SUFFIXES, shards
from alsatian.models.reading.inputs import STATED, TOKENIZER
from alsatian.models.reading.processors import FILES


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
            return [self.path / lora.CONFIG, lora.weights_file(self.path)]
        if self.kind == "weights":
            return [self.path, *([self.statement] if self.statement else [])]
        weights = saved_models.weights_file(self.path)
        parts = shards(weights) if weights and weights.name.endswith(INDEX) else []
        names = (saved_models.CONFIG, *FILES, TOKENIZER, STATED)
        return [p for p in (*(self.path / n for n in names), weights, *parts) if p is not None and p.exists()]

    def stamp(self) -> list[list[str]]:
        """Names of its files, and digests of what they hold.

        Raises:
            ConfigError: a file cannot be read.
        """
        files = self.files()
        return [[file.name, digest] for file, digest in zip(files, digests(files), strict=True)]


def find(root: Path, refused: dict[str, str]) -> list[ModelFiles]:
    """The models at or below ``root``, by id; one line for each that is none goes to ``refused``,
    by its path below ``root``.

    A folder that is a model is not searched further: what lies below belongs to it.

    Raises:
        ConfigError: there is nothing at ``root``.
    """
    if root.is_file():
        if root.suffix not in SUFFIXES:
            raise ConfigError(f"{root}: is refused: weights are read from {', '.join(SUFFIXES)} only")
        return [ModelFiles(root.stem, "weights", root, _statement(root, root.parent))]
    if not root.is_dir():
        raise ConfigError(f"{root}: there is no such folder or file")
    models: dict[str, ModelFiles] = {}
    for name, folders, files in os.walk(root):
        folder = Path(name)
        here = _models_in(folder, set(files), root, refused)
        whole = bool(here) and here[0].path == folder
        folders[:] = [] if whole else sorted(f for f in folders if not f.startswith("."))
        for model in here:
            if model.id in models:
                other = models[model.id].path.name
                place = model.path.relative_to(root).as_posix()
                refused[place] = f"{model.path}: has the id '{model.id}', as has {other}; rename one of them"
            models.setdefault(model.id, model)
    return [models[key] for key in sorted(models)]


def _models_in(folder: Path, files: set[str], root: Path, refused: dict[str, str]) -> list[ModelFiles]:
    """What ``folder`` is, or the files of weights that it holds."""
    own = folder.relative_to(root).as_posix() if folder != root else root.resolve().name
    if lora.CONFIG in files:
        return [ModelFiles(own, "adapter", folder)]
    if saved_models.CONFIG in files:
        return [ModelFiles(own, "saved", folder)]
    here = []
    for name in sorted(files):
        path = folder / name
        place = path.relative_to(root).as_posix()
        if name.startswith("."):
            continue
        if path.suffix in SUFFIXES and not path.is_file():
            refused[place] = f"{path}: is no file: a link to nothing, or a pipe"
        elif path.suffix in SUFFIXES:
            model_id = path.relative_to(root).with_suffix("").as_posix()
            here.append(ModelFiles(model_id, "weights", path, _statement(path, root)))
        elif path.suffix in REFUSED_SUFFIXES:
            refused[place] = f"{path}: is refused: weights are read from {', '.join(SUFFIXES)} only"
    return here


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
