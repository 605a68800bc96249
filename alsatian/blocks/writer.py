"""Writing blocks and models to a store: together, so that it is fast, and in an order that is safe.

All blocks of a model go to disk at once, while the next ones are hashed; the manifest, which alone makes
them reachable, follows when they are there.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from blake3 import blake3
from safetensors import SafetensorError
from safetensors.torch import save_file

from alsatian.blocks import manifest
from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.store_files import StoreFiles
from alsatian.data.text import TextPreprocessing
from alsatian.errors import StoreError, StoreWriteError
from alsatian.files import Batch
from alsatian.fingerprint import block_identity, parameter_fingerprint


class StoreWriter:
    """Writes what is being added to ``store``; see :meth:`BlockStore.adding`."""

    def __init__(self, store: StoreFiles, batch: Batch) -> None:
        self._store = store
        self._batch = batch
        self._new: list[str] = []

    def add_block(self, architecture: str, tensors: Sequence[torch.Tensor], output_bytes: int) -> Block:
        """Store the parameters of one block, unless they are there. The tensors may change afterwards.

        Raises:
            StoreError: it cannot be written.
        """
        block_bytes = sum(t.nbytes for t in tensors)
        tensors = [t.detach().cpu().contiguous() for t in tensors]
        identity = block_identity(architecture, parameter_fingerprint(tensors, blake3.AUTO))
        path = self._store.block_path(identity)
        if path not in self._batch:
            if self._store.holds(identity):
                self._batch.rely_on(path)
            else:
                named = {str(i): t for i, t in enumerate(_apart(tensors))}
                with writing(self._store.root, "a block"):
                    self._batch.write(path, lambda file: save_file(named, file, {"architecture": architecture}))
                self._new.append(identity)
        return Block(identity, block_bytes, output_bytes)

    def add_model(self, candidate: Candidate) -> None:
        """Write the manifest of a model; blocks added here before are on disk when it appears.

        Raises:
            StoreError: a block is missing, or the manifest cannot be written.
        """
        root, what = self._store.root, f"model '{candidate.id}'"
        content = manifest.content(candidate)
        if isinstance(candidate.preprocessing, TextPreprocessing) and candidate.preprocessing.is_there:
            self.add_asset(candidate.preprocessing.tokenizer, candidate.preprocessing.content())
        self.commit()
        for block in candidate.blocks:
            if not (path := self._store.block_path(block.identity)).exists():
                raise StoreError(f"{path}: {what} needs this block, which is not in the store; add the block first")
        with writing(root, f"the manifest of {what}"):
            self._batch.write(self._store.manifest_path(candidate.id), lambda file: file.write_bytes(content))
        self.commit()

    def commit(self) -> None:
        """Wait until all that was added is on disk."""
        with writing(self._store.root, "blocks"):
            self._batch.commit()
            self._store.wrote(self._new)
        self._new.clear()

    def add_asset(self, digest: str, content: bytes) -> None:
        """Keep ``content``, a file that a model needs besides its blocks, under its digest.

        Raises:
            StoreError: it cannot be written.
        """
        target = self._store.assets / digest
        with writing(self._store.root, "a file of a model"):
            if not target.exists() or target.read_bytes() != content:
                self._batch.write(target, lambda temporary: temporary.write_bytes(content))


@contextlib.contextmanager
def writing(root: Path, what: str) -> Iterator[None]:
    """Turn what goes wrong while writing ``what`` to the store in ``root`` into a :class:`StoreError`; where no
    model is to blame, a :class:`StoreWriteError`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise StoreWriteError(
            f"{root}: cannot write {what} ({reason}); what was there before is intact: make sure that the "
            "folder is writable and the disk has space, then do it again"
        ) from None
    except KeyError as error:  # how safetensors refuses a type
        raise StoreError(f"{root}: cannot write {what}: safetensors has no type {error}") from None


def _apart(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """``tensors`` (contiguous), copied where memory is shared, which safetensors refuses."""
    seen: set[int] = set()
    apart = []
    for tensor in tensors:
        memory = tensor.untyped_storage().data_ptr()
        apart.append(tensor.clone() if memory in seen else tensor)
        seen.add(memory)
    return apart
