"""Blocks are read when they are not resident, stay within their budget, and are read ahead once."""

import contextlib
import errno
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.fx import Graph, GraphModule

from alsatian.blocks.candidate import Block
from alsatian.blocks.segment import Segment
from alsatian.errors import StoreError
from alsatian.runtime.loading.block_loader import BlockLoader
from alsatian.runtime.loading.block_source import BlockSource, Need
from alsatian.runtime.loading.settings import LANES
from alsatian.runtime.loading.transfer import Loaded, Parameters, Transfer
from alsatian.runtime.loading.transfer import Make as Making
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.reader import Fetched, Layout, Reader
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.block_reading import Reading
from alsatian.store.store import BlockStore
from tests.stores import add_block

SIZE = 40  # bytes of a block below
PATIENCE = 20  # seconds after which something that has to happen does not happen any more
MOMENT = 0.2  # seconds in which something that must not happen would happen


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


class SlowReader(Reader):
    """Notes what is read; each file, or one only, can be held up until the test lets it go."""

    def __init__(self) -> None:
        super().__init__(Store(self))
        self.own = threading.local()
        self.names: list[str] = []
        self.threads: set[str] = set()
        self.reading = self.most = 0
        self.only: str | None = None
        self.damaged: str | None = None
        self.go = threading.Event()
        self.go.set()

    def read(self, path: Path, layout: Layout, owner: str | None = None) -> Fetched:
        self.own.name = path.stem
        return super().read(path, layout, owner)


class Store(Throttle):
    """Is read for a :class:`SlowReader`."""

    def __init__(self, reader: SlowReader) -> None:
        super().__init__(None)
        self.reader = reader

    @contextlib.contextmanager
    def stream(self) -> Iterator[None]:
        reader, name = self.reader, self.reader.own.name
        reader.names.append(name)
        reader.reading += 1
        reader.most = max(reader.most, reader.reading)
        reader.threads.add(threading.current_thread().name)
        if reader.only in (None, name):
            assert reader.go.wait(PATIENCE)
        try:
            if name == reader.damaged:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            yield
        finally:
            reader.reading -= 1


class Setup:
    """A store of blocks of ``SIZE`` bytes each, and a loader."""

    def __init__(self, root: Path, budget: int, **settings: Any) -> None:
        self.store = BlockStore(root)
        self.reader = SlowReader()
        self.meter = Meter(torch.device("cpu"))
        self.source = BlockSource(self.store, self.reader, self.meter)
        self.loader = BlockLoader(self.source, self.meter, budget, **{"ahead": True, **settings})

    def need(self, value: int, count: int = 10, names: int = 1, code: str = "code") -> Need:
        graph = Graph()
        graph.output((graph.placeholder("s0"),))
        segment = Segment("code", tuple("abc"[:names]), (True, False, True)[:names], 4, GraphModule({}, graph))
        block = add_block(self.store, code, [torch.full((count,), float(value))], 4)
        return Need(block, segment, f"model-{value}")

    def read(self) -> int:
        return self.meter.counters["blocks_read"]

    def step(self, *needs: Need) -> list[float]:
        """The next step of a plan, which uses ``needs``; what they hold."""
        self.loader.advance()
        return [float(self.loader.load(need)[0].detach()[0]) for need in needs]


Make = Callable[..., Setup]


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Make]:
    made: list[Setup] = []

    def make(budget: int, **settings: Any) -> Setup:
        made.append(Setup(tmp_path / "store", budget, **settings))
        return made[-1]

    yield make
    for one in made:
        one.reader.go.set()
        one.loader.stop()


def test_parameters_are_those_that_were_stored(setup: Make) -> None:
    made = setup(1000)
    (tensor,) = made.loader.load(made.need(3))
    assert torch.equal(tensor, torch.full((10,), 3.0))
    assert tensor.requires_grad
    assert tensor.is_leaf


def test_without_a_budget_every_use_reads(setup: Make) -> None:
    made = setup(0)
    need = made.need(1)
    for _ in range(3):
        made.loader.load(need)
    assert made.read() == 3
    assert made.meter.counters["bytes_read"] == 3 * made.store.block_path(need.block.identity).stat().st_size
    assert made.meter.peaks.get("resident_block_bytes", 0) == 0


