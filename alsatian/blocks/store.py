"""A content-addressed folder of blocks and model manifests.

``blocks/ab/<identity>.safetensors`` holds the parameters of one distinct block, ``models/<id>.json`` the
manifest of one model, ``sets/<name>.json`` the members of a model set. Nothing is pickled; every write is
atomic; a block file proves itself, since its name is the digest of what it holds.

Only a manifest makes blocks reachable, so all blocks of a model go to disk together, and the manifest after
them. Adding takes the folder's lock beside others, collecting garbage takes it alone: between the moment
that a block is found to be there already and the manifest that refers to it, nobody removes it.
"""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote

import torch
from safetensors import SafetensorError, safe_open

from alsatian.blocks import manifest
from alsatian.blocks.adding import Adding, writing
from alsatian.blocks.candidate import Block, Candidate
from alsatian.errors import StoreError, nearest
from alsatian.files import Batch, locked, make_folder, write_json
from alsatian.fingerprint import DIGEST, block_identity, parameter_fingerprint

# A file system may give two writes within this time the same time stamp (a clock tick, ten times over).
_SAME_STAMP_NS = 100_000_000


class BlockStore:
    """The store in folder ``root``, made on the first write.

    ``verify`` says which reads of a block are checked against its identity: the ``"first"`` by this object
    and every one after the file has changed, or ``"always"``.
    """

    def __init__(self, root: str | Path, verify: Literal["first", "always"] = "first") -> None:
        self.root = Path(root)
        self._verify = verify
        # What the files looked like, by identity. One that was written is whole, but what is read back is
        # verified all the same.
        self._verified: dict[str, tuple[int, ...]] = {}
        self._written: dict[str, tuple[int, ...]] = {}

    @property
    def assets(self) -> Path:
        """Where files that models need besides blocks lie, by digest: tokenizers."""
        return self.root / "assets"

    @property
    def architectures(self) -> Path:
        """Where exported architectures are kept; they can be made again at any time."""
        return self.root / "architectures"

    def block_path(self, identity: str) -> Path:
        """The file of a block.

        Raises:
            StoreError: ``identity`` is no digest, so it could point outside the store.
        """
        if not DIGEST.fullmatch(identity):
            raise StoreError(f"{self.root}: '{identity[:80]}' is not a block identity")
        return self.root / "blocks" / identity[:2] / f"{identity}.safetensors"

    @contextlib.contextmanager
    def adding(self) -> Iterator[Adding]:
        """Add blocks and the models made of them: faster than one by one, and safe from a collection.

        Raises:
            StoreError: the folder cannot be made or locked.
        """
        with writing(self.root, "the folder"):
            make_folder(self.root)
        with contextlib.ExitStack() as held:
            with writing(self.root, "its lock"):
                held.enter_context(locked(self.root, alone=False))
            adding = Adding(self, held.enter_context(Batch(self.root)))
            yield adding
            adding.commit()

    def add_block(self, architecture: str, tensors: Sequence[torch.Tensor], output_bytes: int) -> Block:
        """Store the parameters of one block, unless they are there, and return the block.

        Raises:
            StoreError: it cannot be written.
        """
        with self.adding() as adding:
            return adding.add_block(architecture, tensors, output_bytes)

    def load_block(self, identity: str, model: str, code: str | None = None) -> list[torch.Tensor]:
        """The parameters of a block, as views of the mapped file.

        Raises:
            StoreError: the file is missing, damaged or holds another block, or one for other code than the
                segment with fingerprint ``code``; names file and ``model``.
        """
        path = self.block_path(identity)
        try:
            stamp = _stamp(path)
            with safe_open(path, framework="pt") as file:
                architecture = (file.metadata() or {}).get("architecture", "")
                tensors = [file.get_tensor(str(i)) for i in range(len(file.keys()))]
        except (SafetensorError, OSError) as error:
            reason = str(error).splitlines()[0]
            raise StoreError(f"{path}: damaged block of model '{model}' ({reason}); add the model again") from None
        if code is not None and architecture != code:
            raise StoreError(
                f"{path}: this block of model '{model}' is for other code than is installed; make its model "
                "set again in a new store_dir"
            )
        if self._verify == "first" and self._verified.get(identity) == stamp:
            return tensors
        if block_identity(architecture, parameter_fingerprint(tensors)) != identity:
            raise StoreError(f"{path}: content does not match its name (model '{model}'); add the model again")
        _remember(self._verified, identity, stamp)
        return tensors

    def holds(self, identity: str) -> bool:
        """Whether the block is there and undamaged. Its file is read unless this object knows it already."""
        try:
            stamp = _stamp(self.block_path(identity))
            if stamp not in (self._verified.get(identity), self._written.get(identity)):
                self.load_block(identity, "")
        except (OSError, StoreError):
            return False
        return True

    def wrote(self, identities: Iterable[str]) -> None:
        """Remember that these blocks were just written, so that :meth:`holds` need not read them."""
        for identity in identities:
            _remember(self._written, identity, _stamp(self.block_path(identity)))

    def add_model(self, candidate: Candidate) -> None:
        """Write the manifest of a model whose blocks are stored.

        Raises:
            StoreError: a block is missing, or the manifest cannot be written.
        """
        with self.adding() as adding:
            adding.add_model(candidate)

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

    def model_ids(self) -> list[str]:
        """Ids of all models, sorted, by the names of manifests, which need not be valid."""
        return sorted(unquote(path.name.removesuffix(".json")) for path in (self.root / "models").glob("*.json"))

    def add_set(self, name: str, model_ids: Sequence[str], metadata: dict[str, Any]) -> None:
        """Write down a model set. Its models come first, so that a listed set is complete."""
        with writing(self.root, f"set '{name}'"):
            make_folder(self._set(name).parent)
            write_json(self._set(name), {"models": list(model_ids), "metadata": metadata})

    def set_names(self) -> list[str]:
        """Names of all complete sets, sorted."""
        return sorted(unquote(path.stem) for path in (self.root / "sets").glob("*.json"))

    def model_set(self, name: str) -> list[str] | None:
        """Ids of a set's models, or None if the set is not complete."""
        path = self._set(name)
        if not path.exists():
            return None
        members = self._read_json(path, f"set '{name}'", list).get("models")
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            raise StoreError(f"{path}: set '{name}' has no list of models; delete the file and make the set again")
        return members

    def manifest_path(self, model_id: str) -> Path:
        """The file of a model's manifest. Any id stays inside the store."""
        return self.root / "models" / f"{quote(model_id, safe='')}.json"

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


def _remember(stamps: dict[str, tuple[int, ...]], identity: str, stamp: tuple[int, ...]) -> None:
    """Note what a file looks like, unless it is so young that it could change again without a trace."""
    if time.time_ns() - stamp[-1] > _SAME_STAMP_NS:
        stamps[identity] = stamp


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when a file does; the time of its last change in nanoseconds is last."""
    status = path.stat()
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
