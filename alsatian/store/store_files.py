"""Reading the blocks of a store, which prove themselves."""

import contextlib
import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NoReturn, Self

import torch

from alsatian.contents import Stamp
from alsatian.errors import RemoteError, StoreError
from alsatian.fingerprint import block_identity, parameter_fingerprint
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.runtime.storage.regime import ONCE
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.block_reading import Reading
from alsatian.store.files.tensor_index import FILE, WORTH_BYTES, Holding, TensorIndex
from alsatian.store.store_folder import StoreFolder
from alsatian.store.verified import Verified, lasting, looks_of

_PLAIN = Reader(Throttle(None))


def _unheard(_: object) -> None:
    pass


class StoreFiles(StoreFolder):
    """The files of the store in folder ``root``, or at this URL.

    ``verify`` says which reads of a block are checked against its identity: ``"once"``, the first of its file on
    this machine, or ``"always"``. What was verified is known to later processes, too, unless it is not ``kept``.
    With ``deltas``, the bytes per second that it is read at, tensors are added as deltas where that is faster; see
    :class:`~alsatian.store.deltas.Deltas`.
    """

    def __init__(
        self, root: str | Path, verify: str = ONCE, kept: bool = True, deltas: float | None = None,
        mirrors: str | Path | None = None, mirror_size: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(root, mirrors, mirror_size)
        self.verify = verify
        self.deltas = deltas
        self.verified = Verified(self.root / "verified" if kept else None)

    def verifying(self, verify: str) -> Self:
        """The same files, of which other reads are verified; what is known of them stays in common."""
        other = copy.copy(self)
        other.verify = verify
        return other

    def load_block(
        self, identity: str, model: str, code: str | None = None, heard: Callable[[int], None] = _unheard
    ) -> list[torch.Tensor]:
        """The parameters of a block, each in memory of its own; ``heard`` is told the bytes that were verified.

        Raises:
            StoreError: see :meth:`read_block`.
        """
        return self.read_block(identity, model, code, heard=heard).in_order

    def read_block(
        self,
        identity: str,
        model: str,
        code: str | None = None,
        *,
        wanted: Collection[int] | None = None,
        narrow: Collection[int] = (),
        reader: Reader = _PLAIN,
        owner: str | None = None,
        came: Callable[[Fetched], None] = _unheard,
        heard: Callable[[int], None] = _unheard,
    ) -> Reading:
        """Read a block, or those of its tensors that are ``wanted``, through ``reader``, from a file of ``owner``.
        Those that may stay ``narrow``, by their number, are left in the smaller type that they are stored in.

        ``came`` is told what was read, before that is verified, ``heard`` the bytes that were verified. Of a store
        elsewhere what was read is what came from there.

        Raises:
            StoreError: a file is missing, damaged or holds another block, or one for other code than the segment
                with fingerprint ``code``; names file and ``model``.
            RemoteError: a store elsewhere cannot be reached.
        """
        reading = Reading(self._headers, identity, wanted, narrow)
        try:
            self._read(reading, model, code, reader, owner, came, heard)
        except RemoteError:
            raise
        except StoreError as error:
            if self.mirror is None or not self.mirror.distrust({identity, *reading.holders.values()}):
                raise
            # It may have been damaged on the way or here, or be older than what is there now.
            reading = Reading(self._headers, identity, wanted, narrow)
            try:
                self._read(reading, model, code, reader, owner, came, heard)
            except StoreError:
                raise type(error)(f"{self.mirror.remote.url}: {error}") from None
            self.mirror.trust({identity, *reading.holders.values()})
        return reading

    def _read(
        self,
        reading: Reading,
        model: str,
        code: str | None,
        reader: Reader,
        owner: str | None,
        came: Callable[[Fetched], None],
        heard: Callable[[int], None],
    ) -> None:
        identity, path = reading.identity, self.block_path(reading.identity)
        try:
            with self._headers.at_hand(identity, reading.wanted, reader, owner) as brought:
                if brought is None:
                    came(reader.read(path, reading.layout, owner))
                else:
                    came(Fetched(brought, False))  # so that the next block can be on its way
                    _PLAIN.read(path, reading.layout)
            try:
                reading.finish()
            except ValueError:
                self._blame(reading, model)
                raise
        except (OSError, ValueError) as error:
            self.verified.forget(identity)
            what, reason = f"damaged block of model '{model}'", str(error)
            if isinstance(error, OSError):
                other = f": {error.filename}" if str(error.filename or path) != str(path) else ""
                what, reason = f"cannot read a block of model '{model}'", f"{error.strerror}{other}"
            raise StoreError(f"{path}: {what} ({reason}); add the model again") from None
        if code is not None and reading.header.architecture != code:
            raise StoreError(
                f"{path}: this block of model '{model}' is for other code than is installed; make its model "
                "set again in a new store_dir"
            )
        self._verify(reading, model, heard)
        reading.forget_sources()

    def _verify(self, reading: Reading, model: str, heard: Callable[[int], None]) -> None:
        """Compare what was read with its digests, unless that is known of the files it comes from.

        Raises:
            StoreError: it is damaged.
        """
        identity, header = reading.identity, reading.header
        known = self.verify == ONCE and self.verified.knows(identity, reading.looks[identity])
        # Of another block's file no more is known than of this one's, whose header names it; nor if it was replaced
        # between its header and its tensors.
        trusted = {
            holder for holder, looks in reading.looks.items()
            if known and self.verified.knows(holder, looks) and (holder == identity or self._looks(holder) == looks)
        }  # fmt: skip
        unknown = {i: t for i, t in reading.tensors.items() if reading.holders[i] not in trusted}
        if known and not unknown:
            return
        heard(sum(tensor.nbytes for tensor in unknown.values()))
        if header.digests:
            # What others are made of comes first: then their files are to blame.
            for i in sorted(unknown, key=lambda i: (i in header.made, reading.holders[i])):
                if parameter_fingerprint([reading.full(i)]) != header.digests[i]:
                    self._refuse(reading.holders[i], model)
        elif block_identity(header.architecture, parameter_fingerprint(reading.in_order)) != identity:
            self._refuse(identity, model)
        if not known and reading.is_whole and lasting(reading.looks[identity]):
            self.verified.enter({identity: reading.looks[identity]})

    def _blame(self, reading: Reading, model: str) -> None:
        """Refuse the file of another block that is damaged, if what was read from it could not be used.

        Raises:
            StoreError: it is damaged.
        """
        header = reading.header
        for i in reading.holders.keys() - header.made.keys():
            others = reading.holders[i] != reading.identity
            if others and parameter_fingerprint([reading.full(i)]) != header.digests[i]:
                self._refuse(reading.holders[i], model)

    def _refuse(self, holder: str, model: str) -> NoReturn:
        self.verified.forget(holder)
        path = self.block_path(holder)
        raise StoreError(f"{path}: content does not match its name (model '{model}'); add the model again")

    def holds(self, identity: str) -> bool:
        """Whether the block is there and undamaged. Its file is read unless it need not be verified.

        That of a store elsewhere is read if it is here.
        """
        if self.verify == ONCE and self.knows(identity):
            return True
        if self.mirror is not None and self.mirror.has(identity) and not self.block_path(identity).exists():
            return True
        try:
            self.load_block(identity, "")
        except StoreError:
            return False
        return True

    def holdings(self) -> Iterator[Holding]:
        """What every block's file holds, as far as it can be read."""
        for path in sorted(self.root.glob("blocks/*/*.safetensors")):
            with contextlib.suppress(StoreError):
                header = self.header(path.stem)
                large = [i for i, one in header.held.items() if one.full_bytes >= WORTH_BYTES and header.digests]
                borrows = any(place.block != path.stem for place in header.elsewhere.values())
                borrows |= bool(header.made) or any(held.narrow for held in header.held.values())
                code = header.architecture if any(i < header.count for i in large) else ""
                large += [i for i, made in header.made.items() if made.is_delta]
                yield Holding(path.stem, {i: header.digests[i] for i in large}, borrows, code)

    def borrowing(self, identities: Collection[str]) -> set[str]:
        """Those of these blocks that need others' files or hold tensors in another form, and maybe some that do
        not. Others may need their files."""
        if not (self.root / FILE).exists():
            return set(identities)  # to make it would read the headers of all blocks
        index = TensorIndex(self.root / FILE, self.holdings)
        try:
            found = index.borrowing()
        finally:
            index.close()
        borrowing = set(identities) if found is None else found.intersection(identities)
        if self.mirror is not None:
            self.mirror.heads(borrowing)  # which whoever asks is about to look at, one by one
        return borrowing

    def knows(self, identity: str) -> bool:
        """Whether the block is there and was verified on this machine. Its file is not read.

        Raises:
            StoreError: ``identity`` is no digest.
        """
        looks = self._looks(identity)
        return looks is not None and self.verified.knows(identity, looks)

    def _looks(self, identity: str) -> Stamp | None:
        """How the file of a block looks, None if there is none."""
        try:
            return looks_of(self.block_path(identity))
        except OSError:
            return None

    def wrote(self, identities: Iterable[str]) -> None:
        """These blocks were hashed and written just now, so they need not be verified."""
        found = {identity: looks_of(self.block_path(identity)) for identity in identities}
        self.verified.enter({identity: looks for identity, looks in found.items() if lasting(looks, ours=True)})
