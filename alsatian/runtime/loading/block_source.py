"""Where the parameters of blocks come from: a local copy if there is one, the store otherwise."""

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.blocks.store import BlockStore
from alsatian.errors import StoreError
from alsatian.runtime.loading.local_copies import VERIFIED, BlockCache
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.regime import Reader


class Need(NamedTuple):
    """A block that will be needed, the code that it belongs to, and a model for error messages."""

    block: Block
    segment: Segment
    model: str


@dataclass(frozen=True)
class BlockSource:
    """Reads blocks of ``store`` through ``reader``, once each while ``copies`` has room for them.

    With ``model_files`` every model has files of its own, as for strategies that do not share.

    Counters: ``blocks_read`` and ``bytes_read`` from the store, ``warm_reads`` that should have been cold,
    ``bytes_verified`` of parameters.
    """

    store: BlockStore
    reader: Reader
    meter: Meter
    copies: BlockCache | None = None
    model_files: bool = False

    @contextlib.contextmanager
    def opened(self, need: Need, read: Callable[[], None]) -> Iterator[list[torch.Tensor]]:
        """The parameters of a block as views of a mapped file; the list is emptied at the end.

        ``read`` is called once the store is not read any more, before what was read is verified.

        The file must not stay mapped, or its pages could not be dropped before they are read again.

        Raises:
            StoreError: its file is missing, damaged, made from other code or of another size than the
                model's manifest says; names file and model.
        """
        block, segment, model = need
        with contextlib.ExitStack() as stack:
            if self.copies is not None:
                copy = stack.enter_context(self.copies.opened(block.identity, model, segment.stored_for))
                if copy is not None:
                    read()
                    self._check(need, copy)
                    yield copy
                    return
        path = self.store.block_path(block.identity)
        start = time.perf_counter()
        try:
            fetched = self.reader.fetch(path, model) if self.model_files else self.reader.fetch(path)
        except OSError as error:
            raise StoreError(
                f"{path}: cannot read a block of model '{model}' ({error.strerror}); add the model again"
            ) from None
        self.meter.read(fetched.size, time.perf_counter() - start)
        read()
        heard = partial(self.meter.count, VERIFIED)
        heard(0)
        tensors = self.store.load_block(block.identity, model, segment.stored_for, heard)
        self._check(need, tensors)
        self.meter.count("blocks_read")
        self.meter.count("bytes_read", fetched.size)
        self.meter.count("warm_reads", fetched.warm)
        try:
            yield tensors
        finally:
            tensors.clear()
        if self.copies is not None:
            self.copies.keep(block.identity, path)

    def _check(self, need: Need, tensors: list[torch.Tensor]) -> None:
        """Refuse what does not fit its code or would take other room than was reserved for it."""
        path, model = self.store.block_path(need.block.identity), need.model
        if len(tensors) != len(need.segment.parameter_names):
            raise StoreError(f"{path}: a block of model '{model}' does not fit its architecture")
        if (size := sum(t.nbytes for t in tensors)) != need.block.parameter_bytes:
            raise StoreError(
                f"{path}: a block of model '{model}' has {size} bytes of parameters where the manifest says "
                f"{need.block.parameter_bytes}; add the model again"
            )
