"""Where the files of a store lie, and reading its blocks, which prove themselves."""

import contextlib
import copy
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import NoReturn, Self
from urllib.parse import quote

import torch

from alsatian.contents import Stamp
from alsatian.errors import StoreError
from alsatian.files import locked
from alsatian.fingerprint import block_identity, parameter_fingerprint
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.runtime.storage.regime import ONCE
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.block_file import Header, Held, block_path
from alsatian.store.block_reading import Headers, Reading
from alsatian.store.tensor_index import FILE, WORTH_BYTES, Holding, TensorIndex
from alsatian.store.verified import Verified, lasting, looks_of

_PLAIN = Reader(Throttle(None))


def _unheard(_: object) -> None:
    pass


class StoreFiles:
    """The files of the store in folder ``root``.

    ``verify`` says which reads of a block are checked against its identity: ``"once"``, the first of its file on
    this machine, or ``"always"``. What was verified is known to later processes, too, unless it is not ``kept``.
    """

    def __init__(self, root: str | Path, verify: str = ONCE, kept: bool = True) -> None:
        self.root = Path(root)
        self.verify = verify
        self.verified = Verified(self.root / "verified" if kept else None)
        self._headers = Headers(self.root)

    def verifying(self, verify: str) -> Self:
        """The same files, of which other reads are verified; what is known of them stays in common."""
        other = copy.copy(self)
        other.verify = verify
        return other

    @property
    def assets(self) -> Path:
        """Where files that models need besides blocks lie, by digest: tokenizers and classifiers."""
        return self.root / "assets"

    @property
    def architectures(self) -> Path:
        """Where exported architectures are kept; they can be made again at any time."""
        return self.root / "architectures"

    @property
    def features(self) -> Path:
        """Where features are kept for later searches, in a folder for each :attr:`Candidate.content`."""
        return self.root / "features"

    def feature_files(self) -> dict[Path, int]:
        """Sizes in bytes of all files in :attr:`features`, which any search may remove at any time."""
        found = {}
        for path in sorted(self.features.glob("*/*")):
            with contextlib.suppress(OSError):
                found[path] = path.stat().st_size
        return found

    @contextlib.contextmanager
    def locked(self, *, alone: bool) -> Iterator[None]:
        """Hold the store's lock: ``alone``, or beside others that do not ask to be alone. Waits for it.

        Raises:
            StoreError: the folder cannot be locked.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locked(self.root, alone=alone))
            except OSError as error:
                raise StoreError(f"{self.root}: cannot lock the store ({error.strerror})") from None
            yield

    def block_path(self, identity: str) -> Path:
        """The file of a block.

        Raises:
            StoreError: ``identity`` is no digest, so it could point outside the store.
        """
        return block_path(self.root, identity)

    def manifest_path(self, model_id: str) -> Path:
        """The file of a model's manifest. Any id stays inside the store."""
        return self.root / "models" / f"{quote(model_id, safe='')}.json"

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

        ``came`` is told what was read, before that is verified, ``heard`` the bytes that were verified.

        Raises:
            StoreError: a file is missing, damaged or holds another block, or one for other code than the segment
                with fingerprint ``code``; names file and ``model``.
        """
        path = self.block_path(identity)
        reading = Reading(self._headers, identity, wanted, narrow)
        try:
            came(reader.read(path, reading.layout, owner))
            reading.finish()
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
        return reading

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

    def _refuse(self, holder: str, model: str) -> NoReturn:
        self.verified.forget(holder)
        path = self.block_path(holder)
        raise StoreError(f"{path}: content does not match its name (model '{model}'); add the model again")

    def holds(self, identity: str) -> bool:
        """Whether the block is there and undamaged. Its file is read unless it need not be verified."""
        if self.verify == ONCE and self.knows(identity):
            return True
        try:
            self.load_block(identity, "")
        except StoreError:
            return False
        return True

    def header(self, identity: str) -> Header:
        """The header of a block's file.

        Raises:
            StoreError: it is missing or damaged.
        """
        with self._naming(identity):
            return self._headers.of(identity)[1]

    def tensors(self, identity: str) -> dict[int, tuple[str, Held]]:
        """Of each stored tensor of a block, by place, the block whose file holds it, and where in it.

        Raises:
            StoreError: a file is missing or damaged.
        """
        with self._naming(identity):
            return self._headers.tensors(identity)

    def bytes_to_read(self, identity: str, wanted: Iterable[int] | None = None) -> int:
        """Bytes that reading a block takes, with its file's header, or those of its tensors that are ``wanted``.

        Raises:
            StoreError: a file is missing or damaged.
        """
        found, header = self.tensors(identity), self.header(identity)
        chosen = range(header.count) if wanted is None else wanted
        places = [found[source] for source in {source for i in chosen for source in header.sources(i)}]
        sizes = {(holder, held.offset): held.nbytes for holder, held in places if held.nbytes}
        return (header.nbytes if wanted is None else 0) + sum(sizes.values())

    def files_of(self, identities: Iterable[str]) -> set[Path]:
        """The files that these blocks are read from, as far as they are there."""
        found = set()
        for identity in identities:
            found.add(self.block_path(identity))
            with contextlib.suppress(StoreError):
                found |= {self.block_path(holder) for holder, _ in self.tensors(identity).values()}
        return found

    @contextlib.contextmanager
    def _naming(self, identity: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.block_path(identity)}: damaged block ({error}); add its model again") from None

    def holdings(self) -> Iterator[Holding]:
        """What every block's file holds, as far as it can be read."""
        for path in sorted(self.root.glob("blocks/*/*.safetensors")):
            with contextlib.suppress(StoreError):
                header = self.header(path.stem)
                large = [i for i, one in header.held.items() if one.full_bytes >= WORTH_BYTES and header.digests]
                borrows = any(place.block != path.stem for place in header.elsewhere.values())
                borrows |= bool(header.made) or any(held.narrow for held in header.held.values())
                yield Holding(path.stem, {i: header.digests[i] for i in large}, borrows)

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
        return set(identities) if found is None else found.intersection(identities)

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
