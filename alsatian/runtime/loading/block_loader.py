"""Brings the parameters of blocks to the device, keeps some of them there, and reads ahead."""

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from alsatian.blocks.candidate import Block
from alsatian.errors import StoreError
from alsatian.runtime.loading.arrival import Bases, Stored, made, may_stay_narrow, to_bring
from alsatian.runtime.loading.block_source import AT_ONCE, BlockSource, Need, Turn, in_parts, joined
from alsatian.runtime.loading.loader import Loader, Work, nothing_to_do
from alsatian.runtime.loading.residency import Residency
from alsatian.runtime.loading.settings import LANES, WORTH_BYTES
from alsatian.runtime.loading.transfer import Loaded, Parameters, Transfer, pinned_bytes, transfer_to
from alsatian.runtime.meter.meter import Meter
from alsatian.store.parts import NO_PARTS, Parts


class _Turns:
    """Of threads at the store: who has chosen a block makes ready for it while the bytes of another one come."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._choice, self._store = threading.Lock(), threading.Lock()

    @contextlib.contextmanager
    def turn(self) -> Iterator[Turn]:
        """Choose a block and read it, in the order in which they are chosen."""
        self._choice.acquire()
        held = [self._choice]

        def begin(beside: bool = True) -> None:
            if held == [self._choice]:
                with self._meter.stalled("prepare_model"):
                    self._store.acquire()
                held.append(self._store)
                if beside:
                    held.pop(0).release()

        def end() -> None:
            while held:
                held.pop().release()

        try:
            yield Turn(begin, end)
        finally:
            end()


class BlockLoader(Loader):
    """Reads blocks from ``source`` and keeps them on the device while they fit ``budget`` bytes.

    With a budget of 0 every use reads from the source, as from separate model files. With ``ahead`` threads bring
    the blocks of coming steps: they take turns at the store, which is read in the order of the plan, and make ready
    for large blocks, verify and copy them beside each other. Bytes are reserved before they are allocated, on
    either way, so the budget holds at every moment. :class:`Residency` decides what is kept and what is read ahead.

    Blocks that have ``parts`` are loaded part by part.

    ``host_budget`` bytes of pinned copies spare a GPU reading again what its own budget could not keep.
    """

    def __init__(
        self,
        source: BlockSource,
        meter: Meter,
        budget: int,
        *,
        host_budget: int = 0,
        ahead: bool = False,
        transfer: Transfer | None = None,
        parts: Parts = NO_PARTS,
    ) -> None:
        self._source = source
        self._parts = parts
        self._meter = meter
        self._ahead = ahead
        self._transfer = transfer or transfer_to(meter.device)
        self._residency = Residency(meter, self._transfer.mark, budget, host_budget)
        self._change = self._residency.change
        self._stopping = False
        self._turns = _Turns(meter)
        self._threads: list[threading.Thread] = []

    def follow(self, steps: Iterable[Sequence[Need]], budget: int | None = None) -> None:
        self.stop()
        keeps = self._residency.follow(in_parts(steps, self._parts), budget)
        if keeps and self._ahead and self._residency.to_bring() > self._source.at_once_bytes:
            self._stopping = False
            self._threads = [
                threading.Thread(target=self._run_ahead, name="read-ahead", daemon=True) for _ in range(LANES)
            ]
            for thread in self._threads:
                thread.start()

    def advance(self) -> None:
        self._residency.advance()

    def load(self, need: Need, meanwhile: Work = nothing_to_do) -> Parameters:
        if need.block.identity not in self._parts:
            return self._load(need, meanwhile, {})
        found: dict[str, Parameters] = {}
        for part in need.in_parts(self._parts):
            found[part.identity] = self._load(part, meanwhile, found)
        return joined(need, self._parts, [*found.values()])

    def _load(self, need: Need, meanwhile: Work, bases: Bases) -> Parameters:
        """``bases`` has the parts that it is made of."""
        identity, fetching = need.identity, self._residency.fetching
        with self._meter.part("prepare_model", subject=need.subject):
            while identity in fetching and meanwhile():
                pass
            with self._change:
                if identity in fetching:
                    with self._meter.stalled("prepare_model"):
                        self._change.wait_for(lambda: identity not in fetching)
                loaded, room = self._residency.claim(need)
            if loaded is None:
                loaded = self._fetch(need, room, bases)
            self._transfer.hand_over(loaded)
            return loaded.parameters

    def resident(self, needs: Sequence[Need]) -> list[Parameters] | None:
        found = self._residency.borrow([part for need in needs for part in need.in_parts(self._parts)])
        for loaded in found or ():
            self._transfer.hand_over(loaded)
        if found is None:
            return None
        given = iter(loaded.parameters for loaded in found)
        return [joined(need, self._parts, [next(given) for _ in need.in_parts(self._parts)]) for need in needs]

    def holds(self, blocks: Iterable[Block]) -> bool:
        return self._residency.holds(blocks)

    def stop(self) -> None:
        with self._change:
            self._stopping = True
            self._change.notify_all()
        if self._threads:
            with self._meter.stalled("prepare_model"):
                for thread in self._threads:
                    thread.join()
            self._threads = []
        self._residency.end()

    def close(self) -> None:
        self.stop()
        self._residency.clear()

    def give_up(self) -> int:
        with self._change:
            self._residency.pause()
            with self._meter.stalled("prepare_model"):
                self._change.wait_for(lambda: not self._residency.fetching)
            return self._residency.shrink()

    def _run_ahead(self) -> None:
        while True:
            with self._turns.turn() as turn:
                if (order := self._next_order()) is None:
                    return
                need, room = order
                if need.nbytes < WORTH_BYTES:  # nothing goes on beside it
                    turn.begin(False)
                    turn = AT_ONCE
                try:
                    part = self._meter.part("prepare_model", subject=need.subject)
                    with part, self._residency.lent(need.bases) as bases:
                        self._fetch(need, room, bases, turn)
                except StoreError:  # the caller meets the same error in its own thread, if it comes to that
                    self._residency.pass_over(need.identity)
                except (MemoryError, torch.OutOfMemoryError):
                    self._residency.pause()  # reading ahead is not worth an error; the next step tries again
                except Exception:
                    return

    def _next_order(self) -> tuple[Need, list[Any]] | None:
        """The next block to read ahead and what its room waits for; None when the plan ends."""
        order = None
        with self._change:
            while not self._stopping and (order := self._residency.order()) is None:
                self._change.wait()
        return order

    def _fetch(self, need: Need, room: list[Any] | None, bases: Bases | None, turn: Turn = AT_ONCE) -> Loaded:
        """Bring a block that is marked as being fetched into the room reserved for it, if any.

        ``bases`` has the parts that it is made of, unless they are not at hand.
        """
        loaded = None
        try:
            self._transfer.wait(room or ())
            loaded = self._bring(need, bases, turn)
            return loaded
        finally:
            self._residency.fetched(need.identity, loaded, room is not None)

    def _bring(self, need: Need, bases: Bases | None, turn: Turn) -> Loaded:
        host, copy = self._residency.host, None
        if bases is not None:
            with self._change:
                copy = host.get(need.identity)
        if copy is not None:
            self._meter.count("host_block_hits")
            turn.end()
        staged = self._stage(need, bases is not None, turn) if copy is None else copy
        here = self._transfer.bring(staged.parameters, staged.narrow, lambda brought: made(need, brought, bases))
        with self._change:
            host.mark([need.identity], here.ready)
        return here if need.part else here._replace(parameters=need.segment.prepare(here.parameters))

    def _stage(self, need: Need, based: bool, turn: Turn) -> Loaded:
        """What is to be brought, in the host's memory, kept there if the host's budget has room."""
        identity, staged = need.identity, None
        narrow = may_stay_narrow(need, based) if self._transfer.widens else ()
        with self._source.opened(need, turn, based, narrow) as found:
            tensors, small = to_bring(need, Stored(found.in_order, found.narrow), based)
            size = pinned_bytes([t.nbytes for t in tensors])
            room = self._residency.reserve_host(identity, size) if based else None
            try:
                self._transfer.wait(room or ())
                staged = Loaded(self._transfer.stage(tensors), narrow=small)
                return staged
            finally:
                if room is not None:
                    with self._change:
                        self._residency.host.fill(identity, staged)
