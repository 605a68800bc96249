"""The headers of block files, here or elsewhere, and where in a store each tensor of a block lies."""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path

from alsatian.contents import Stamp
from alsatian.runtime.storage.reader import Reader
from alsatian.store.files.block_file import Header, Held, block_path, read_header
from alsatian.store.remote.mirror import Mirror
from alsatian.store.verified import looks_of

# Headers that are kept, for blocks that hold tensors of many others.
_HEADERS = 4096
# Blocks that a tensor is looked for in, one after the other.
_FAR = 16


class Headers:
    """The headers of the block files in the store at ``root``, which are read again when a file has changed; those
    that are not here come through the store's ``mirror``, if it is elsewhere."""

    def __init__(self, root: Path, mirror: Mirror | None = None) -> None:
        self._root = root
        self._mirror = mirror
        self._known: OrderedDict[str, tuple[Stamp, Header]] = OrderedDict()

    def __reduce__(self) -> tuple[type["Headers"], tuple[Path, Mirror | None]]:
        return type(self), (self._root, self._mirror)  # another machine may open it

    def path(self, identity: str) -> Path:
        """The file of a block."""
        return block_path(self._root, identity)

    def of(self, identity: str) -> tuple[Stamp, Header]:
        """How the file of a block looks, and its header.

        Raises:
            OSError: there is no such file.
            ValueError: it is no file of this block.
        """
        path = self.path(identity)
        if self._mirror is not None and not path.exists():
            path = self._mirror.head(identity)
        if known := self.known(identity, path):
            return known
        with path.open("rb", buffering=0) as file:
            return self.read(identity, file.fileno())

    def known(self, identity: str, file: Path | int) -> tuple[Stamp, Header] | None:
        """The same without reading the ``file``, open or not; None if it was not read before, or has changed."""
        known = self._known.get(identity)
        return known if known is not None and known[0] == looks_of(file) else None

    def read(self, identity: str, descriptor: int) -> tuple[Stamp, Header]:
        """The same from the open file, whatever is known of it."""
        looks = looks_of(descriptor)

        def part(offset: int, nbytes: int) -> bytes:
            return os.pread(descriptor, nbytes, offset)

        found = looks, read_header(part, os.fstat(descriptor).st_size, identity)
        self._known[identity] = found
        while len(self._known) > _HEADERS:
            self._known.popitem(last=False)
        return found

    @contextlib.contextmanager
    def at_hand(
        self, identity: str, wanted: Iterable[int] | None, reader: Reader, owner: str | None
    ) -> Iterator[int | None]:
        """Have the files here that reading a block takes, as long as that lasts; yields the bytes that came for it
        from elsewhere at the pace of ``reader``. None if it is to be read from here as if it was the store.

        Raises:
            OSError, ValueError, StoreError: a file is missing or damaged, or cannot be had.
        """
        if self._mirror is None:
            yield None
            return
        with contextlib.ExitStack() as held:
            with self._mirror.bringing:
                brought, owed = held.enter_context(self._mirror.holding(identity, reader, owner))
                header = self.of(identity)[1]
                places = {s for i in (range(header.count) if wanted is None else wanted) for s in header.sources(i)}
                others = {self.holder(identity, i)[0] for i in places if i not in header.held}
                for other in sorted(others - {identity}):
                    more = held.enter_context(self._mirror.holding(other, reader, owner))
                    brought, owed = brought + more[0], owed + more[1]
            if owed and brought:
                reader.throttle.charge(owed)
            yield None if owed and not brought else brought + owed

    def tensors(self, identity: str) -> dict[int, tuple[str, Held]]:
        """Of each stored tensor of a block, by place, the block whose file holds it, and where in that file.

        Raises:
            OSError, ValueError: a file is missing or damaged.
        """
        header = self.of(identity)[1]
        found = {i: (identity, held) for i, held in header.held.items()}
        return found | {i: self.holder(*place) for i, place in header.elsewhere.items()}

    def holder(self, identity: str, index: int) -> tuple[str, Held]:
        """The block whose file holds the tensor at ``index`` of block ``identity``, and where in that file it lies.

        Raises:
            OSError, ValueError: it cannot be found.
        """
        for _ in range(_FAR):
            header = self.of(identity)[1]
            if (held := header.held.get(index)) is not None:
                return identity, held
            if index not in header.elsewhere:
                break
            identity, index = header.elsewhere[index]
        raise ValueError(f"block {identity[:12]}… does not hold the tensor that another one has there")
