"""Reading the tensors of a block, wherever in a store they lie, into memory of their own."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch

from alsatian.contents import Stamp
from alsatian.fingerprint import parameter_fingerprint
from alsatian.runtime.storage.reader import Extent
from alsatian.store.files.block_content import Content, content
from alsatian.store.files.block_file import Header, Place
from alsatian.store.files.encodings import widened
from alsatian.store.headers import Headers

# Bytes between two tensors up to which they are read together with what lies between them.
_GAP = 16_384


@dataclass
class Reading:
    """Reads the tensors of block ``identity``, or those at ``wanted``; of these some, by their number in that
    order, may be left in the smaller type that they are stored in, as ``leave`` says.

    Attributes:
        header: of its file, once :meth:`layout` was called.
        tensors: by place, with what they are made of; each has memory of its own, which it fills and which is
            aligned, since kernels choose their code by that.
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
                base, *added = map(self.full, made.sources)
                self.tensors[index] = made.whole(base, made.ready(added))
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