def test_without_a_budget_even_blocks_without_parameters_are_read(setup: Make) -> None:
    made = setup(0)
    need = made.need(1)._replace(block=add_block(made.store, "empty", [], 4))
    need = need._replace(segment=Segment("empty", (), (), 4, need.segment.code))
    for _ in range(3):
        assert made.loader.load(need) == []
    assert made.read() == 3


def test_resident_blocks_are_read_once(setup: Make) -> None:
    made = setup(3 * SIZE)
    needs = [made.need(i) for i in range(3)]
    for _ in range(3):
        for need in needs:
            made.loader.load(need)
    assert made.read() == 3
    assert made.meter.peaks["resident_block_bytes"] == 3 * SIZE


def test_the_least_recently_used_block_goes_first_and_the_budget_holds(setup: Make) -> None:
    made = setup(3 * SIZE + SIZE // 2)
    needs = {i: made.need(i) for i in range(1, 6)}
    reads = []
    for i in [1, 2, 3, 1, 4, 2, 5, 1, 2, 3, 4, 5, 5]:
        before = made.read()
        made.loader.load(needs[i])
        reads.append(made.read() - before)
    assert reads == [1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0]
    assert made.meter.peaks["resident_block_bytes"] == 3 * SIZE


def test_bytes_count_not_blocks(setup: Make) -> None:
    made = setup(3 * SIZE)
    small, large, huge = made.need(1), made.need(2, count=25), made.need(3, count=31)
    made.loader.load(small)
    made.loader.load(large)  # 100 bytes beside 40 are too much for 120
    made.loader.load(large)
    assert made.read() == 2
    made.loader.load(small)
    assert made.read() == 3
    for _ in range(2):
        made.loader.load(huge)  # never fits, and drives nothing out
    assert made.read() == 5
    made.loader.load(small)
    assert made.read() == 5
    assert made.meter.peaks["resident_block_bytes"] <= 3 * SIZE


def test_tensors_own_their_memory_and_are_aligned(setup: Make) -> None:
    """Kernels choose their code by alignment, so a block must not depend on where its file put it."""
    made = setup(1000)
    tensors = [torch.arange(float(n)) for n in (1, 3, 5, 7, 9, 33)]
    block = add_block(made.store, "code", tensors, 4)
    held = made.store.header(block.identity).held.values()
    assert any(one.offset % 64 for one in held)  # or this test could not fail
    code = made.need(0).segment.code
    segment = Segment("code", tuple("abcdef"), (True, False) * 3, 4, code)
    loaded = made.loader.load(Need(block, segment, "m"))
    assert [torch.equal(a, b) for a, b in zip(loaded, tensors, strict=True)] == [True] * 6
    assert [t.requires_grad for t in loaded] == [True, False] * 3
    assert all(t.data_ptr() % 64 == 0 for t in loaded)
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in loaded)


def test_a_missing_block_is_named(setup: Make) -> None:
    made = setup(1000)
    need = made.need(1)
    path = made.store.block_path(need.block.identity)
    path.unlink()
    with pytest.raises(StoreError, match="model-1") as error:
        made.loader.load(need)
    assert str(path) in str(error.value)


def test_a_truncated_block_is_named(setup: Make) -> None:
    made = setup(1000)
    need = made.need(1)
    path = made.store.block_path(need.block.identity)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="model-1") as error:
        made.loader.load(need)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("change", ["more parameters", "other code"])
def test_a_block_made_from_other_code_is_refused(setup: Make, change: str) -> None:
    made = setup(1000)
    need = made.need(1, names=2) if change == "more parameters" else made.need(1, code="other code")
    with pytest.raises(StoreError, match="model-1"):
        made.loader.load(need)


def test_the_time_is_charged_to_preparing_the_model(setup: Make) -> None:
    made = setup(1000)
    made.meter.start()
    made.loader.load(made.need(1))
    parts = made.meter.so_far().parts_s
    assert [part for part, seconds in parts.items() if seconds] == ["prepare_model"]


