"""Where stored models were read from: which one is that of given files, and under what id new ones are kept.

Files of one name in different folders are different models. An id in the store is a model's path below the folder
that was added; where another folder's model has it, a digest of the model's own place follows behind a ``~``.
"""

from functools import cached_property
from pathlib import Path

from alsatian.blocks.candidate import Candidate
from alsatian.fingerprint import digest_json
from alsatian.models.reading.discovery import ModelFiles
from alsatian.store.store import BlockStore
from alsatian.store.summaries import Summaries, origin_of

_MARK, _DIGITS = "~", 12


class Origins:
    """The models of ``store`` by the files that they were read from. Serves while models are being added."""

    def __init__(self, store: BlockStore) -> None:
        self._store = store
        self._keys: dict[str, str] = {}
        self._ids: dict[str, str] = {}

    def find(self, model: ModelFiles, key: str) -> tuple[str, Candidate | None]:
        """The id of ``model`` in the store, and what is there under it: read from the same files, or from others
        with the same contents that had the same id. Two models are never given one id.
        """
        place = str(model.path.resolve())
        ids = (model.id, f"{model.id}{_MARK}{digest_json(place)[:_DIGITS]}")
        free = [model_id for model_id in ids if self._keys.get(model_id, key) == key]
        known = {model_id: self._store.known(model_id) for model_id in free}
        for name, value in (("path", place), ("key", key)):
            for model_id, candidate in known.items():
                if candidate is not None and origin_of(candidate).get(name) == value:
                    return self._give(model_id, key), candidate
        # A manifest that cannot be read is made again.
        return self._give(next((i for i in free if known[i] is None), ids[-1]), key), None

    def is_given(self, key: str) -> bool:
        """Whether :meth:`find` was asked for a model of the same contents before."""
        return key in self._ids

    def _give(self, model_id: str, key: str) -> str:
        self._keys[model_id] = key
        self._ids.setdefault(key, model_id)
        return model_id

    def copy_of(self, key: str) -> Candidate | None:
        """A model, whatever its id, that may have been read from files of the same contents; None if none has."""
        known = self._store.known(self._ids[key]) if key in self._ids else None
        if known is None or origin_of(known).get("key") != key:
            known = self._store.known(self._by_key[key]) if key in self._by_key else None
        return known

    @cached_property
    def _summaries(self) -> Summaries:
        return Summaries(self._store)

    @cached_property
    def _by_key(self) -> dict[str, str]:
        return {str(one.origin["key"]): one.id for one in self._summaries.readable() if one.origin}

    def files(self) -> list[ModelFiles]:
        """The files of stored models, adapters left out, as far as they are still there."""
        return [
            ModelFiles(origin.get("id", one.id), origin["kind"], Path(origin["path"]), statement)
            for one in self._summaries.readable()
            if (origin := one.origin) and origin["kind"] != "adapter" and Path(origin["path"]).exists()
            for statement in [Path(origin["statement"]) if origin["statement"] else None]
        ]
