"""What people write for models: paths, lists, and names of models of a store, the Hub, timm and torchvision."""

import fnmatch
import glob
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from alsatian.errors import ConfigError, first_line, nearest
from alsatian.models.reading.discovery import is_store
from alsatian.models.reading.parameters.checkpoints import REFUSED_SUFFIXES, SUFFIXES

PATH, STORE, HUB = "path", "store", "hub"
LISTS = (".txt", ".list")
"""How the names of lists of words end."""
FORMS = (
    "a folder, a file of weights, a list (.txt), store:ID, hub:OWNER/NAME, hub:OWNER/NAME+20 (with its 20 most "
    "downloaded fine-tunes), timm:NAME or torchvision:NAME"
)
_SCHEMES = ("store", "hub", "timm", "torchvision")
_HUB = re.compile(r"(?P<id>[\w.-]+(/[\w.-]+)?)(\+(?P<count>\d+)|@(?P<revision>[\w./-]+))?")


@dataclass(frozen=True)
class Word:
    """One model, or several.

    Attributes:
        text: as it was given; in a list, with the folder of the list before a relative path.
        kind: ``"path"``, ``"store"`` or ``"hub"``.
        value: a path, the id of a model in the store, or the id of a repository.
        revision: of a repository; None for the newest.
        fine_tunes: how many fine-tunes of a repository, the most downloaded first.
    """

    text: str
    kind: str
    value: str
    revision: str | None = None
    fine_tunes: int = 0


def words_of(models: Sequence[str | Path], stored: Collection[str]) -> list[Word]:
    """What ``models`` say, in their order; ``stored`` are the ids of models in the store.

    ==========================  ============================================================================
    ``runs/a``, ``a.pt``        a folder (a model, or everything below it), a file of weights; ``*`` in a path
                                stands for anything
    ``models.txt``              a list with one word a line; ``#`` begins a comment, relative paths begin at the
                                list's folder
    ``store:ID`` or ``ID``      a model of the store, ``*`` stands for anything; without ``store:`` a path of
                                that name goes first
    ``hub:OWNER/NAME``          a model of the Hugging Face Hub; ``@REVISION`` behind it is a branch or commit
    ``hub:OWNER/NAME+20``       a model and its 20 most downloaded fine-tunes
    ``timm:NAME``               timm's model with its published weights, which lie on the Hub
    ``torchvision:NAME``        torchvision's model with those of its weights that are in PyTorch's local cache
    ==========================  ============================================================================

    Raises:
        ConfigError: a word is none of these, or names something that is not there.
    """
    return [word for given in models for word in _words(str(given), Path(), stored, ())]


def _words(text: str, folder: Path, stored: Collection[str], lists: tuple[Path, ...]) -> Iterator[Word]:
    """The meanings of one word; a relative path begins at ``folder``, and ``lists`` are being read."""
    scheme, colon, name = text.partition(":")
    path = folder / Path(text).expanduser()
    if colon and scheme in _SCHEMES:
        yield from _named(text, scheme, name, stored)
    elif path.is_dir():
        if is_store(path):
            raise ConfigError(f"{text}: is a store; give it as the store, and store:* for all of its models")
        yield Word(str(path), PATH, str(path))
    elif path.exists() or path.is_symlink():
        yield from _file(path, stored, lists)
    elif set(text) & set("*?[") and (found := sorted(glob.glob(str(path), recursive=True))):
        for one in found:
            yield from _words(one, Path(), stored, lists)
    elif text in stored:
        yield Word(text, STORE, text)
    else:
        raise ConfigError(_unknown(text, path, stored))


