"""Models in files, read and put into a store: hashed, read and written beside each other, in bounded memory."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from alsatian.blocks.candidate import Candidate
from alsatian.blocks.evaluation import check_repeatable
from alsatian.contents import keep_in
from alsatian.errors import AlsatianError, ConfigError, RemoteError, StoreWriteError
from alsatian.fingerprint import digest_json
from alsatian.models.reading import saved_models, state_models
from alsatian.models.reading.adapter_bases import base_of
from alsatian.models.reading.architectures import code_version
from alsatian.models.reading.discovery import ModelFiles, find
from alsatian.models.reading.inputs.images import READING_VERSION
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.reading.origins import Origins
from alsatian.models.reading.parameters import lora
from alsatian.models.storing import add_module
from alsatian.progress import Progress
from alsatian.store.store import BlockStore
from alsatian.store.summaries import ORIGIN, origin_of

_TOWER = "modality"  # of a model with two: what was asked for
# Models whose files are hashed before they are read: so many that the thread never waits, so few that what it read
# is in memory still when it is read again.
_AHEAD = 4
# Models that were read and are being written, or wait for that, while the next one is read.
_WRITING = 2
# Bytes of models in memory at once, unless a single one has more.
_MEMORY = 8 * 1024**3
# A model that is being read counts as so many times its files: their content, and that in float32, which is up to
# four times as large.
_READING = 5
_Stamp = list[list[str]]


def add_models(
    store: BlockStore, models: Sequence[ModelFiles], reading: Reading, what: str, progress: Progress
) -> tuple[dict[ModelFiles, str], dict[ModelFiles, str]]:
    """Add ``models`` to ``store`` unless they are there; adapters may be of any of them.

    While one is read, a thread hashes the files of the next ones and another writes those before, in their order.

    Returns:
        Ids in the store, and one line for each model that cannot be used.
    """
    keep_in(store.root)
    with ThreadPoolExecutor(1, thread_name_prefix="store") as writer:
        adding = _Adding(store, models, reading, writer)
        for i, (model, stamp) in enumerate(_stamps(models)):
            progress(what, i, len(models))
            adding.add(model, stamp)
        adding.finish()
    progress(what, len(models), len(models))
    added, bad = adding.added, adding.bad
    return {m: added[m] for m in models if m in added}, {m: bad[m] for m in models if m in bad}


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
    _, write = _read(store, model, base, reading or Reading(), model_id, metadata)
    return write()


def _stamps(models: Sequence[ModelFiles]) -> Iterator[tuple[ModelFiles, Future[_Stamp]]]:
    """Each model with the digests of its files, which a thread reads ahead."""
    hasher = ThreadPoolExecutor(1, thread_name_prefix="digest")
    try:
        ahead = deque(hasher.submit(model.stamp) for model in models[:_AHEAD])
        for i, model in enumerate(models):
            ahead.extend(hasher.submit(other.stamp) for other in models[i + _AHEAD : i + _AHEAD + 1])
            yield model, ahead.popleft()
    finally:
        hasher.shutdown(cancel_futures=True)


class _Writing(NamedTuple):
    """A model of ``nbytes`` in memory, which is being written or waits for that."""

    model: ModelFiles
    nbytes: int
    written: Future[Candidate]


class _Adding:
    """Adds models to a store one after another; ``writer`` writes some while the next is read.

    Attributes:
        added: ids in the store.
        bad: one line for each model that cannot be used.
    """

    def __init__(
        self, store: BlockStore, models: Sequence[ModelFiles], reading: Reading, writer: ThreadPoolExecutor
    ) -> None:
        self.added: dict[ModelFiles, str] = {}
        self.bad: dict[ModelFiles, str] = {}
        self._store, self._models, self._reading, self._writer = store, models, reading, writer
        self._stored = Origins(store)
        self._writing: deque[_Writing] = deque()
        self._failed = False

    def add(self, model: ModelFiles, stamp: Future[_Stamp]) -> None:
        """Add ``model``, the digests of whose files are ``stamp``, unless it is there; see :meth:`finish`."""
        with self._telling(model):
            store, reading, stored = self._store, self._reading, self._stored
            base = base_of(model, self._models, stored) if model.kind == "adapter" else None
            settings = replace(reading, modality=None).plain()  # which concerns few models, see below
            stamps = [stamp.result(), *([base.stamp()] if base else [])]
            key = digest_json([*stamps, settings, code_version(), READING_VERSION])
            if stored.is_given(key):
                self.finish()  # the same model, which is to be found in the store then
            model_id, known = stored.find(model, key)
            if known is not None and _is_usable(store, known, key, reading):
                self.added[model] = model_id
                return
            statement = str(model.statement.resolve()) if model.statement else None
            origin = {
                "path": str(model.path.resolve()), "id": model.id, "kind": model.kind, "key": key,
                "statement": statement,
            }  # fmt: skip
            copy = stored.copy_of(key)
            if copy is not None and _is_usable(store, copy, key, reading):
                with store.adding() as adding:
                    adding.add_model(replace(copy, id=model_id, metadata={**copy.metadata, ORIGIN: origin}))
                self.added[model] = model_id
                return
            files = [*model.files(), *(base.files() if base else [])]
            self.finish(_READING * sum(file.stat().st_size for file in files))
            size, write = _read(store, model, base, reading, model_id, {ORIGIN: origin})
            self.finish(size)
            self._writing.append(_Writing(model, size, self._writer.submit(self._written, write)))
            del write  # which holds the parameters

    def finish(self, room: int | None = None) -> None:
        """Wait until what was added is in the store, or enough of it that memory has ``room``, in bytes."""
        while self._writing and (
            room is None
            or len(self._writing) > _WRITING
            or room + sum(one.nbytes for one in self._writing) > _MEMORY
        ):
            first = self._writing.popleft()
            with self._telling(first.model):
                self.added[first.model] = first.written.result().id

    def _written(self, write: Callable[[], Candidate]) -> Candidate:
        """What ``write`` stores. After a full disk, which ends all, nothing is written that was waiting."""
        if self._failed:
            raise CancelledError
        try:
            return write()
        except StoreWriteError:
            self._failed = True
            raise

    @contextmanager
    def _telling(self, model: ModelFiles) -> Iterator[None]:
        """Keep what goes wrong with ``model``, unless no model is to blame."""
        try:
            yield
        except (RemoteError, StoreWriteError):
            raise
        except AlsatianError as error:
            self.bad[model] = str(error)
        except (OSError, UnicodeEncodeError) as error:  # a file that has just gone, or that is not for this user
            reason = error.strerror if isinstance(error, OSError) else "its name is no UTF-8; rename it"
            self.bad[model] = f"{model.path}: cannot be read ({reason})"


def _is_usable(store: BlockStore, known: Candidate, key: str, reading: Reading) -> bool:
    """Whether the stored model ``known`` is what reading the files with this ``key`` would give."""
    return origin_of(known).get("key") == key and of_tower(known, reading) and store.holds_all(known)


def of_tower(known: Candidate, reading: Reading) -> bool:
    """Whether a stored model has one tower, or is the one of two that ``reading`` asks for."""
    return known.metadata.get(_TOWER, reading.modality) == reading.modality


def _read(
    store: BlockStore, model: ModelFiles, base: ModelFiles | None, reading: Reading, model_id: str,
    metadata: Mapping[str, Any],
) -> tuple[int, Callable[[], Candidate]]:  # fmt: skip
    """Read ``model``, an adapter of ``base`` if that is given: bytes of its parameters, and what stores it as
    ``model_id``."""
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
    # Here, and not in another thread, since it sets the state of random numbers for a while.
    check_repeatable(loaded.module, loaded.preprocessing.example(), loaded.built.fingerprint)
    parts = (loaded.module, loaded.built, loaded.spec, loaded.preprocessing)
    merged = adapter.merged if adapter else []
    size = sum(tensor.nbytes for tensor in (*loaded.module.parameters(), *(one.base for one in merged)))
    return size, partial(add_module, store, model_id, *parts, metadata, loaded.head, merged)
