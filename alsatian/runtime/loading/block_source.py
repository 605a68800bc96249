"""Where the parameters of blocks come from: a local copy if there is one, the store otherwise."""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.errors import StoreError
from alsatian.runtime.loading.local_copies import VERIFIED, BlockCache
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.store.parts import Part, Parts
from alsatian.store.store import BlockStore


class Need(NamedTuple):
    """A block that will be needed, the code that it belongs to, and a model for error messages; of the block all,
    or a part."""

    block: Block
    segment: Segment
    model: str
    part: Part | None = None

    @property
    def identity(self) -> str:
        """Of what is needed."""
        return self.block.identity if self.part is None else self.part.identity

    @property
    def nbytes(self) -> int:
        """That it takes in memory."""
        return self.block.parameter_bytes if self.part is None else self.part.nbytes

    @property
    def unit(self) -> Block:
        """What is needed as if it were a block, for what it costs."""
        return self.block if self.part is None else self.part.unit

    def in_parts(self, parts: Parts) -> list["Need"]:
        """The same as needs of the parts of the block."""
        return [self._replace(part=part) for part in parts.get(self.block.identity, (None,))]

    def arranged(self, tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The parameters that are needed, made of what is stored for them."""
        if self.part is None:
            return self.segment.arrange(tensors)
        return self.segment.arrange(dict(zip(self.part.sources, tensors, strict=True)), self.part.parameters)


def in_parts(steps: Iterable[Sequence[Need]], parts: Parts) -> Iterable[Sequence[Need]]:
    """The same ``steps`` with needs of the parts of blocks that have some."""
    return ([part for need in step for part in need.in_parts(parts)] for step in steps) if parts else steps


def joined(need: Need, parts: Parts, found: Sequence[Sequence[torch.Tensor]]) -> list[torch.Tensor]:
    """The parameters of a call, of what was ``found`` for the parts of a block, or for all of it."""
    if need.block.identity not in parts:
        return list(found[0])
    own = parts[need.block.identity]
    by_place = {
        i: t for part, some in zip(own, found, strict=True) for i, t in zip(part.parameters, some, strict=True)
    }
    return need.segment.prepare([by_place[i] for i in range(len(by_place))])


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
        """What is stored for the parameters that are needed, each tensor in memory of its own.

        ``read`` is called once the store is not read any more, before what was read is verified.

        Raises:
            StoreError: its file is missing, damaged, made from other code or of another size than the
                model's manifest says; names file and model.
        """
        block, segment, model, part = need
        with contextlib.ExitStack() as stack:
            if self.copies is not None:
                copy = stack.enter_context(self.copies.opened(need.identity, model, segment.stored_for))
                if copy is not None:
                    read()
                    self._check(need, copy)
                    yield copy
                    return
        start = time.perf_counter()

        def came(fetched: Fetched) -> None:
            self.meter.read(fetched.size, time.perf_counter() - start)
            self.meter.count("blocks_read", bool(fetched.size))  # or the mirror had it
            self.meter.count("bytes_read", fetched.size)
            self.meter.count("warm_reads", fetched.warm)
            read()

        heard = partial(self.meter.count, VERIFIED)
        heard(0)
        found = self.store.read_block(
            block.identity,
            model,
            segment.stored_for,
            wanted=None if part is None else part.sources,
            reader=self.reader,
            owner=model if self.model_files else None,
            came=came,
            heard=heard,
        )
        tensors = found.in_order
        self._check(need, tensors)
        yield tensors
        if self.copies is not None:
            self.copies.keep(need.identity, found)

    def _check(self, need: Need, tensors: list[torch.Tensor]) -> None:
        """Refuse what does not fit its code or would take other room than was reserved for it."""
        path, model = self.store.block_path(need.block.identity), need.model
        if need.part is not None:
            return  # which was made of what the files say now
        if len(tensors) != len(need.segment.parameter_names):
            raise StoreError(f"{path}: a block of model '{model}' does not fit its architecture")
        if (size := sum(t.nbytes for t in tensors)) != need.block.parameter_bytes:
            raise StoreError(
                f"{path}: a block of model '{model}' has {size} bytes of parameters where the manifest says "
                f"{need.block.parameter_bytes}; add the model again"
            )
