"""Fine-tunes of one base model from the Hugging Face Hub, or from a folder where there is no network.

Weights are read as :mod:`alsatian.models.sets.folder` reads them; code from a repository is never run. Which
models belong to a set is decided before any strategy runs, so a model that cannot be had is left out of
all of them alike.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alsatian.errors import AlsatianError, ConfigError, RemoteError, StoreWriteError, first_line
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import code_version
from alsatian.models.reading.inputs.images import READING_VERSION
from alsatian.models.reading.inputs.sentences import MODULES
from alsatian.models.reading.inputs.settings import DEFAULT_LENGTH, Reading
from alsatian.models.reading.parameters.hub_files import Commit, prepare
from alsatian.models.reading.parameters.state_dicts import EMA
from alsatian.models.sets.folder import add_path
from alsatian.models.sets.hub_lock import Entry, Filters, Lock, cached, read_lock, resolve
from alsatian.models.sets.ingest import add_one, of_tower
from alsatian.progress import Progress, unheard
from alsatian.store.store import BlockStore

# Of a repository's top folder: what describes a model, and its weights.
_DESCRIPTION = ["*.json", "tokenizer.*", "vocab.*", "merges.txt", "*.model"]
_SAFE = ["*.safetensors", "*.safetensors.index.json"]
_TORCH = ["pytorch_model*.bin"]
_BELOW = ["*/*"]
# Of the folders below it only the parts that modules.json of sentence-transformers lists.
_PARTS = ["[0-9]_*/*.json", "[0-9]_*/*.safetensors", "[0-9]_*/*.txt", "[0-9]_*/*.model"]

# Models, the base first, that a fine-tune may have tensors in common with.
_KIN = 8

_log = logging.getLogger(__name__)


class _LeftOut(Exception):
    """A model cannot be had; the text says why."""


@dataclass(frozen=True, kw_only=True)
class HubSet:
    """A base model and its fine-tunes.

    Attributes:
        name: for people; part of the lock file's name and of the set's name in the store.
        base: the base model's id on the hub.
        revision: a branch or commit of the base; None for its newest commit when it is looked up.
        task, licence, min_downloads, limit: see :class:`alsatian.models.sets.hub_lock.Filters`.
        lock: the lock file; None for ``locks/<name>.lock.json`` in the store. Made if it is not there.
        folder: a folder of models to use instead of the hub.
        offline: use the lock file and the local cache only.
        length, weights, modality, pooling: see :class:`alsatian.models.reading.inputs.settings.Reading`.
    """

    name: str = "hub"
    base: str | None = None
    revision: str | None = None
    task: str | None = None
    licence: str | None = None
    min_downloads: int = 0
    limit: int | None = None
    lock: str | None = None
    folder: str | None = None
    offline: bool = False
    length: int = DEFAULT_LENGTH
    weights: str = EMA
    modality: str | None = None
    pooling: str | None = None

    def __post_init__(self) -> None:
        if self.base is None and self.folder is None:
            raise ConfigError("model_set.base: name a model of the Hugging Face Hub, or set model_set.folder")
        assert self.filters
        assert self.reading

    @property
    def reading(self) -> Reading:
        """How its models are read where there is a choice."""
        return Reading.of(self)

    @property
    def filters(self) -> Filters:
        """Which fine-tunes belong to the set."""
        return Filters(task=self.task, licence=self.licence, min_downloads=self.min_downloads, limit=self.limit)

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set, for searches on ``device``; what is not in ``store`` is downloaded and added first.

        Raises:
            ConfigError: no model can be had, or the hub is needed and cannot be reached.
        """
        ids = self._of_folder(store, progress) if self.folder else self._of_hub(store, progress)
        return ModelSet.open(store, ids, device)

    def lock_path(self, store: BlockStore) -> Path:
        """Where the lock file is, or will be."""
        name = f"{self.name}@{self.revision.replace('/', '--')}" if self.revision else self.name
        return Path(self.lock) if self.lock else store.root / "locks" / f"{name}.lock.json"

    def _of_hub(self, store: BlockStore, progress: Progress) -> list[str]:
        lock = self._locked(store, progress)
        key = f"{self.name}-{digest_json([lock.plain(), self._reading, code_version()])[:6]}"
        ids = store.known_set(key)
        if ids is not None and all(of_tower(store.model(model_id), self.reading) for model_id in ids):
            return ids
        ids = []
        left_out: dict[str, str] = {}
        for i, entry in enumerate(lock.models):
            progress(f"downloading {entry.id}", i, len(lock.models))
            model_id = f"{entry.id}@{entry.revision[:8]}"
            try:
                if not self._is_stored(store, model_id):
                    if not self._is_offline():
                        prepare(*(Commit(one.id, one.revision) for one in (entry, *lock.models[: min(i, _KIN)])))
                    self._add(store, model_id, entry)
                ids.append(model_id)
            except _LeftOut as reason:
                left_out[model_id] = str(reason)
                _log.warning("left out %s: %s", model_id, reason)
        progress(f"downloading {self.name}", len(lock.models), len(lock.models))
        if self._is_offline() and left_out:
            key += "-offline"  # never taken for the whole set later on
        return self._finished(store, key, ids, left_out, {"lock": lock.plain()})

    def _locked(self, store: BlockStore, progress: Progress) -> Lock:
        """The lock from its file, made first if there is none."""
        path = self.lock_path(store)
        assert self.base is not None
        if path.exists():
            lock = read_lock(path)
            if (lock.base, lock.filters) != (self.base, self.filters):
                raise ConfigError(
                    f"{path}: was made for base {lock.base} with {lock.filters!r}, not {self.base} with "
                    f"{self.filters!r}; delete it, or give model_set.lock another path"
                )
            return lock
        if not self._is_offline():
            progress(f"looking up {self.base}", 0, 1)
            lock = resolve(self.base, self.filters, revision=self.revision)
        elif self.limit == 0:
            lock = cached(self.base, self.filters, self.revision)
        else:
            raise ConfigError(
                f"{path}: there is no lock file, and it cannot be made offline; run once with network access, "
                "set model_set.lock to a lock file, or model_set.folder to a folder of models"
            )
        lock.write(path)
        return lock

    def _is_offline(self) -> bool:
        from huggingface_hub import constants

        return self.offline or constants.HF_HUB_OFFLINE

    def _is_stored(self, store: BlockStore, model_id: str) -> bool:
        known, settings = store.known(model_id), {"code": code_version(), **self._reading}.items()
        if known is None or not settings <= known.metadata.items():
            return False
        return of_tower(known, self.reading) and store.holds_all(known)

    @property
    def _reading(self) -> dict[str, Any]:
        """What decides, besides code and files, how any model is read."""
        settings = self.reading.plain()
        del settings["modality"]  # which concerns models with two towers, see of_tower
        return {**settings, "reading": READING_VERSION}

    def _add(self, store: BlockStore, model_id: str, entry: Entry) -> None:
        """Download a model and store it as ``model_id``."""
        folder = self._download(entry)
        origin = {"id": entry.id, "revision": entry.revision, "base": self.base}
        try:
            add_one(store, folder, model_id, reading=self.reading, metadata={"hub": origin, **self._reading})
        except (RemoteError, StoreWriteError):
            raise
        except AlsatianError as error:
            raise _LeftOut(first_line(error).replace(str(folder), entry.id)) from error

    def _download(self, entry: Entry) -> Path:
        """The folder with the model's files, in the library's cache, which also resumes what was broken off."""
        folder = self._snapshot(entry, [*_DESCRIPTION, *_SAFE])
        if not any(folder.glob("*.safetensors")):
            folder = self._snapshot(entry, [*_DESCRIPTION, *_TORCH])
        return self._snapshot(entry, _PARTS, []) if (folder / MODULES).exists() else folder

    def _snapshot(self, entry: Entry, patterns: list[str], ignored: list[str] = _BELOW) -> Path:
        import huggingface_hub
        from huggingface_hub import errors

        offline = self._is_offline()
        try:
            return Path(
                huggingface_hub.snapshot_download(
                    entry.id,
                    revision=entry.revision,
                    allow_patterns=patterns,
                    ignore_patterns=ignored,
                    local_files_only=offline,
                )
            )
        except Exception as error:  # of the library, its HTTP client and the disk
            here = "is not in the local cache, or not whole there" if offline else None
            gone = {
                errors.GatedRepoError: "is gated; accept its terms on the Hub and log in",
                errors.DisabledRepoError: "was disabled on the Hub",
                errors.RepositoryNotFoundError: "is no longer on the Hub, or private",
                errors.RevisionNotFoundError: f"its revision {entry.revision[:8]} is no longer on the Hub",
                errors.LocalEntryNotFoundError: here,
                errors.EntryNotFoundError: "lacks a file that it lists",
            }
            reason = next((reason for kind, reason in gone.items() if isinstance(error, kind)), None)
            if reason is not None:
                raise _LeftOut(reason) from None
            raise ConfigError(
                f"{entry.id}: the download broke off ({first_line(error)}); run again to go on where it stopped, "
                "or set model_set.offline=true to use what is in the local cache"
            ) from error

    def _of_folder(self, store: BlockStore, progress: Progress) -> list[str]:
        left_out: dict[str, str] = {}

        def refused(model_id: str, line: str) -> None:
            _log.warning("left out %s", line)
            left_out[model_id] = line.partition(": ")[2]  # what comes before is the file

        root = Path(self.folder or "")
        ids = add_path(store, root, reading=self.reading, refused=refused, progress=progress)
        key = f"{self.name}-{digest_json([str(root.resolve()), self._reading])[:6]}"
        return self._finished(store, key, ids, left_out, self._reading)

    def _finished(
        self, store: BlockStore, key: str, ids: list[str], left_out: Mapping[str, str], more: dict[str, Any]
    ) -> list[str]:
        """Write the set down; its models' ids."""
        if not ids:
            first = next(iter(left_out.items()), ("", ""))
            raise ConfigError(
                f"{self.folder or self.base}: none of {len(left_out)} models can be used; {first[0]}: {first[1]}"
            )
        store.add_set(key, ids, {**more, "left_out": dict(left_out), "code": code_version()})
        return ids