def _file(path: Path, stored: Collection[str], lists: tuple[Path, ...]) -> Iterator[Word]:
    if path.suffix not in LISTS:
        if path.suffix not in (*SUFFIXES, *REFUSED_SUFFIXES):
            raise ConfigError(
                f"{path}: is neither a file of weights ({', '.join(SUFFIXES)}) nor a list of models "
                f"({', '.join(LISTS)}); of a model in a folder, give the folder"
            )
        yield Word(str(path), PATH, str(path))
        return
    if (place := path.resolve()) in lists:
        raise ConfigError(f"{path}: is a list that contains itself")
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as a list of models ({first_line(error)})") from None
    for number, line in enumerate(lines, start=1):
        if word := re.sub(r"(^|\s)#.*", "", line).strip():
            try:
                yield from _words(word, path.parent, stored, (*lists, place))
            except ConfigError as error:
                raise ConfigError(f"{path}, line {number}: {error}") from None


def _named(text: str, scheme: str, name: str, stored: Collection[str]) -> Iterator[Word]:
    """What a word with a scheme stands for."""
    if scheme == "store":
        ids = [name] if name in stored else sorted(fnmatch.filter(stored, name))
        if not ids:
            raise ConfigError(f"{text}: the store has no such model; {nearest(name, stored)}")
        for model_id in ids:
            yield Word(f"store:{model_id}", STORE, model_id)
    elif scheme == "timm":
        yield Word(text, HUB, _repository_of_timm(text, name))
    elif scheme == "torchvision":
        yield Word(text, PATH, str(_file_of_torchvision(text, name)))
    else:
        match = _HUB.fullmatch(name)
        if match is None:
            raise ConfigError(
                f"{text}: is no model of the Hugging Face Hub; write hub:OWNER/NAME, hub:OWNER/NAME@REVISION, or "
                "hub:OWNER/NAME+20 for it and its 20 most downloaded fine-tunes"
            )
        yield Word(text, HUB, match["id"], match["revision"], int(match["count"] or 0))


def _repository_of_timm(text: str, name: str) -> str:
    """Where on the Hub timm keeps the weights of its model ``name``."""
    try:
        import timm  # takes seconds to import
        from timm.models import get_pretrained_cfg
    except ImportError:
        raise ConfigError(f"{text}: timm is not installed; pip install 'alsatian[timm]'") from None
    try:
        config = get_pretrained_cfg(name, allow_unregistered=False)
    except RuntimeError:
        names = [*timm.list_models(pretrained=True), *timm.list_models()]
        raise ConfigError(f"{text}: timm has no model '{name}'; {nearest(name, names)}") from None
    place = str((config and config.hf_hub_id) or "")
    if not place.startswith("timm/"):
        raise ConfigError(f"{text}: timm has no weights of its own for it on the Hugging Face Hub")
    return place


def _file_of_torchvision(text: str, name: str) -> Path:
    """Weights of torchvision's model ``name`` in PyTorch's local cache, its default ones first."""
    import torch
    from torchvision import models  # takes seconds to import

    try:
        weights = models.get_model_weights(name)
    except ValueError:
        names = models.list_models(module=models)
        raise ConfigError(f"{text}: torchvision has no model '{name}'; {nearest(name, names)}") from None
    cache = Path(torch.hub.get_dir()) / "checkpoints"
    files = [cache / Path(one.url).name for one in (weights.DEFAULT, *weights)]
    if (found := next((file for file in files if file.is_file()), None)) is None:
        raise ConfigError(
            f"{text}: {cache} holds none of its weights; torchvision.models.get_model('{name}', "
            "weights='DEFAULT') downloads them there"
        )
    return found


def _unknown(text: str, path: Path, stored: Collection[str]) -> str:
    """The error about a word that names nothing."""
    scheme, colon, _ = text.partition(":")
    if colon and (close := get_close_matches(scheme, _SCHEMES, n=1)):
        return f"{text}: there is no such kind of model; did you mean '{close[0]}:'?"
    below = Path(text).parent
    try:
        names = [str(below / name) for name in os.listdir(path.parent)]
    except OSError:
        names = []
    if close := get_close_matches(text, [*names, *stored], n=1, cutoff=0.5):
        return f"{text}: there is no such path, and no such model in the store; did you mean '{close[0]}'?"
    return f"{text}: there is no such path, and no such model in the store; a model is {FORMS}"
