"""A model set from a folder of checkpoints: found, read, split into blocks, and kept in the store.

A model is a folder of ``save_pretrained``, one with an adapter, or a file of weights; its id is its path below the
folder, without suffix.
"""

import fnmatch
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from alsatian.errors import ConfigError
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import ModelSet
from alsatian.models.reading import saved_models
from alsatian.models.reading.discovery import ModelFiles, find
from alsatian.models.reading.inputs.settings import DEFAULT_LENGTH, Reading
from alsatian.models.reading.parameters.checkpoints import SUFFIXES
from alsatian.models.reading.parameters.state_dicts import EMA
from alsatian.models.sets.ingest import add_models
from alsatian.progress import Progress, unheard
from alsatian.store.store import BlockStore

ADVICE = "on_bad_model=exclude leaves out what cannot be used"
Refused = Callable[[str, str], None]


@dataclass(frozen=True, kw_only=True)
class FolderSet:
    """The models of a folder.

    Attributes:
        path: the folder, or one model.
        name: for people; part of the set's name in the store.
        length, weights, modality, pooling: see :class:`alsatian.models.reading.inputs.settings.Reading`.
        exclude: ids of models to leave out; ``*`` stands for anything.
        include: ids of models to take although they lie in another model's folder, such as ``*/checkpoint-*``.
        on_bad_model: ``"raise"``, or ``"exclude"`` to go on past models that cannot be used.
    """

    path: str | Path | None
    name: str = "folder"
    length: int = DEFAULT_LENGTH
    weights: str = EMA
    modality: str | None = None
    pooling: str | None = None
    exclude: Sequence[str] = ()
    include: Sequence[str] = ()
    on_bad_model: str = "raise"

    def __post_init__(self) -> None:
        if not self.path:
            raise ConfigError("model_set.path: there is no default; write the folder, e.g. model_set.path=models")
        assert self.reading

    @property
    def reading(self) -> Reading:
        """How its models are read where there is a choice."""
        return Reading.of(self)

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set from ``store``, for searches on ``device``; new and changed models are added first.

        Raises:
            ConfigError: a model cannot be used; says which and why, one line for each. Where they are to be
                excluded, none can.
        """
        root, bad, left_out = Path(self.path or ""), dict[str, str](), dict[str, str]()
        refused = bad.__setitem__ if self.on_bad_model == "exclude" else None
        added = _add_folder(
            store, root, self.reading, self.exclude, self.include, refused, left_out.__setitem__, ADVICE, progress
        )
        if not added:
            raise ConfigError("\n".join([f"{root}: no model can be used:", *bad.values()]))
        # Two folders of one name are two sets.
        key = f"{self.name}-{digest_json([str(root.resolve()), *self.exclude, *self.include])[:6]}"
        ids = list(added.values())
        if store.known_set(key) != ids:
            store.add_set(key, ids, {**self.reading.plain(), "exclude": list(self.exclude), "left_out": left_out})
        opened = ModelSet.open(store, ids, device)
        # What a model is called does not depend on what else the store holds.
        called = tuple(replace(c, id=m.id) for m, c in zip(added, opened.candidates, strict=True))
        return replace(opened, candidates=called, refused=bad, left_out=tuple(left_out.values()))


def add_path(
    store: BlockStore,
    path: str | Path,
    *,
    reading: Reading | None = None,
    exclude: Sequence[str] = (),
    include: Sequence[str] = (),
    refused: Refused | None = None,
    left_out: Refused | None = None,
    advice: str = "",
    progress: Progress = unheard,
) -> list[str]:
    """Add one model, or every model below a folder, to ``store``; return their ids, sorted.

    A model that is there already is not read again unless its key has changed: names and contents of its files, and
    the settings. Digests of contents are kept beside the store, so a file that has not changed since is not read.

    Args:
        reading: how models are read where there is a choice.
        exclude: ids to leave out; ``*`` stands for anything.
        include: ids to take although they lie in another model's folder.
        refused: called with the id of each model that cannot be used (or the path of what is none) and one line;
            the others are added. Without it they are an error, raised when the others have been added.
        left_out: called with the path below the folder and one line for everything else that is passed over.
        advice: what to do about models that cannot be used, said where others can.

    Raises:
        ConfigError: there is no model, or (without ``refused``) one that cannot be used.
    """
    given = (reading or Reading(), exclude, include, refused, left_out, advice, progress)
    return list(_add_folder(store, Path(path), *given).values())


def _add_folder(
    store: BlockStore, root: Path, reading: Reading, exclude: Sequence[str], include: Sequence[str],
    refused: Refused | None, left_out: Refused | None, advice: str, progress: Progress,
) -> dict[ModelFiles, str]:  # fmt: skip
    """As :func:`add_path`, with what each model was read from."""
    found = find(root, include)
    lines = found.refused
    if left_out is not None:
        for place, line in found.left_out.items():
            left_out(place, line)
    models = [found.models[key] for key in sorted(found.models)]
    models = [m for m in models if not any(fnmatch.fnmatchcase(m.id, p) for p in exclude)]
    if not models and not lines:
        raise ConfigError(f"{root}: holds no model: no folder with {saved_models.CONFIG}, no {', '.join(SUFFIXES)}")
    added, bad = add_models(store, models, reading, f"reading {root.name}", progress)
    lines |= {model.id: line for model, line in bad.items()}
    if lines and refused is None:
        count = f"{len(lines)} of {len(lines) + len(added)}"
        more = f"; {advice}" if advice and added else ""
        if len(lines) == 1:
            raise ConfigError(f"{next(iter(lines.values()))}{more}")
        raise ConfigError("\n".join([f"{root}: {count} models cannot be used{more}:", *lines.values()]))
    for model_id, line in lines.items():
        assert refused is not None
        refused(model_id, line)
    return added
