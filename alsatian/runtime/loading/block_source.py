"""Where the parameters of blocks come from: a local copy if there is one, the store otherwise."""

import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.errors import StoreError
from alsatian.runtime.loading import settings
from alsatian.runtime.loading.local_copies import VERIFIED, BlockCache
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.meter.timeline import Subject
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.store.block_reading import Reading
from alsatian.store.parts import Part, Parts
from alsatian.store.store import BlockStore


def nothing() -> None:
    """For who has nothing to say."""


class Turn(NamedTuple):
    """At the store: ``begin`` is called when all is ready for reading, also several times, and ``end`` once the
    store is not read any more, before what was read is verified."""

    begin: Callable[..., None] = nothing
    end: Callable[[], None] = nothing


AT_ONCE = Turn()


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

    @property
    def subject(self) -> Subject:
        """What the time for it is spent on."""
        return Subject((self.model,), (self.block.identity,))

    @property
    def bases(self) -> Collection[str]:
        """The parts that it is made of."""
        return () if self.part is None else self.part.bases

    @property
    def numbers(self) -> Sequence[int]:
        """The parameters that are needed, see :class:`Part`."""
        return range(len(self.segment.made_of)) if self.part is None else self.part.parameters

    def places(self, based: bool) -> Sequence[int]:
        """The tensors of the block to be read; ``based`` if the parts that parameters are made of are at hand."""
        if self.part is None:
            return range(len(self.segment.parameter_names))
        return self.part.sources if based else self.part.alone


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
    return need.segment.prepare([by_place[i] for i in range(len(need.segment.made_of))])


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

    @property
    def at_once_bytes(self) -> int:
        """What can be read when it is needed, since that takes no time worth speaking of."""
        return 0 if self.store.mirror or not self.reader.is_free else settings.AT_ONCE_BYTES

    @contextlib.contextmanager
    def opened(self, need: Need, turn: Turn, based: bool = True, narrow: Collection[int] = ()) -> Iterator[Reading]:
        """What is stored for the parameters that are needed, each tensor in memory of its own.

        ``based`` says that the parts that they are made of are at hand, ``narrow`` which tensors, by their
        number, may be in the smaller type that they are stored in. Reading is a ``turn`` at the store.

        Raises:
            StoreError: its file is missing, damaged, made from other code or of another size than the
                model's manifest says; names file and model.
        """
        block, segment, model, part = need
        copies = self.copies if based or part is None or not part.added else None
        with contextlib.ExitStack() as stack:
            if copies is not None:
                copy = stack.enter_context(copies.opened(need.identity, model, segment.stored_for, narrow))
                if copy is not None:
                    turn.end()
                    self._check(need, copy)
                    yield copy
                    return
        opened, began = time.perf_counter(), list[float]()

        def begin() -> None:
            turn.begin()
            began.append(time.perf_counter())

        def came(fetched: Fetched) -> None:
            self.meter.read(fetched.size, time.perf_counter() - (began or [opened])[0])
            self.meter.count("blocks_read", bool(fetched.size))  # or the mirror had it
            self.meter.count("bytes_read", fetched.size)
            self.meter.count("warm_reads", fetched.warm)
            turn.end()

        heard = partial(self.meter.count, VERIFIED)
        heard(0)
        found = self.store.read_block(
            block.identity,
            model,
            segment.stored_for,
            wanted=None if part is None else need.places(based),
            narrow=narrow,
            reader=self.reader.beginning(begin),
            owner=model if self.model_files else None,
            came=came,
            heard=heard,
        )
        self._check(need, found)
        yield found
        if copies is not None:
            copies.keep(need.identity, found)

    def _check(self, need: Need, found: Reading) -> None:
        """Refuse what does not fit its code or would take other room than was reserved for it."""
        path, model = self.store.block_path(need.block.identity), need.model
        if need.part is not None:
            return  # which was made of what the files say now
        if len(found.in_order) != len(need.segment.parameter_names):
            raise StoreError(f"{path}: a block of model '{model}' does not fit its architecture")
        if (size := found.full_bytes) != need.block.parameter_bytes:
            raise StoreError(
                f"{path}: a block of model '{model}' has {size} bytes of parameters where the manifest says "
                f"{need.block.parameter_bytes}; add the model again"
            )
