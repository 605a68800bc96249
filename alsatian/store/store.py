"""A content-addressed folder of blocks and model manifests.

``blocks/ab/<identity>.safetensors`` describes one distinct block and holds those of its parameters that no other
file holds, ``models/<id>.json`` is the manifest of one model, ``sets/<name>.json`` lists the members of a model
set. Nothing is pickled; every write is atomic; a block file proves itself, since it has the digests of what it
describes, and so does a JSON file, which holds the digest of the rest. ``verified`` has what each machine has
verified of them, ``tensors.sqlite`` where tensors lie.

Only a manifest makes blocks reachable, so all blocks of a model go to disk together, and the manifest after
them. Adding takes the folder's lock beside others, collecting garbage takes it alone: between the moment
that a block is found to be there already and the manifest that refers to it, nobody removes it.
"""

import contextlib
import json
import logging
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, unquote

from alsatian.blocks.candidate import Candidate
from alsatian.errors import RemoteError, StoreError, nearest
from alsatian.files import Batch, make_folder, write_json
from alsatian.fingerprint import broken_seal, sealed
from alsatian.runtime.storage.regime import ONCE, Storage
from alsatian.store import manifest
from alsatian.store.remote.exchange import is_pending, push, refresh
from alsatian.store.store_files import StoreFiles
from alsatian.store.store_folder import writing
from alsatian.store.writer import StoreWriter
from alsatian.units import parse_bytes

_log = logging.getLogger(__name__)


class BlockStore(StoreFiles):
    """The store in folder ``root``, or at this URL, made on the first write; see :class:`StoreFiles`.

    Raises:
        RemoteError: it is elsewhere and cannot be reached.
    """

    def __init__(
        self, root: str | Path, verify: str = ONCE, kept: bool = True, deltas: float | None = None,
        mirrors: str | Path | None = None, mirror_size: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(root, verify, kept, deltas, mirrors, mirror_size)
        if self.mirror is not None:
            refresh(self.mirror)
            if is_pending(self.mirror):  # since it could not be reached, or a process was killed
                try:
                    self._push()
                except RemoteError as error:
                    _warn(str(error))

    @classmethod
    def under(cls, root: str | Path, storage: Storage) -> Self:
        """The store at ``root`` with the deltas and the mirror that ``storage`` says."""
        deltas, size = (parse_bytes(getattr(storage, key), key) for key in ("deltas", "mirror_size"))
        return cls(root, deltas=deltas, mirrors=storage.mirrors, mirror_size=size)

    def _push(self) -> None:
        """Bring what was added to a store elsewhere there."""
        if self.mirror is not None:
            push(self.mirror, self._files_of_model)

    def _files_of_model(self, path: Path) -> list[Path]:
        model = self.model(unquote(path.name.removesuffix(".json")))
        return sorted(self.files_of(block.identity for block in model.blocks))

    @contextlib.contextmanager
    def adding(self, alone: bool = False) -> Iterator[StoreWriter]:
        """Add blocks and the models made of them: faster than one by one, and safe from a collection; ``alone`` if
        nobody else may add.

        Raises:
            StoreError: the folder cannot be made or locked.
        """
        with writing(self.root, "the folder"):
            make_folder(self.root)
        with self.locked(alone=alone), Batch(self.root) as batch:
            adding = StoreWriter(self, batch)
            try:
                yield adding
                adding.commit()
            finally:
                adding.close()
        if adding.has_models:
            self._push()

    def model(self, model_id: str) -> Candidate:
        """Read a manifest.

        Raises:
            StoreError: there is none, or it is not valid.
        """
        path = self.manifest_path(model_id)
        value = self._read_json(path, f"model '{model_id}'", self.model_ids)
        try:
            return manifest.candidate_of(value, model_id, self.assets)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise StoreError(f"{path}: not a valid manifest of model '{model_id}' ({error})") from None

    def known(self, model_id: str) -> Candidate | None:
        """A model whose manifest is valid; None if there is none, so that it is made (again, says a warning)."""
        if not self.manifest_path(model_id).exists():
            return None
        try:
            return self.model(model_id)
        except StoreError as error:
            _warn(f"{error} (made again)")
            return None

    def holds_all(self, candidate: Candidate) -> bool:
        """Whether all files that ``candidate`` is read from are there; of those of blocks the headers are read."""
        try:
            for block in candidate.blocks:
                if self.mirror is None:
                    self.tensors(block.identity)
                elif not self.has_file(block.identity):
                    return False
        except StoreError:
            return False
        return not candidate.head or (self.assets / candidate.head).exists()

    def model_ids(self) -> list[str]:
        """Ids of all models, sorted, by the names of manifests, which need not be valid."""
        return sorted(unquote(path.name.removesuffix(".json")) for path in (self.root / "models").glob("*.json"))

    def add_set(self, name: str, model_ids: Sequence[str], metadata: dict[str, Any]) -> None:
        """Write down a model set. Its models come first, so that a listed set is complete."""
        value = {"name": name, "models": list(model_ids), "metadata": metadata}
        with writing(self.root, f"set '{name}'"):
            make_folder(self._set(name).parent)
            write_json(self._set(name), sealed(value))
        self._push()

    def set_names(self) -> list[str]:
        """Names of all complete sets, sorted."""
        return sorted(unquote(path.stem) for path in (self.root / "sets").glob("*.json"))

    def model_set(self, name: str) -> list[str] | None:
        """Ids of a set's models, or None if the set is not complete.

        Raises:
            StoreError: what describes the set is not valid.
        """
        path = self._set(name)
        if not path.exists():
            return None
        value, again = self._read_json(path, f"set '{name}'", list), "make the set again, or delete the file"
        if reason := broken_seal(value):
            raise StoreError(f"{path}: not a valid description of set '{name}' ({reason}; {again})")
        if value.get("name") != name:
            raise StoreError(f"{path}: describes another set than '{name}'; {again}")
        members = value.get("models")
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise StoreError(f"{path}: set '{name}' has no list of models; {again}")
        return members

    def known_set(self, name: str) -> list[str] | None:
        """Ids of a set's models; None if it or a model is missing or not valid: it is made then, with a warning."""
        try:
            members = self.model_set(name)
        except StoreError as error:
            _warn(f"{error} (made again)")
            return None
        return None if members is None or None in map(self.known, members) else members

    def _set(self, name: str) -> Path:
        return self.root / "sets" / f"{quote(name, safe='')}.json"

    def _read_json(self, path: Path, what: str, names: Any) -> dict[str, Any]:
        try:
            value = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise StoreError(f"{path}: no {what} in this store; {nearest(path.stem, names())}") from None
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{path}: cannot be read ({error})") from None
        if not isinstance(value, dict):
            raise StoreError(f"{path}: not a description of {what}")
        return value


@cache
def _warn(line: str) -> None:
    """Say something once a process."""
    _log.warning(line)
