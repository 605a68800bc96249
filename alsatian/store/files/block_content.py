"""What the file of a block is to hold, and writing it.

Large tensors come first, so that those that a fine-tune shares with its base mostly lie side by side; of large
blocks they begin at a page of the file.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from alsatian.fingerprint import tensor_bytes
from alsatian.store.files.block_file import LENGTH, TYPES, Place, seal
from alsatian.store.files.encodings import narrowed
from alsatian.store.files.made import Made, described

_NAMES = {dtype: name for name, dtype in TYPES.items()}
_PAGE, _LINE = 4096, 64
# Bytes from which on the rest of a page does not matter.
_LARGE = 1_000_000
NOTHING_MADE: Mapping[int, Made] = {}


class Content(NamedTuple):
    """What the file of a block is to hold: its header, and behind that tensors, in this order; whether one of
    them is in a smaller type."""

    header: bytes
    tensors: Sequence[torch.Tensor]
    narrow: bool = False

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
    made: Mapping[int, Made] = NOTHING_MADE,
    extra: int = 0,
) -> Content:
    """The file of the block ``identity``, without those of its ``tensors`` that are ``elsewhere`` or ``made`` of
    others; for these there are ``extra`` ones at the end.

    Raises:
        KeyError: safetensors has no such type.
    """
    own = [i for i in range(len(tensors)) if i not in elsewhere and i not in made]
    smaller = {i: small for i in own if (small := narrowed(tensors[i])) is not None}
    tensors = [smaller.get(i, tensor) for i, tensor in enumerate(tensors)]
    own.sort(key=lambda i: (-tensors[i].element_size(), -tensors[i].nbytes, i))
    about = {
        "identity": identity,
        "architecture": architecture,
        "digests": list(digests),
        "elsewhere": {str(i): list(place) for i, place in elsewhere.items()},
        "narrow": sorted(smaller),
        **described(made),
        "extra": extra,
    }
    sealed = json.dumps(about, separators=(",", ":"))
    entries: dict[str, Any] = {"__metadata__": {"block": seal(sealed) + sealed}}
    end = 0
    for i in own:
        start, end = end, end + tensors[i].nbytes
        shape = list(tensors[i].shape)
        entries[str(i)] = {"dtype": _NAMES[tensors[i].dtype], "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(entries, separators=(",", ":")).encode()
    step = _PAGE if end >= _LARGE else _LINE
    text += b" " * (-(LENGTH + len(text)) % step)  # which safetensors allows
    return Content(len(text).to_bytes(LENGTH, "little") + text, [tensors[i] for i in own], bool(smaller))
