"""The file of one block, in the format of safetensors: tensors that no other file of the store holds, and where the
others are.

Tensors have the names "0", "1", … in the order in which the block's code takes them. Besides them the header has
``block`` in safetensors' metadata, a digest and JSON that it proves: the block's identity, the fingerprint of its
code, the digests of all its tensors, and of those that lie in a block's file already, whose and which tensor of
that block. Files of earlier versions have the fingerprint alone, in ``architecture``, and hold all their tensors.

Large tensors come first, so that those that a fine-tune shares with its base mostly lie side by side; of large
blocks they begin at a page of the file.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from blake3 import blake3

from alsatian.errors import StoreError
from alsatian.fingerprint import DIGEST, DIGEST_LENGTH, tensor_bytes

TYPES: Mapping[str, torch.dtype] = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "U16": torch.uint16,
    "I32": torch.int32, "U32": torch.uint32, "I64": torch.int64, "U64": torch.uint64, "F16": torch.float16,
    "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "C64": torch.complex64,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
    "F8_E4M3FNUZ": torch.float8_e4m3fnuz, "F8_E5M2FNUZ": torch.float8_e5m2fnuz,
}  # fmt: skip
"""PyTorch's types by their names in safetensors."""
_NAMES = {dtype: name for name, dtype in TYPES.items()}
_PAGE, _LINE = 4096, 64
# Bytes from which on the rest of a page does not matter.
_LARGE = 1_000_000
# A header's length comes first, as safetensors writes it, and is at most so many bytes, as it wants them.
_LENGTH, _LONGEST = 8, 100_000_000
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
    """A tensor in a file: its type and shape, and its bytes from ``offset`` on, from the start of the file."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Header:
    """What the file of a block says of it.

    Attributes:
        architecture: fingerprint of the code that its tensors belong to.
        held: tensors in this file, by their place in the block.
        elsewhere: the others.
        digests: of all tensors, see :func:`~alsatian.fingerprint.parameter_fingerprint`; none in files of earlier
            versions.
        nbytes: of the header; the first tensor begins there.
    """

    architecture: str
    held: Mapping[int, Held]
    elsewhere: Mapping[int, Place] = field(default_factory=dict)
    digests: tuple[str, ...] = ()
    nbytes: int = 0

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
        """Tensors of the block."""
        return len(self.held) + len(self.elsewhere)


class Content(NamedTuple):
    """What the file of a block is to hold: its header, and behind that tensors, in this order."""

    header: bytes
    tensors: Sequence[torch.Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return len(self.header) + sum(tensor.nbytes for tensor in self.tensors)

    def write(self, file: Path) -> None:
        """Write ``file``.

        Raises:
            OSError: it cannot be written.
        """
        with file.open("wb") as out:
            out.write(self.header)
            for tensor in self.tensors:
                out.write(tensor_bytes(tensor))


def content(
    identity: str,
    architecture: str,
    tensors: Sequence[torch.Tensor],
    digests: Sequence[str],
    elsewhere: Mapping[int, Place],
) -> Content:
    """The file of the block ``identity``, without those of its ``tensors`` that are ``elsewhere``.

    Raises:
        KeyError: safetensors has no such type.
    """
    own = [i for i in range(len(tensors)) if i not in elsewhere]
    own.sort(key=lambda i: (-tensors[i].element_size(), -tensors[i].nbytes, i))
    others = {str(i): list(place) for i, place in elsewhere.items()}
    about = {"identity": identity, "architecture": architecture, "digests": list(digests), "elsewhere": others}
    sealed = json.dumps(about, separators=(",", ":"))
    entries: dict[str, Any] = {"__metadata__": {"block": _digest(sealed) + sealed}}
    end = 0
    for i in own:
        start, end = end, end + tensors[i].nbytes
        shape = list(tensors[i].shape)
        entries[str(i)] = {"dtype": _NAMES[tensors[i].dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    step = _PAGE if end >= _LARGE else _LINE
    text += b" " * (-(_LENGTH + len(text)) % step)  # which safetensors allows
    return Content(len(text).to_bytes(_LENGTH, "little") + text, [tensors[i] for i in own])


def read_header(read: Read, size: int | None, identity: str) -> Header:
    """The header of the file of block ``identity``, which has ``size`` bytes, or as many as its header says.

    Raises:
        ValueError: it is damaged, cut off or another block's.
    """
    front = read(0, _FRONT)
    length = int.from_bytes(front[:_LENGTH], "little")
    if len(front) < _LENGTH or length > min(_LONGEST, _LONGEST if size is None else size - _LENGTH):
        raise ValueError("no header")
    text = front[_LENGTH : _LENGTH + length]
    if len(text) < length:
        text += read(len(front), length - len(text))
    try:
        entries = json.loads(text)
        metadata = entries.pop("__metadata__", {})
        held = {_place(name): _held(entry, _LENGTH + length) for name, entry in entries.items()}
        if "block" in metadata:
            header = _described(metadata["block"], held, identity, _LENGTH + length)
        else:
            header = Header(str(metadata["architecture"]), held, nbytes=_LENGTH + length)
    except (KeyError, TypeError, AttributeError, RecursionError, UnicodeDecodeError):
        raise ValueError("not the header of a block") from None
    if sorted({*held, *header.elsewhere}) != list(range(header.count)):
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
    if digest != _digest(text):
        raise ValueError("another content than its digest says: it was changed or is damaged")
    about = json.loads(text)
    if about["identity"] != identity:
        raise ValueError(f"the file of block {about['identity'][:12]}…")
    digests = tuple(map(str, about["digests"]))
    elsewhere = {int(i): Place(block, int(number)) for i, (block, number) in about["elsewhere"].items()}
    if len(digests) != len(held) + len(elsewhere) or not all(DIGEST.fullmatch(p.block) for p in elsewhere.values()):
        raise ValueError("not the header of a block")
    return Header(str(about["architecture"]), held, elsewhere, digests, nbytes)


def _digest(text: str) -> str:
    return blake3(text.encode()).hexdigest()
