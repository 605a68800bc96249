"""Brings the parameters of blocks to the device, keeps some of them there, and reads ahead."""

import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import torch

from alsatian.errors import StoreError
from alsatian.runtime.loading.block_source import BlockSource, Need
from alsatian.runtime.loading.foresight import NEVER, Foresight
from alsatian.runtime.loading.resident_blocks import Residents
from alsatian.runtime.loading.transfer import Loaded, Parameters, Transfer, pinned_bytes, transfer_to
from alsatian.runtime.meter.meter import Meter


class BlockLoader:
    """Reads blocks from ``source`` and keeps them on the device while they fit ``budget`` bytes.

    A budget of 0 keeps nothing: every use reads from the source, as from separate model files. What does
    not fit is read for the step that needs it and is no resident block; a block that the current step uses
    stays until the step is over, since its memory would not be free any earlier.

    With ``ahead`` a thread reads the blocks of coming steps in order, into room that is free or that holds
    blocks which the plan does not need any more. Blocks that are needed again give way to those of the next
    step only, and only if they are needed later: further ahead, reading early would mean reading more often.
    Bytes are reserved before they are allocated, on either way, so the budget holds at every moment.

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
    ) -> None:
        self._source = source
        self._meter = meter
        self._ahead = ahead
        self._transfer = transfer or transfer_to(meter.device)
        self._foresight = Foresight()
        on_device = partial(meter.holds, "resident_block_bytes")
        on_host = partial(meter.peak, "host_block_bytes")
        self._device = Residents(budget, self._foresight.next_use, self._foresight.go_back, on_device)
        self._host = Residents(host_budget, self._foresight.next_use, lambda _: None, on_host)
        self._change = threading.Condition()  # guards everything below and the two tiers
        self._fetching: set[str] = set()
        self._in_use: set[str] = set()
        self._unreadable: set[str] = set()
        self._paused = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def follow(self, steps: Iterable[Sequence[Need]], budget: int | None = None) -> None:
        """Expect a plan whose steps need these blocks, and begin to read ahead.

        ``budget`` is that of the device from now on, if it is not to stay as it is.
        Every step has to be announced with :meth:`advance`. ``steps`` are left alone if nothing is kept.
        """
        self.stop()
        if not (self._device.budget or self._host.budget):
            return
        with self._change:
            self._foresight.follow(steps)
            if budget is not None:
                self._device.resize(budget)
            self._stopping = self._paused = False
        if self._ahead:
            self._thread = threading.Thread(target=self._run_ahead, name="read-ahead", daemon=True)
            self._thread.start()

    def advance(self) -> None:
        """The next step of the plan begins; the blocks of the last one are not in use any more."""
        with self._change:
            self._end_step()
            self._paused = False
            self._foresight.advance()
            self._change.notify_all()

    def load(self, need: Need) -> Parameters:
        """The parameters of a block on the device, ready to call its segment. Waits if it is on its way.

        Raises:
            StoreError: its file is missing, damaged or made from other code; names the model.
        """
        with self._meter.part("prepare_model"):
            identity, size = need.block.identity, need.block.parameter_bytes
            with self._change:
                if identity in self._fetching:
                    with self._meter.stalled("prepare_model"):
                        self._change.wait_for(lambda: identity not in self._fetching)
                self._foresight.used(identity)
                if self._foresight.follows:
                    self._in_use.add(identity)
                loaded, room = self._device.get(identity), None
                if loaded is None:
                    self._fetching.add(identity)
                    if not self._paused:
                        later = self._foresight.next_use(identity)
                        room = self._device.reserve(identity, size, later, self._in_use, equal=True)
            if loaded is None:
                loaded = self._fetch(need, room)
            self._transfer.hand_over(loaded)
            return loaded.parameters

    def stop(self) -> None:
        """End the plan. Waits for the block being read; what is resident stays."""
        with self._change:
            self._stopping = True
            self._change.notify_all()
        if self._thread is not None:
            with self._meter.stalled("prepare_model"):
                self._thread.join()
            self._thread = None
        with self._change:
            self._end_step()
            self._foresight.follow(())
            self._unreadable.clear()

    def close(self) -> None:
        """End the search: drop everything at once, not when garbage is next collected."""
        self.stop()
        self._device.clear()
        self._host.clear()

    def give_up(self) -> int:
        """Drop all blocks on the device, for when memory runs out, and return their bytes.

        Nothing is kept or read ahead before the next step, and from then on at most half as much: what was
        held was too much. The caller drops what it holds of the current step itself.
        """
        with self._change:
            self._paused = True
            with self._meter.stalled("prepare_model"):
                self._change.wait_for(lambda: not self._fetching)
            freed = self._device.clear()
            if freed:
                self._device.budget = freed // 2
        return freed

    def _run_ahead(self) -> None:
        while (order := self._next_order()) is not None:
            need, room = order
            try:
                with self._meter.part("prepare_model"):
                    self._fetch(need, room)
            except StoreError:
                with self._change:  # the caller meets the same error in its own thread, if it comes to that
                    self._unreadable.add(need.block.identity)
            except (MemoryError, torch.OutOfMemoryError):
                with self._change:
                    self._paused = True  # reading ahead is not worth an error; the next step tries again
            except Exception:
                return

    def _next_order(self) -> tuple[Need, list[Any]] | None:
        """The next block to read ahead and what its room waits for; None when the plan ends."""
        order = None
        with self._change:
            while not self._stopping and (order := self._order()) is None:
                self._change.wait()
        return order

    def _order(self) -> tuple[Need, list[Any]] | None:
        """The next block to read ahead, with room reserved and what that waits for; None if there is none now."""
        if self._paused or (upcoming := self._upcoming()) is None:
            return None
        step, need = upcoming
        identity, size = need.block.identity, need.block.parameter_bytes
        limit, equal = (step, False) if step <= self._foresight.now + 1 else (NEVER, True)
        room = self._device.reserve(identity, size, limit, self._in_use, equal=equal)
        if room is not None:
            self._fetching.add(identity)
        return None if room is None else (need, room)

    def _upcoming(self) -> tuple[int, Need] | None:
        """The next use of a block that is neither here nor on its way, and could be."""
        while (upcoming := self._foresight.upcoming()) is not None:
            step, need = upcoming
            identity, size = need.block.identity, need.block.parameter_bytes
            known = identity in self._device or identity in self._fetching or identity in self._unreadable
            # The step may have used it already.
            if not known and size <= self._device.budget and self._foresight.next_use(identity) <= step:
                return upcoming
            self._foresight.pass_on()
        return None

    def _fetch(self, need: Need, room: list[Any] | None) -> Loaded:
        """Read a block that is marked as being fetched into the room reserved for it, if any."""
        loaded = None
        try:
            self._transfer.wait(room or ())
            loaded = self._bring(need)
            return loaded
        finally:
            self._fetched(need.block.identity, loaded, room is not None)

    def _fetched(self, identity: str, loaded: Loaded | None, reserved: bool) -> None:
        """A block has come, or could not be had."""
        with self._change:
            self._fetching.discard(identity)
            if reserved:
                self._device.fill(identity, loaded)
            if not reserved or loaded is None:
                # Reading ahead may have passed by a later use, since the block was on its way.
                self._foresight.go_back(identity)
            self._change.notify_all()

    def _bring(self, need: Need) -> Loaded:
        with self._change:
            copy = self._host.get(need.block.identity)
        if copy is not None:
            self._meter.count("host_block_hits")
        staged = self._stage(need) if copy is None else copy.parameters
        parameters, ready = self._transfer.bring(staged)
        with self._change:
            self._host.mark([need.block.identity], ready)
        return Loaded(need.segment.prepare(parameters), ready)

    def _stage(self, need: Need) -> Parameters:
        """Copies in the host's memory, kept there if the host's budget has room."""
        identity, staged = need.block.identity, None
        with self._source.opened(need) as mapped:
            with self._change:
                size, later = pinned_bytes([t.nbytes for t in mapped]), self._foresight.next_use(identity)
                room = self._host.reserve(identity, size, later, equal=True)
            try:
                self._transfer.wait(room or ())
                staged = self._transfer.stage(mapped)
                return staged
            finally:
                if room is not None:
                    with self._change:
                        self._host.fill(identity, None if staged is None else Loaded(staged))

    def _end_step(self) -> None:
        if self._in_use:
            self._device.mark(self._in_use, self._transfer.mark())
            self._in_use.clear()
