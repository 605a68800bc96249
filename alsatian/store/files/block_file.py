"""The file of one block, in the format of safetensors: tensors that no other file of the store holds, and where the
others are.

Tensors have the names "0", "1", … in the order in which the block's code takes them. Besides them the header has
``block`` in safetensors' metadata, a digest and JSON that it proves: the block's identity, the fingerprint of its
code, the digests of all its tensors, and of those that lie in a block's file already, whose and which tensor of
that block. It also names those that are held in a smaller type, and those that are made of others, by an adapter
or a delta; what they are made of are tensors like all others, which follow those that the code takes. Files of
earlier versions have the fingerprint alone, in ``architecture``, and hold all their tensors.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from blake3 import blake3

from alsatian.errors import StoreError
from alsatian.fingerprint import DIGEST, DIGEST_LENGTH
from alsatian.store.files import made as making
from alsatian.store.files.encodings import NARROW
from alsatian.store.files.made import Made

TYPES: Mapping[str, torch.dtype] = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "U16": torch.uint16,
    "I32": torch.int32, "U32": torch.uint32, "I64": torch.int64, "U64": torch.uint64, "F16": torch.float16,
    "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}  # fmt: skip
"""PyTorch's types by their names in safetensors."""
LENGTH = 8
"""Bytes of the header's length, which comes first, as safetensors writes it."""
# Bytes that a header has at most, as safetensors wants it.
_LONGEST = 100_000_000
# Bytes that one read takes at the front of a file: most headers are shorter.
_FRONT = 16_384

Read = Callable[[int, int], bytes]
"""So many bytes of a file, from an offset on; fewer where it ends."""


def block_path(root: Path, identity: str) -> Path:
    """The file of a block in the store at ``root``.

    Raises:
        StoreError: ``identity`` is no digest, so it could point outside the store.
    """
    if not DIGEST.fullmatch(identity):
        raise StoreError(f"{root}: '{identity[:80]}' is not a block identity")
    return root / "blocks" / identity[:2] / f"{identity}.safetensors"


class Place(NamedTuple):
    """A tensor of another block: that block's identity, and which of its tensors it is."""

    block: str
    number: int


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor in a file: its type and shape there, and its bytes from ``offset`` on, from the start of the file.

    ``narrow`` says that it is a float32 tensor in a smaller type.
    """

    dtype: torch.dtype
    shape: tuple[int, ...]
    offset: int
    nbytes: int
    narrow: bool = False

    @property
    def full_bytes(self) -> int:
        """Bytes that it takes in memory, in its own type."""
        return math.prod(self.shape) * torch.float32.itemsize if self.narrow else self.nbytes


@dataclass(frozen=True)
class Header:
    """What the file of a block says of it.

    Attributes:
        architecture: fingerprint of the code that its tensors belong to.
        held: tensors in this file, by their place in the block.
        elsewhere: those in others.
        digests: of all tensors, see :func:`~alsatian.fingerprint.parameter_fingerprint`; none in files of earlier
            versions.
        nbytes: of the header; the first tensor begins there.
        made: those that are made of others.
        extra: how many tensors at the end are only there for these.
    """

    architecture: str
    held: Mapping[int, Held]
    elsewhere: Mapping[int, Place] = field(default_factory=dict)
    digests: tuple[str, ...] = ()
    nbytes: int = 0
    made: Mapping[int, Made] = field(default_factory=dict)
    extra: int = 0

    @property
    def is_current(self) -> bool:
        """Whether others can share its tensors; not in files of earlier versions."""
        return bool(self.digests) or not self.held

    @property
    def file_bytes(self) -> int:
        """Of the whole file."""
        return max((one.offset + one.nbytes for one in self.held.values()), default=self.nbytes)

    @property
    def count(self) -> int:
        """Tensors that the block's code takes."""
        return len(self.held) + len(self.elsewhere) + len(self.made) - self.extra

    @property
    def factor_bytes(self) -> int:
        """Bytes in this file of what adapters add."""
        factors = {place for one in self.made.values() if not one.is_delta for place in one.added}
        return sum(held.nbytes for place, held in self.held.items() if place in factors)

    def sources(self, index: int) -> tuple[int, ...]:
        """The stored tensors that one is read from: itself, or what it is made of."""
        return self.made[index].sources if index in self.made else (index,)


def read_header(read: Read, size: int | None, identity: str) -> Header:
    """The header of the file of block ``identity``, which has ``size`` bytes, or as many as its header says.

    Raises:
        ValueError: it is damaged, cut off or another block's.
    """
    front = read(0, _FRONT)
    length = int.from_bytes(front[:LENGTH], "little")
    if len(front) < LENGTH or length > min(_LONGEST, _LONGEST if size is None else size - LENGTH):
        raise ValueError("no header")
    text = front[LENGTH : LENGTH + length]
    if len(text) < length:
        text += read(len(front), length - len(text))
    try:
        entries = json.loads(text)
        metadata = entries.pop("__metadata__", {})
        held = {_place(name): _held(entry, LENGTH + length) for name, entry in entries.items()}
        if "block" in metadata:
            header = _described(metadata["block"], held, identity, LENGTH + length)
        else:
            header = Header(str(metadata["architecture"]), held, nbytes=LENGTH + length)
    except (KeyError, TypeError, AttributeError, RecursionError, UnicodeDecodeError):
        raise ValueError("not the header of a block") from None
    if sorted([*held, *header.elsewhere, *header.made]) != list(range(header.count + header.extra)):
        raise ValueError("tensors are missing in the header")
    if size is not None and size != header.file_bytes:
        raise ValueError("cut off, or longer than its header says")
    return header


def _place(name: str) -> int:
    if not name.isdecimal():
        raise ValueError("not the header of a block")
    return int(name)


def _held(entry: Mapping[str, Any], data: int) -> Held:
    dtype, shape = TYPES[entry["dtype"]], tuple(int(n) for n in entry["shape"])
    start, end = (int(n) for n in entry["data_offsets"])
    if min((*shape, start)) < 0 or end - start != math.prod(shape) * dtype.itemsize:
        raise ValueError("a tensor's bytes do not fit its shape")
    return Held(dtype, shape, data + start, end - start)


def _described(sealed: str, held: Mapping[int, Held], identity: str, nbytes: int) -> Header:
    digest, text = sealed[:DIGEST_LENGTH], sealed[DIGEST_LENGTH:]
    if digest != seal(text):
        raise ValueError("another content than its digest says: it was changed or is damaged")
    about = json.loads(text)
    if about["identity"] != identity:
        raise ValueError(f"the file of block {about['identity'][:12]}…")
    digests = tuple(map(str, about["digests"]))
    elsewhere = {int(i): Place(block, int(index)) for i, (block, index) in about["elsewhere"].items()}
    narrow = {int(i): replace(held[i], narrow=True) for i in about["narrow"]}
    made = making.read(about)
    extra, count = int(about["extra"]), len(held) + len(elsewhere) + len(made)
    sources = {source for one in made.values() for source in one.sources}
    if (
        len(digests) != count
        or not all(DIGEST.fullmatch(place.block) for place in elsewhere.values())
        or not all(one.dtype in NARROW for one in narrow.values())
        or not sources <= {*held, *elsewhere}
        or not 0 <= extra <= count - len(made)
    ):
        raise ValueError("not the header of a block")
    return Header(str(about["architecture"]), {**held, **narrow}, elsewhere, digests, nbytes, made, extra)


def seal(text: str) -> str:
    """What proves the description of a block."""
    return blake3(text.encode()).hexdigest()
