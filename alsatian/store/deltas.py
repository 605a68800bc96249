"""Which of a block's tensors are to be held as deltas, and of what.

A delta is of a tensor at the same place of a block with the same code, which is held as it is: so one more read is
all that it takes, and whatever is damaged costs no more. Of the blocks there are that one is taken from which a
sample of the values differs in the fewest bits; of a fine-tune that is its base, or a sibling if that is nearer or
the base is not there.
"""

import time
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch

from alsatian.blocks.delta import pack, restored, share_of_bits, unpack
from alsatian.errors import StoreError
from alsatian.fingerprint import tensor_bytes
from alsatian.store.files.block_file import Held, Place
from alsatian.store.files.encodings import narrowed, widened
from alsatian.store.files.made import Made
from alsatian.store.files.tensor_index import TensorIndex
from alsatian.store.store_files import StoreFiles

SAVES = 0.2
"""The share of its size by which a tensor has to be smaller as a delta."""
# What is looked at of a tensor.
_WINDOWS, _VALUES = 4, 1024


class Deltas:
    """Deltas in ``store``, which is read at ``bandwidth`` bytes per second; none but known ones if that is None."""

    def __init__(self, store: StoreFiles, index: TensorIndex, bandwidth: float | None) -> None:
        self._store, self._index, self._bandwidth = store, index, bandwidth

    def of(
        self,
        identity: str,
        architecture: str,
        tensors: Sequence[torch.Tensor],
        places: Mapping[int, Place | None],
        among: Collection[str] | None = None,
    ) -> tuple[dict[int, Made], list[torch.Tensor]]:
        """Those of the ``tensors`` at ``places`` of block ``identity`` that are to be deltas, and what they are
        made of, to follow all ``tensors``. They are of tensors in blocks ``among`` these, or in any, unless the
        tensor at the other place that is given is a delta already.

        Raises:
            ConfigError: the package that compresses is missing.
        """
        made: dict[int, Made] = {}
        sources: list[torch.Tensor] = []
        alike = [b for b in self._index.alike(architecture) if b != identity] if self._bandwidth and places else []
        if among is not None:
            alike = [block for block in alike if block in among]
        for i in sorted(places):
            # What is a delta already is one of the same tensor again, so that both have it in common.
            base = self.base_of(places[i])
            if base is None and not alike:
                continue
            tensor, plain = tensors[i], narrowed(tensors[i])
            size = tensor.nbytes if plain is None else plain.nbytes
            chosen = base or self._nearest(alike, i, tensor, (1 - SAVES) * size / tensor.nbytes)
            if chosen is None or (values := self._read(chosen)) is None:
                continue
            packed = pack(tensor, values)
            start = time.thread_time()
            again = restored(unpack(packed), values)
            seconds = time.thread_time() - start
            if tensor_bytes(again) == tensor_bytes(tensor) and (
                base or self._is_worth(packed.nbytes, size, seconds)
            ):
                first = len(tensors) + len(sources)
                made[i] = Made(first, (first + 1,), None, size)
                sources += [values, packed]
        return made, sources

    def _is_worth(self, packed: int, plain: int, seconds: float) -> bool:
        """Whether a delta of ``packed`` bytes that is undone in so many ``seconds`` saves enough of the ``plain``
        bytes, and time if its base is at hand."""
        return packed <= (1 - SAVES) * plain and packed + seconds * (self._bandwidth or 0.0) < plain

    def base_of(self, place: Place | None) -> Place | None:
        """What the tensor at ``place`` is a delta of; None if it is none, or if that is not known."""
        try:
            header = self._store.header(place.block) if place else None
        except StoreError:
            return None
        made = header.made.get(place.number) if header and place else None
        if made is None or not made.is_delta or header is None or place is None:
            return None
        return header.elsewhere.get(made.base, Place(place.block, made.base))

    def _nearest(self, blocks: Sequence[str], number: int, tensor: torch.Tensor, most: float) -> Place | None:
        """That of the tensors ``number`` of these ``blocks`` which needs the least of the size of ``tensor`` as a
        delta of it, and less than the share ``most``."""
        flat = tensor.reshape(-1)
        starts = [round(x) for x in np.linspace(0, max(0, len(flat) - _VALUES), _WINDOWS)]
        ours = _bytes([flat[start : start + _VALUES] for start in starts])
        found = None
        for block in blocks:
            if not self._store.block_path(block).exists():
                continue  # or its header would be looked for elsewhere
            try:
                held = self._store.header(block).held.get(number)
                if held is None or not _fits(held, tensor):
                    continue
                theirs = _bytes(self._sampled(block, held, starts))
            except (OSError, ValueError, StoreError):
                continue
            if len(theirs) == len(ours) and (share := share_of_bits(ours, theirs, tensor.element_size())) < most:
                found, most = Place(block, number), share
        return found

    def _sampled(self, block: str, held: Held, starts: Sequence[int]) -> list[torch.Tensor]:
        """Some values of a tensor, in its own type. Files of a store elsewhere that are not here are no use."""
        windows = []
        with self._store.block_path(block).open("rb", buffering=0) as file:
            for start in starts:
                file.seek(held.offset + start * held.dtype.itemsize)
                values = torch.frombuffer(bytearray(file.read(_VALUES * held.dtype.itemsize)), dtype=held.dtype)
                windows.append(widened(values) if held.narrow else values)
        return windows

    def _read(self, place: Place) -> torch.Tensor | None:
        """The tensor at ``place``, in its own type; None if it is damaged."""
        try:
            return self._store.read_block(place.block, "", wanted=[place.number]).in_order[0]
        except StoreError:
            return None


def _fits(held: Held, tensor: torch.Tensor) -> bool:
    dtype = torch.float32 if held.narrow else held.dtype
    return held.shape == tuple(tensor.shape) and dtype == tensor.dtype


def _bytes(windows: Sequence[torch.Tensor]) -> np.ndarray:
    return np.concatenate([np.frombuffer(tensor_bytes(window), np.uint8) for window in windows])
