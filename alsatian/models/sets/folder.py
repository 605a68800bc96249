"""A model set from a folder of checkpoints: found, read, split into blocks, and kept in the store.

A model is a folder of ``save_pretrained``, one with an adapter, or a file of weights; its id is its path below the
folder, without suffix.
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.store import BlockStore
from alsatian.contents import keep_in
from alsatian.errors import AlsatianError, ConfigError, StoreWriteError
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import ModelSet, add_module
from alsatian.models.reading import saved_models, state_models
from alsatian.models.reading.architectures import code_version
from alsatian.models.reading.discovery import ModelFiles, find
from alsatian.models.reading.inputs.images import READING_VERSION
from alsatian.models.reading.inputs.settings import DEFAULT_LENGTH, Reading
from alsatian.models.reading.origins import ORIGIN, Origins, origin_of
from alsatian.models.reading.parameters import lora
from alsatian.models.reading.parameters.checkpoints import SUFFIXES
from alsatian.models.reading.parameters.state_dicts import EMA
from alsatian.models.sets.adapter_bases import base_of
from alsatian.progress import Progress, unheard

ADVICE = "on_bad_model=exclude leaves out what cannot be used"
_TOWER = "modality"  # of a model with two: what was asked for
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


def add_models(
    store: BlockStore, models: Sequence[ModelFiles], reading: Reading, what: str, progress: Progress
) -> tuple[dict[ModelFiles, str], dict[ModelFiles, str]]:
    """Add ``models`` to ``store`` unless they are there; adapters may be of any of them.

    Returns:
        Ids in the store, and one line for each model that cannot be used.
    """
    keep_in(store.root)
    stored, added, bad = Origins(store), dict[ModelFiles, str](), dict[ModelFiles, str]()
    for i, model in enumerate(models):
        progress(what, i, len(models))
        try:
            added[model] = _add(store, model, models, reading, stored)
        except StoreWriteError:
            raise
        except AlsatianError as error:
            bad[model] = str(error)
        except (OSError, UnicodeEncodeError) as error:  # a file that has just gone, or that is not for this user
            reason = error.strerror if isinstance(error, OSError) else "its name is no UTF-8; rename it"
            bad[model] = f"{model.path}: cannot be read ({reason})"
    progress(what, len(models), len(models))
    return added, bad


def add_one(
    store: BlockStore, path: Path, model_id: str, *, reading: Reading | None = None, metadata: Mapping[str, Any]
) -> Candidate:
    """Read the only model at or below ``path`` and store it as ``model_id``, whatever was stored so before.

    Raises:
        AlsatianError: there is none or more than one, or it cannot be used.
    """
    found = find(path)
    models = list(found.models.values())
    if len(models) != 1:
        default = f"{path}: holds {len(models)} models where one is expected"
        raise ConfigError(next(iter(found.refused.values()), default))
    (model,) = models
    base = base_of(model, models, Origins(store)) if model.kind == "adapter" else None
    return _read(store, model, base, reading or Reading(), model_id, metadata)


def _add(
    store: BlockStore, model: ModelFiles, models: Sequence[ModelFiles], reading: Reading, stored: Origins
) -> str:
    """Add ``model`` to ``store`` unless it is there; its id."""
    base = base_of(model, models, stored) if model.kind == "adapter" else None
    settings = replace(reading, modality=None).plain()  # which concerns few models, see below
    stamps = [m.stamp() for m in (model, base) if m]
    key = digest_json([*stamps, settings, code_version(), READING_VERSION])
    model_id, known = stored.find(model, key)
    if known is not None and _is_usable(store, known, key, reading):
        return model_id
    statement = str(model.statement.resolve()) if model.statement else None
    origin = {
        "path": str(model.path.resolve()), "id": model.id, "kind": model.kind, "key": key, "statement": statement,
    }  # fmt: skip
    copy = stored.copy_of(key)
    if copy is not None and _is_usable(store, copy, key, reading):
        with store.adding() as adding:
            adding.add_model(replace(copy, id=model_id, metadata={**copy.metadata, ORIGIN: origin}))
        return model_id
    _read(store, model, base, reading, model_id, {ORIGIN: origin})
    return model_id


def _is_usable(store: BlockStore, known: Candidate, key: str, reading: Reading) -> bool:
    """Whether the stored model ``known`` is what reading the files with this ``key`` would give."""
    return origin_of(known).get("key") == key and of_tower(known, reading) and store.holds_all(known)


def of_tower(known: Candidate, reading: Reading) -> bool:
    """Whether a stored model has one tower, or is the one of two that ``reading`` asks for."""
    return known.metadata.get(_TOWER, reading.modality) == reading.modality


def _read(
    store: BlockStore, model: ModelFiles, base: ModelFiles | None, reading: Reading, model_id: str,
    metadata: Mapping[str, Any],
) -> Candidate:  # fmt: skip
    """Read ``model``, an adapter of ``base`` if that is given, and store it as ``model_id``."""
    adapter = lora.read_adapter(model.path) if base else None
    source = base or model
    if source.kind == "saved":
        loaded = saved_models.open_folder(source.path, store.architectures, reading, adapter)
    else:
        loaded = state_models.open_state(source.path, source.statement, store.architectures, reading, adapter)
    if loaded.towers:
        metadata = {**metadata, _TOWER: reading.modality}
    if loaded.notes:
        metadata = {**metadata, "notes": list(loaded.notes)}
    if base and adapter:
        metadata = {**metadata, "base": base.id, "adapter": {"type": "LORA", "ranks": dict(adapter.ranks)}}
    parts = (loaded.module, loaded.built, loaded.spec, loaded.preprocessing)
    return add_module(store, model_id, *parts, metadata, loaded.head)