def test_a_block_of_another_size_than_its_manifest_says_is_refused(setup: Make) -> None:
    """Room is reserved by the manifest, so nothing else may be allocated."""
    made = setup(1000)
    need = made.need(1)
    need = need._replace(block=Block(need.block.identity, SIZE - 4, 4))
    with pytest.raises(StoreError, match=r"model-1.*40 bytes.*36"):
        made.loader.load(need)
    assert made.loader.give_up() == 0


def test_blocks_are_read_ahead_in_order_and_once(setup: Make) -> None:
    made = setup(1000)
    needs = [made.need(i) for i in range(5)]
    made.loader.follow([[needs[0], needs[1]], [], needs[2:], [needs[0]]])
    wait_for(lambda: made.read() == 5)
    assert made.step(needs[0], needs[1]) == [0, 1]
    assert made.step() == []
    assert made.step(*needs[2:]) == [2, 3, 4]
    assert made.step(needs[0]) == [0]
    made.loader.stop()
    assert made.reader.names == [need.block.identity for need in needs]


def test_what_is_resident_stays_for_the_next_plan(setup: Make) -> None:
    made = setup(1000)
    needs = [made.need(i) for i in range(3)]
    for _ in range(3):
        made.loader.follow([[need] for need in needs])
        for need in needs:
            made.step(need)
        made.loader.stop()
    assert made.read() == 3


def test_reading_ahead_takes_no_room_from_what_is_needed_sooner(setup: Make) -> None:
    made = setup(3 * SIZE)
    needs = [made.need(i) for i in range(6)]
    made.loader.follow([[need] for need in needs])
    for used in range(6):
        # Two of three are read ahead while the third is in use; at first there is none in use.
        wait_for(lambda used=used: made.read() == min(6, used + (2 if used else 3)))  # type: ignore[misc]
        time.sleep(MOMENT / 10)
        assert made.step(needs[used]) == [used]
    made.loader.stop()
    assert made.read() == 6
    assert made.meter.peaks["resident_block_bytes"] == 3 * SIZE


@pytest.mark.parametrize(("room", "most"), [(7, 12), (6, 16), (4, 24)])
def test_a_block_that_went_is_read_ahead_again_for_a_later_chunk(setup: Make, room: int, most: int) -> None:
    """Four chunks over eight blocks. Every block is there before its step begins, and yet few are read again:
    11, 14 and 20 reads are the fewest there can be, and least recently used first would read all 32."""
    made = setup(room * SIZE)
    needs = [made.need(i) for i in range(8)]
    made.loader.follow([[need] for need in needs] * 4)
    for i in range(32):
        name = needs[i % 8].block.identity
        wait_for(lambda name=name: name in made.loader._residency.device and not made.loader._residency.fetching)  # type: ignore[misc]
        assert made.step(needs[i % 8]) == [i % 8]
    made.loader.stop()
    assert made.read() <= most
    assert made.reader.threads == {"read-ahead"}
    assert made.meter.peaks["resident_block_bytes"] == room * SIZE


@pytest.mark.parametrize("least", [SIZE, SIZE + 1], ids=["large", "small"])
def test_the_next_block_is_read_while_a_large_one_is_verified(
    setup: Make, monkeypatch: pytest.MonkeyPatch, least: int
) -> None:
    """The store is read in the plan's order, one block at a time."""
    monkeypatch.setattr("alsatian.runtime.loading.block_loader.WORTH_BYTES", least)
    made = setup(10 * SIZE)
    needs = [made.need(i) for i in range(4)]
    order = [need.block.identity for need in needs]
    real = BlockStore._verify
    verified: list[str] = []

    def verify(self: BlockStore, reading: Reading, *more: Any) -> None:
        identity = reading.identity
        if least > SIZE:
            time.sleep(MOMENT / 10)
            assert made.reader.names[-1] == identity
        elif identity != order[-1]:
            wait_for(lambda: len(made.reader.names) > order.index(identity) + 1)  # until the next one is read
        assert made.reader.names == order[: len(made.reader.names)]
        verified.append(identity)
        real(self, reading, *more)

    monkeypatch.setattr(BlockStore, "_verify", verify)
    made.loader.follow([[need] for need in needs])
    wait_for(lambda: len(verified) == 4 and not made.loader._residency.fetching)
    assert made.reader.most == 1
    for i, need in enumerate(needs):
        assert made.step(need) == [i]
    made.loader.stop()
    assert made.read() == 4


