"""Reading the tensors of a block, wherever in a store they lie, into memory of their own."""

import contextlib
import os
from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from alsatian.blocks.low_rank import LowRank
from alsatian.contents import Stamp
from alsatian.fingerprint import parameter_fingerprint
from alsatian.runtime.storage.reader import Extent, Reader
from alsatian.store.files.block_content import Content, content
from alsatian.store.files.block_file import Header, Held, Place, block_path, read_header
from alsatian.store.files.encodings import widened
from alsatian.store.remote.mirror import Mirror
from alsatian.store.verified import looks_of

# Bytes between two tensors up to which they are read together with what lies between them.
_GAP = 16_384
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


@dataclass
class Reading:
    """Reads the tensors of block ``identity``, or those at ``wanted``; of these some, by their number in that
    order, may be left in the smaller type that they are stored in, as ``leave`` says.

    Attributes:
        header: of its file, once :meth:`layout` was called.
        tensors: by place, with what they are made of; each has memory of its own, which it fills and which is
            aligned,
            since kernels choose their code by that.
        holders: the block whose file holds each of them.
        looks: how the files of these blocks looked when they were asked, and that of the block itself.
    """

    headers: Headers
    identity: str
    wanted: Iterable[int] | None = None
    leave: Collection[int] = ()
    header: Header = field(default_factory=lambda: Header("", {}), init=False)
    tensors: dict[int, torch.Tensor] = field(default_factory=dict, init=False)
    holders: dict[int, str] = field(default_factory=dict, init=False)
    looks: dict[str, Stamp] = field(default_factory=dict, init=False)
    _places: list[int] = field(default_factory=list, init=False)
    _copies: list[tuple[int, int]] = field(default_factory=list, init=False)
    _narrow: set[int] = field(default_factory=set, init=False)

    @property
    def in_order(self) -> list[torch.Tensor]:
        """The tensors that were wanted, in that order; all in that in which the block's code takes them."""
        return [self.tensors[i] for i in self._places]

    @property
    def narrow(self) -> frozenset[int]:
        """Which of these, by their number, were left in a smaller type."""
        return frozenset(number for number, i in enumerate(self._places) if i in self._narrow)

    @property
    def full_bytes(self) -> int:
        """Bytes of these in their own types."""
        wide, own = torch.float32.itemsize, [(i in self._narrow, self.tensors[i]) for i in self._places]
        return sum(tensor.numel() * wide if narrow else tensor.nbytes for narrow, tensor in own)

    def full(self, index: int) -> torch.Tensor:
        """The tensor at ``index`` in its own type."""
        return widened(self.tensors[index]) if index in self._narrow else self.tensors[index]

    @property
    def is_whole(self) -> bool:
        """Whether these are all that the block's code takes."""
        return len({*self._places}) == self.header.count

    def copy(self, identity: str) -> Content:
        """A file of its own for what was wanted, as the block ``identity``."""
        known, places, copied = self.header.digests, self._places, dict(self._copies)
        digests = [known[i] if known else parameter_fingerprint([self.tensors[i]]) for i in places]
        first: dict[int, int] = {}
        seen = {number: first.setdefault(copied.get(i, i), number) for number, i in enumerate(places)}
        twice = {number: Place(identity, other) for number, other in seen.items() if number != other}
        return content(identity, self.header.architecture, [self.full(i) for i in places], digests, twice)

    def finish(self) -> None:
        """Make what was wanted of what was read: tensors that others hold the content of, that are held in a
        smaller type, or that are made of others.

        Raises:
            ValueError: they do not fit.
        """
        for index, other in self._copies:
            self.tensors[index].copy_(self.tensors[other])
        for index in self._narrow - {self._places[number] for number in self.leave}:
            self.tensors[index] = self.full(index)
            self._narrow.remove(index)
        for index in self._places:
            if (made := self.header.made.get(index)) is not None:
                base, left, right = map(self.full, made.sources)
                self.tensors[index] = LowRank(left, right, made.scale).merged(base)
                self.holders[index] = self.identity

    def forget_sources(self) -> None:
        """Let go of what was read only to make others of it."""
        self.tensors = {i: self.tensors[i] for i in self._places}

    def layout(self, descriptor: int) -> tuple[int, list[Extent]]:
        """What :meth:`~alsatian.runtime.storage.reader.Reader.read` is to read, given the block's open file.

        Raises:
            OSError, ValueError: it is damaged, or a file that holds a tensor of it.
        """
        # Whoever reads a block reads its header; for a part of it what is known of that is enough.
        found = None if self.wanted is None else self.headers.known(self.identity, descriptor)
        self.looks[self.identity], self.header = found or self.headers.read(self.identity, descriptor)
        parts: dict[str, list[tuple[int, int, memoryview]]] = defaultdict(list)
        first: dict[tuple[str, int], int] = {}
        self._places = list(range(self.header.count) if self.wanted is None else self.wanted)
        for index in sorted({source for i in self._places for source in self.header.sources(i)}):
            held = self.header.held.get(index)
            self.holders[index] = self.identity
            if held is None:
                self.holders[index], held = self.headers.holder(self.identity, index)
                self.looks.setdefault(self.holders[index], self.headers.of(self.holders[index])[0])
            raw = torch.empty(held.nbytes, dtype=torch.uint8)
            self.tensors[index] = raw.view(held.dtype).view(held.shape)
            if held.narrow:
                self._narrow.add(index)
            if not held.nbytes:
                continue
            if (other := first.setdefault((self.holders[index], held.offset), index)) != index:
                self._copies.append((index, other))
            else:
                parts[self.holders[index]].append((held.offset, held.nbytes, memoryview(raw.numpy().data)))
        extents = [e for holder, some in parts.items() for e in _extents(self.headers.path(holder), some)]
        return 0 if found else self.header.nbytes, extents


def _extents(path: Path, parts: Sequence[tuple[int, int, memoryview]]) -> list[Extent]:
    """Few extents for these parts of a file: each an offset, bytes, and the memory that they go to."""
    extents: list[tuple[int, list[memoryview]]] = []
    end = -1
    for offset, nbytes, into in sorted(parts, key=lambda part: part[0]):
        gap = offset - end
        if end < 0 or not 0 <= gap <= _GAP:
            extents.append((offset, []))
        elif gap:
            extents[-1][1].append(memoryview(bytearray(gap)))
        extents[-1][1].append(into)
        end = offset + nbytes
    return [Extent(path, offset, views) for offset, views in extents]
