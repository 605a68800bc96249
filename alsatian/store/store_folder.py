"""Where the files of a store lie, of one elsewhere those of its mirror here, and tensors in them."""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

from alsatian.errors import StoreError, StoreWriteError
from alsatian.files import locked
from alsatian.store.files.block_file import Header, Held, block_path
from alsatian.store.headers import Headers
from alsatian.store.remote.exchange import mirror_of
from alsatian.store.remote.folders import local_folder


class StoreFolder:
    """The folder ``root`` of a store; of one that is named by a URL, that of its ``mirror`` in ``mirrors``."""

    def __init__(self, root: str | Path, mirrors: str | Path | None = None, mirror_size: int | None = None) -> None:
        self.root = local_folder(root, mirrors)
        self.mirror = mirror_of(self.root, mirror_size)
        self._headers = Headers(self.root, self.mirror)

    @property
    def name(self) -> str:
        """The folder or the URL of the store."""
        return str(self.root) if self.mirror is None else self.mirror.remote.url

    def check_is_here(self, what: str) -> None:
        """Refuse a store elsewhere for what takes all of its files.

        Raises:
            StoreError: it is one.
        """
        if self.mirror is not None:
            raise StoreError(
                f"{self.name}: cannot {what} from here; do that where it lies, and copy the folder there"
            )

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

    def has_file(self, identity: str) -> bool:
        """Whether the file of a block is there, here or elsewhere."""
        return self.block_path(identity).exists() or (self.mirror is not None and self.mirror.has(identity))

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

    def delta_places(self, identities: Iterable[str]) -> list[tuple[str, int]]:
        """Which tensors of these blocks are held as deltas: block and number, sorted. Damaged files have none."""
        found, chosen = [], sorted({*identities})
        if self.mirror is not None:
            self.mirror.heads(chosen)
        for identity in chosen:
            with contextlib.suppress(StoreError):
                made = self.header(identity).made
                found += [(identity, number) for number in sorted(made) if made[number].is_delta]
        return found

    def files_of(self, identities: Iterable[str]) -> set[Path]:
        """The files that these blocks are read from, and that say where these are, as far as they are there."""
        found, left = set[Path](), {*identities}
        while left:
            identity = left.pop()
            found.add(path := self.block_path(identity))
            if not path.exists():
                continue  # or its header would be looked for elsewhere
            with contextlib.suppress(StoreError):
                others = {place.block for place in self.header(identity).elsewhere.values()}
                left |= {other for other in others if self.block_path(other) not in found}
        return found

    @contextlib.contextmanager
    def _naming(self, identity: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:
            raise StoreError(f"{self.block_path(identity)}: damaged block ({error}); add its model again") from None


@contextlib.contextmanager
def writing(root: Path, what: str) -> Iterator[None]:
    """Turn what goes wrong while writing ``what`` to the store in ``root`` into a :class:`StoreError`; where no
    model is to blame, a :class:`StoreWriteError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreWriteError(
            f"{root}: cannot write {what} ({reason}); what was there before is intact: make sure that the "
            "folder is writable and the disk has space, then do it again"
        ) from None
    except KeyError as error:  # how safetensors refuses a type
        raise StoreError(f"{root}: cannot write {what}: safetensors has no type {error}") from None