def test_the_next_block_is_made_ready_while_the_bytes_of_a_large_one_come(
    setup: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alsatian.runtime.loading.block_loader.WORTH_BYTES", SIZE)
    made = setup(10 * SIZE)
    needs = [made.need(i) for i in range(4)]
    made.reader.go.clear()
    made.loader.follow([[need] for need in needs])
    wait_for(lambda: made.loader._residency.device.used == 2 * SIZE)
    time.sleep(MOMENT / 4)
    assert made.reader.names == [needs[0].block.identity]
    assert made.loader._residency.device.used == 2 * SIZE
    made.reader.go.set()
    assert [made.step(need) for need in needs] == [[0], [1], [2], [3]]
    assert made.reader.names == [need.block.identity for need in needs]
    assert made.reader.most == 1


def test_without_reading_ahead_the_plan_still_says_what_to_keep(setup: Make) -> None:
    made = setup(3 * SIZE, ahead=False)
    needs = [made.need(i) for i in range(4)]
    made.loader.follow([[need] for need in needs] * 3)
    reads = []
    for i in range(12):
        before = made.read()
        made.step(needs[i % 4])
        reads.append(made.read() - before)
    assert reads[:4] == [1, 1, 1, 1]
    assert reads[4:] == [0, 0, 0, 1] * 2  # least recently used first would read every block every time
    made.loader.stop()


def test_what_a_step_uses_stays_until_it_is_over(setup: Make) -> None:
    """Its memory would not be free any earlier, so giving up its place would only hide it."""
    made = setup(2 * SIZE)
    needs = [made.need(i) for i in range(4)]
    made.loader.follow([needs[:3], [needs[3]]])
    assert made.step(*needs[:3]) == [0, 1, 2]  # the third is held by the caller alone
    time.sleep(MOMENT / 4)
    assert made.read() == 3
    assert made.step(needs[3]) == [3]
    made.loader.stop()
    assert made.read() == 4
    assert made.meter.peaks["resident_block_bytes"] == 2 * SIZE


def test_bytes_are_reserved_before_a_block_is_fetched(setup: Make) -> None:
    made = setup(2 * SIZE)
    needs = [made.need(i) for i in range(3)]
    made.reader.go.clear()
    made.loader.follow([[need] for need in needs])
    wait_for(lambda: len(made.reader.names) == 1)
    assert made.loader._residency.device.used == SIZE
    made.loader.advance()
    others = [threading.Thread(target=made.loader.load, args=(need,)) for need in needs[1:]]
    for other in others:
        other.start()
    wait_for(lambda: len(made.reader.names) == 3)
    assert made.loader._residency.device.used == 2 * SIZE
    made.reader.go.set()
    for other in others:
        other.join(PATIENCE)
    assert made.step(needs[0]) == [0]
    assert made.meter.peaks["resident_block_bytes"] == 2 * SIZE


def test_a_block_on_its_way_is_waited_for(setup: Make) -> None:
    made = setup(1000)
    need = made.need(1)
    made.reader.go.clear()
    made.loader.follow([[need]])
    wait_for(lambda: len(made.reader.names) == 1)
    threading.Timer(MOMENT, made.reader.go.set).start()
    assert made.step(need) == [1]
    made.loader.stop()
    assert made.read() == 1


def test_a_block_that_the_caller_is_reading_is_not_read_ahead(setup: Make) -> None:
    """Shared blocks are read once, whoever comes first."""
    made = setup(1000)
    need = made.need(1)
    made.reader.go.clear()
    caller = threading.Thread(target=made.loader.load, args=(need,))
    caller.start()
    wait_for(lambda: len(made.reader.names) == 1)
    threading.Timer(MOMENT, made.reader.go.set).start()
    made.loader.follow([[need]])
    caller.join(PATIENCE)
    time.sleep(MOMENT)
    made.loader.stop()
    assert made.reader.names == [need.block.identity]


def test_a_block_that_cannot_be_read_ahead_is_the_callers_error_and_stops_no_other(setup: Make) -> None:
    made = setup(1000)
    needs = [made.need(i) for i in range(3)]
    made.store.block_path(needs[1].block.identity).unlink()
    made.loader.follow([[need] for need in needs])
    wait_for(lambda: made.read() == 2)
    assert made.step(needs[0]) == [0]
    with pytest.raises(StoreError, match="model-1"):
        made.step(needs[1])
    assert made.step(needs[2]) == [2]
    made.loader.stop()
    assert made.read() == 2


def test_what_the_step_has_used_already_is_not_read_ahead_any_more(setup: Make) -> None:
    """The caller takes the second block while the first, which turns out to be damaged, has all the room."""
    made = setup(SIZE)
    gone, used = made.need(0), made.need(1)
    made.reader.only = made.reader.damaged = gone.block.identity
    made.reader.go.clear()
    made.loader.follow([[gone, used]])
    wait_for(lambda: len(made.reader.names) == 1)
    assert made.step(used) == [1]
    made.reader.go.set()
    time.sleep(MOMENT / 4)
    assert made.reader.names == [gone.block.identity, used.block.identity]


def test_more_and_less_than_was_foreseen_may_be_used(setup: Make) -> None:
    made = setup(3 * SIZE)
    needs = [made.need(i) for i in range(5)]
    made.loader.follow([[needs[0], needs[1]], [needs[2]], [needs[3]], [needs[1]]])
    assert made.step(needs[4], needs[0]) == [4, 0]  # one more, one less
    assert made.step() == []
    assert made.step(needs[2], needs[3]) == [2, 3]
    assert made.step(needs[1]) == [1]
    assert made.step(needs[0]) == [0]  # after the end
    made.loader.stop()
    assert made.meter.peaks["resident_block_bytes"] <= 3 * SIZE


def test_giving_up_drops_everything_and_keeps_half_from_then_on(setup: Make) -> None:
    made = setup(1000)
    needs = [made.need(i) for i in range(6)]
    made.loader.follow([[need] for need in needs])
    wait_for(lambda: made.read() == 6)
    assert made.step(needs[0]) == [0]
    assert made.loader.give_up() == 6 * SIZE
    assert made.loader._residency.device.used == 0
    assert made.loader.give_up() == 0
    assert made.loader.load(needs[0])[0][0] == 0  # again, and it is not kept
    time.sleep(MOMENT / 4)
    assert (made.read(), made.loader._residency.device.used) == (7, 0)
    assert made.step(needs[1]) == [1]
    wait_for(lambda: needs[2].block.identity in made.loader._residency.device)  # read ahead once more
    assert [made.step(need) for need in needs[2:]] == [[2], [3], [4], [5]]
    assert made.loader._residency.device.used <= 3 * SIZE
    assert [made.step(need) for need in needs] == [[0], [1], [2], [3], [4], [5]]
    made.loader.stop()
    assert made.loader._residency.device.budget == 3 * SIZE


def test_giving_up_waits_for_the_block_on_its_way(setup: Make) -> None:
    made = setup(1000)
    need = made.need(1)
    made.reader.go.clear()
    made.loader.follow([[need]])
    wait_for(lambda: len(made.reader.names) == 1)
    threading.Timer(MOMENT / 4, made.reader.go.set).start()
    assert made.loader.give_up() == SIZE


class TightMemory(Transfer):
    """Fails while the test says so."""

    def __init__(self) -> None:
        self.short = False
        self.failed = 0

    def bring(self, staged: Parameters, narrow: Collection[int] = (), make: Making = list) -> Loaded:
        if self.short:
            self.failed += 1
            raise torch.OutOfMemoryError("no memory")
        return super().bring(staged, narrow, make)


def test_running_out_of_memory_pauses_reading_ahead_and_is_the_callers_error_only_if_it_asks(
    setup: Make,
) -> None:
    transfer = TightMemory()
    made = setup(1000, transfer=transfer)
    needs = [made.need(i) for i in range(3)]
    transfer.short = True
    made.loader.follow([[need] for need in needs])
    wait_for(lambda: transfer.failed > 0 and not made.loader._residency.fetching)
    time.sleep(MOMENT / 4)
    assert transfer.failed <= LANES  # those that had begun before the first one failed
    assert made.loader._residency.device.used == 0
    with pytest.raises(torch.OutOfMemoryError):
        made.loader.load(needs[0])
    transfer.short = False
    made.loader.advance()
    wait_for(lambda: made.loader._residency.device.used == 3 * SIZE)
    assert [made.step(need) for need in needs] == [[0], [1], [2]]
    made.loader.stop()


class Device(Transfer):
    """A device whose work is done when asked for. Notes what happens, and what room waits for."""

    def __init__(self) -> None:
        self.marks = 0
        self.log: list[str] = []

    def stage(self, mapped: Sequence[torch.Tensor]) -> Parameters:
        self.log.append("stage")
        return super().stage(mapped)

    def bring(self, staged: Parameters, narrow: Collection[int] = (), make: Making = list) -> Loaded:
        self.log.append("bring")
        return Loaded(make([t.clone() for t in staged]))

    def hand_over(self, loaded: Loaded) -> None:
        self.log.append("hand over")

    def mark(self) -> Any:
        self.marks += 1
        return self.marks

    def wait(self, marks: Sequence[Any]) -> None:
        if marks:
            self.log.append(f"wait for {', '.join(map(str, marks))}")


def test_room_on_a_device_is_taken_when_its_work_has_passed_the_last_use(setup: Make) -> None:
    device = Device()
    made = setup(2 * SIZE, ahead=False, transfer=device)
    needs = [made.need(i) for i in range(4)]
    made.loader.follow([[needs[0]], [needs[1]], [needs[2]], [needs[3]]])
    for need in needs[:3]:
        made.step(need)
    assert device.log == [*["stage", "bring", "hand over"] * 2, "wait for 1", "stage", "bring", "hand over"]
    made.loader.load(needs[2])
    assert device.log[-1] == "hand over"  # every use, so that the stream that uses it waits for the copy
    made.loader.stop()


def test_a_pinned_copy_spares_reading_again(setup: Make) -> None:
    made = setup(SIZE, ahead=False, transfer=Device(), host_budget=3 * 64)
    needs = [made.need(i) for i in range(4)]
    made.loader.follow([[need] for need in needs] * 2)
    for need in (*needs, *needs):
        assert made.step(need) == [float(need.model[-1])]
    made.loader.stop()
    # The device keeps the first block, pinned memory the first three.
    assert made.read() == 5
    assert made.meter.counters["host_block_hits"] == 2
    assert made.meter.peaks["host_block_bytes"] == 3 * 64  # pinned memory comes in powers of two
    assert made.meter.peaks["resident_block_bytes"] == SIZE
    assert sum(name == needs[0].block.identity for name in made.reader.names) == 1


def test_a_failed_copy_gives_pinned_room_back(setup: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    device = Device()
    made = setup(SIZE, ahead=False, transfer=device, host_budget=64)
    need = made.need(1)
    with monkeypatch.context() as patched:
        patched.setattr(Device, "stage", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            made.loader.load(need)
    assert made.loader._residency.host.used == made.loader._residency.device.used == 0
    made.loader.load(need)
    assert made.loader._residency.host.used == 64


def test_stopping_ends_the_thread_even_if_nothing_is_used(setup: Make) -> None:
    made = setup(2 * SIZE)
    before = threading.active_count()
    made.loader.follow([[made.need(i)] for i in range(5)])
    wait_for(lambda: made.read() == 2)
    made.loader.stop()
    assert threading.active_count() == before
    made.loader.stop()
    made.loader.follow([[made.need(9)]])
    wait_for(lambda: made.read() == 3)
    made.loader.stop()


def test_a_plan_is_not_even_looked_at_if_nothing_is_kept(setup: Make) -> None:
    made = setup(0)
    needs = iter([[made.need(1)]])
    made.loader.follow(needs)
    assert next(needs)
