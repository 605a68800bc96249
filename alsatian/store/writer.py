"""Writing blocks and models to a store: together, so that it is fast, and in an order that is safe.

All blocks of a model go to disk at once, while the next ones are hashed; the manifest, which alone makes
them reachable, follows when they are there. A tensor that the file of any block holds is not written again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from blake3 import blake3

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.low_rank import Merged
from alsatian.data.text import TextPreprocessing
from alsatian.errors import StoreError
from alsatian.files import Batch
from alsatian.fingerprint import block_identity, parameter_fingerprint
from alsatian.store import manifest
from alsatian.store.deltas import Deltas
from alsatian.store.files.block_content import content
from alsatian.store.files.block_file import Place
from alsatian.store.files.made import Made
from alsatian.store.files.tensor_index import FILE, NAME_BYTES, WORTH_BYTES, Holding, TensorIndex
from alsatian.store.store_files import StoreFiles
from alsatian.store.store_folder import writing

NOTHING_MERGED: Mapping[str, Merged] = {}


class StoreWriter:
    """Writes what is being added to ``store``; see :meth:`BlockStore.adding`. ``has_models``: also models."""

    def __init__(self, store: StoreFiles, batch: Batch) -> None:
        self._store = store
        self._batch = batch
        self.has_models = False
        self._index = TensorIndex(store.root / FILE, store.holdings)
        self._deltas = Deltas(store, self._index, store.deltas)
        self._new: list[str] = []
        self._held: dict[str, Mapping[int, str]] = {}  # digests of what blocks hold that were written here

    def add_block(
        self, architecture: str, tensors: Sequence[torch.Tensor], output_bytes: int, merged: Iterable[Merged] = ()
    ) -> Block:
        """Store the parameters of one block, unless they are there. The tensors may change afterwards.

        Of those that are ``merged`` what they are made of is kept instead.

        Raises:
            StoreError: it cannot be written.
        """
        tensors = [t.detach().cpu().contiguous() for t in tensors]
        identity = block_identity(architecture, parameter_fingerprint(tensors, blake3.AUTO))
        path = self._store.block_path(identity)
        if path not in self._batch:
            if self._store.holds(identity):
                self._batch.rely_on(path)
            else:
                self._write(path, identity, architecture, tensors, {one.digest: one for one in merged})
        return Block(identity, sum(t.nbytes for t in tensors), output_bytes)

    def rewrite(
        self,
        identity: str,
        model: str,
        places: Collection[int] | None = None,
        among: Collection[str] | None = None,
    ) -> Collection[Place] | None:
        """Store a block anew that is there, for ``model``, in case that it can share tensors with others. Given
        ``places`` of tensors that no other file names, only if one of them is to be a delta of one in blocks
        ``among`` these. The tensors elsewhere that its file names then; None if it stays as it is.

        Raises:
            StoreError: it is damaged, or cannot be written.
        """
        found = self._store.read_block(identity, model)
        path, code = self._store.block_path(identity), found.header.architecture
        return self._write(path, identity, code, found.in_order, places=places, among=among)

    def _write(
        self,
        path: Path,
        identity: str,
        architecture: str,
        tensors: Sequence[torch.Tensor],
        merged: Mapping[str, Merged] = NOTHING_MERGED,
        places: Collection[int] | None = None,
        among: Collection[str] | None = None,
    ) -> Collection[Place] | None:
        """Write the file of a block, see :meth:`rewrite`."""
        digests, count = [parameter_fingerprint([tensor], blake3.AUTO) for tensor in tensors], len(tensors)
        made, sources = self._made(tensors, digests, merged)
        free = self._free(identity, tensors, digests, made)
        if places is not None:
            free = {i: None for i in places if tensors[i].nbytes >= WORTH_BYTES}
        deltas, more = self._deltas.of(identity, architecture, [*tensors, *sources], free, among)
        if places is not None and not deltas:
            return None
        made, tensors = made | deltas, [*tensors, *sources, *more]
        digests += [parameter_fingerprint([tensor], blake3.AUTO) for tensor in tensors[count:]]
        stored = {i: d for i, d in enumerate(digests) if i not in made and tensors[i].nbytes >= NAME_BYTES}
        large = {i: d for i, d in stored.items() if tensors[i].nbytes >= WORTH_BYTES}
        elsewhere = self._elsewhere(identity, large)
        elsewhere |= self._beside(identity, elsewhere, stored)
        with writing(self._store.root, "a block"):
            for place in elsewhere.values():
                self._batch.rely_on(self._store.block_path(place.block))
            found = content(identity, architecture, tensors, digests, elsewhere, made, len(tensors) - count)
            self._batch.write(path, found.write)
        held = {i: digest for i, digest in stored.items() if i not in elsewhere}
        others = {i: digests[i] for i in (*(held.keys() & large.keys()), *deltas)}
        borrows = any(place.block != identity for place in elsewhere.values()) or bool(made) or found.narrow
        code = architecture if any(i < count for i in others.keys() - deltas.keys()) else ""
        self._index.enter(Holding(identity, others, borrows, code))
        self._held[identity] = held
        self._new.append(identity)
        return elsewhere.values()

    def _free(
        self, identity: str, tensors: Sequence[torch.Tensor], digests: Sequence[str], made: Mapping[int, Made]
    ) -> dict[int, Place | None]:
        """The places of tensors that may become deltas, and where they are deltas already, as far as that is known.

        What this block held before, and no delta of it, is not among them: others may be deltas of that, unless it
        held deltas alone, as one that was entered and then killed before it had its name.
        """
        large = [i for i, tensor in enumerate(tensors) if tensor.nbytes >= WORTH_BYTES and i not in made]
        known = self._index.find([digests[i] for i in large])
        places = {i: known.get(digests[i]) for i in large}
        return {
            i: place for i, place in places.items()
            if place is None or self._deltas.base_of(place)
            or (place.block == identity and not self._index.is_base(identity))
            or (place.block != identity and not self._is_there(place, digests[i]))
        }  # fmt: skip

    def _made(
        self, tensors: Sequence[torch.Tensor], digests: Sequence[str], merged: Mapping[str, Merged]
    ) -> tuple[dict[int, Made], list[torch.Tensor]]:
        """Those ``tensors`` that are kept as what they are made of, and what that is, to follow them.

        Tensors that are smaller than what was added to them, or that lie somewhere as they are, are not among them.
        """
        made: dict[int, Made] = {}
        sources: list[torch.Tensor] = []
        known = self._index.find([digest for digest in digests if digest in merged])
        for i, digest in enumerate(digests):
            one, size = merged.get(digest), tensors[i].nbytes
            if one is None or size < WORTH_BYTES or one.added.nbytes >= size or not one.gives(tensors[i]):
                continue
            if (place := known.get(digest)) is None or not self._is_there(place, digest):
                first = len(tensors) + len(sources)
                made[i] = Made(first, (first + 1, first + 2), one.added.scale)
                sources += [t.detach().contiguous() for t in (one.base, one.added.left, one.added.right)]
        return made, sources

    def _elsewhere(self, identity: str, digests: Mapping[int, str]) -> dict[int, Place]:
        """Where those of a block's tensors with these ``digests``, by place, lie that need not be written."""
        known = self._index.find([*digests.values()])
        elsewhere: dict[int, Place] = {}
        first: dict[str, int] = {}
        for i, digest in digests.items():
            place = known.get(digest)
            if digest in first:
                elsewhere[i] = Place(identity, first[digest])
            elif place is not None and place.block != identity and self._is_there(place, digest):
                elsewhere[i] = place
            else:
                first[digest] = i
        return elsewhere

    def _beside(
        self, identity: str, elsewhere: Mapping[int, Place], digests: Mapping[int, str]
    ) -> dict[int, Place]:
        """Where those of the other tensors lie that files hold which are read for the tensors that are
        ``elsewhere``: whatever their size, they take no read of another file.

        Only at the same place as here, so that equal ones (zeros, ones) are shared one by one and blocks of one
        code have the same parts in common.
        """
        found: dict[int, Place] = {}
        for block in sorted({place.block for place in elsewhere.values()} - {identity}):
            if (held := self._held.get(block)) is None:
                header = self._store.header(block)
                held = {i: header.digests[i] for i in header.held}
            same = (i for i, digest in digests.items() if i not in elsewhere and held.get(i) == digest)
            found.update((i, Place(block, i)) for i in same)
        return found

    def _is_there(self, place: Place, digest: str) -> bool:
        """Whether the file of a block holds the tensor with this ``digest`` at ``place``, undamaged."""
        if place.block in self._held:
            return self._held[place.block].get(place.number) == digest
        if not self._store.holds(place.block):
            return False
        header = self._store.header(place.block)
        return place.number in header.held and header.digests[place.number] == digest

    def add_model(self, candidate: Candidate) -> None:
        """Write the manifest of a model; blocks added here before are on disk when it appears.

        Raises:
            StoreError: a block is missing, or the manifest cannot be written.
        """
        root, what = self._store.root, f"model '{candidate.id}'"
        described = manifest.content(candidate)
        if isinstance(candidate.preprocessing, TextPreprocessing) and candidate.preprocessing.is_there:
            self.add_asset(candidate.preprocessing.tokenizer, candidate.preprocessing.content())
        self.commit()
        for block in candidate.blocks:
            if not self._store.has_file(block.identity):
                path = self._store.block_path(block.identity)
                raise StoreError(f"{path}: {what} needs this block, which is not in the store; add the block first")
        self.has_models = True
        with writing(root, f"the manifest of {what}"):
            self._batch.write(self._store.manifest_path(candidate.id), lambda file: file.write_bytes(described))
        self.commit()

    def commit(self) -> None:
        """Wait until all that was added is on disk."""
        with writing(self._store.root, "blocks"):
            self._index.save()  # first: a file that is there and not in it would share nothing, ever
            self._batch.commit()
            self._store.wrote(self._new)
        self._new.clear()

    def close(self) -> None:
        """Let go of what is open."""
        self._index.close()

    def add_asset(self, digest: str, content: bytes) -> None:
        """Keep ``content``, a file that a model needs besides its blocks, under its digest.

        Raises:
            StoreError: it cannot be written.
        """
        target = self._store.assets / digest
        with writing(self._store.root, "a file of a model"):
            if not target.exists() or target.read_bytes() != content:
                self._batch.write(target, lambda temporary: temporary.write_bytes(content))
