"""Blocks are read when they are not resident, stay within their budget, and are read ahead once."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.fx import Graph, GraphModule

from alsatian.blocks.segment import Segment
from alsatian.blocks.store import BlockStore
from alsatian.errors import StoreError
from alsatian.runtime.loader import BlockLoader, Need
from alsatian.runtime.meter import Meter
from alsatian.runtime.storage import Reader, Storage

SIZE = 40  # bytes of a block below
PATIENCE = 20  # seconds after which something that has to happen does not happen any more
MOMENT = 0.2  # seconds in which something that must not happen would happen


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


class SlowReader(Reader):
    """Notes what is read; each file can be held up until the test lets it go."""

    def __init__(self) -> None:
        super().__init__(Storage())
        self.names: list[str] = []
        self.go = threading.Event()
        self.go.set()

    def fetch(self, path: Path, what: str) -> int:
        self.names.append(path.stem)
        assert self.go.wait(PATIENCE)
        return super().fetch(path, what)


class Setup:
    """A store of blocks of ``SIZE`` bytes each, and a loader."""

    def __init__(self, root: Path, budget: int) -> None:
        self.store = BlockStore(root)
        self.reader = SlowReader()
        self.meter = Meter(torch.device("cpu"))
        self.loader = BlockLoader(self.store, self.reader, self.meter, budget)

    def need(self, value: int, count: int = 10, names: int = 1, code: str = "code") -> Need:
        graph = Graph()
        graph.output((graph.placeholder("s0"),))
        segment = Segment("code", tuple("abc"[:names]), (True, False, True)[:names], 4, GraphModule({}, graph))
        block = self.store.add_block(code, [torch.full((count,), float(value))], 4)
        return Need(block, segment, f"model-{value}")

    def read(self) -> int:
        return self.meter.counters["blocks_read"]


@pytest.fixture
def setup(tmp_path: Path) -> Callable[[int], Setup]:
    return lambda budget: Setup(tmp_path / "store", budget)


def test_parameters_are_those_that_were_stored(setup: Callable[[int], Setup]) -> None:
    made = setup(1000)
    (tensor,) = made.loader.load(made.need(3))
    assert torch.equal(tensor, torch.full((10,), 3.0))
    assert tensor.requires_grad
    assert tensor.is_leaf


def test_without_a_budget_every_use_reads(setup: Callable[[int], Setup]) -> None:
    made = setup(0)
    need = made.need(1)
    for _ in range(3):
        made.loader.load(need)
    assert made.read() == 3
    assert made.meter.counters["bytes_read"] == 3 * made.store.block_path(need.block.identity).stat().st_size
    assert made.meter.peaks.get("resident_block_bytes", 0) == 0


def test_without_a_budget_even_blocks_without_parameters_are_read(setup: Callable[[int], Setup]) -> None:
    made = setup(0)
    need = made.need(1)._replace(block=made.store.add_block("empty", [], 4))
    need = need._replace(segment=Segment("empty", (), (), 4, need.segment.code))
    for _ in range(3):
        assert made.loader.load(need) == []
    assert made.read() == 3


def test_resident_blocks_are_read_once(setup: Callable[[int], Setup]) -> None:
    made = setup(3 * SIZE)
    needs = [made.need(i) for i in range(3)]
    for _ in range(3):
        for need in needs:
            made.loader.load(need)
    assert made.read() == 3
    assert made.meter.peaks["resident_block_bytes"] == 3 * SIZE


def test_the_least_recently_used_block_goes_first_and_the_budget_holds(setup: Callable[[int], Setup]) -> None:
    made = setup(3 * SIZE + SIZE // 2)
    needs = {i: made.need(i) for i in range(1, 6)}
    reads = []
    for i in [1, 2, 3, 1, 4, 2, 5, 1, 2, 3, 4, 5, 5]:
        before = made.read()
        made.loader.load(needs[i])
        reads.append(made.read() - before)
    assert reads == [1, 1, 1, 0, 1, 1, 1, 1, 0, 1, 1, 1, 0]
    assert made.meter.peaks["resident_block_bytes"] == 3 * SIZE


def test_bytes_count_not_blocks(setup: Callable[[int], Setup]) -> None:
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


def test_tensors_own_their_memory_and_are_aligned(
    setup: Callable[[int], Setup], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kernels choose their code by alignment, so a block must not depend on where its file put it."""
    made = setup(1000)
    mapped: list[torch.Tensor] = []
    real = BlockStore.load_block

    def load_block(self: BlockStore, identity: str, model: str, code: str) -> list[torch.Tensor]:
        mapped.extend(tensors := real(self, identity, model))
        return tensors

    monkeypatch.setattr(BlockStore, "load_block", load_block)
    tensors = [torch.arange(float(n)) for n in (1, 3, 5, 7, 9, 33)]
    block = made.store.add_block("code", tensors, 4)
    code = made.need(0).segment.code
    segment = Segment("code", tuple("abcdef"), (True, False) * 3, 4, code)
    loaded = made.loader.load(Need(block, segment, "m"))
    assert [torch.equal(a, b) for a, b in zip(loaded, tensors, strict=True)] == [True] * 6
    assert [t.requires_grad for t in loaded] == [True, False] * 3
    assert all(t.data_ptr() % 64 == 0 for t in loaded)
    assert not {t.untyped_storage().data_ptr() for t in loaded} & {t.untyped_storage().data_ptr() for t in mapped}
    assert any(t.data_ptr() % 64 for t in mapped)  # or this test could not fail


def test_a_missing_block_is_named(setup: Callable[[int], Setup]) -> None:
    made = setup(1000)
    need = made.need(1)
    path = made.store.block_path(need.block.identity)
    path.unlink()
    with pytest.raises(StoreError, match="model-1") as error:
        made.loader.load(need)
    assert str(path) in str(error.value)


def test_a_truncated_block_is_named(setup: Callable[[int], Setup]) -> None:
    made = setup(1000)
    need = made.need(1)
    path = made.store.block_path(need.block.identity)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(StoreError, match="model-1") as error:
        made.loader.load(need)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("change", ["more parameters", "other code"])
def test_a_block_made_from_other_code_is_refused(setup: Callable[[int], Setup], change: str) -> None:
    made = setup(1000)
    need = made.need(1, names=2) if change == "more parameters" else made.need(1, code="other code")
    with pytest.raises(StoreError, match="model-1"):
        made.loader.load(need)


def test_the_time_is_charged_to_preparing_the_model(setup: Callable[[int], Setup]) -> None:
    made = setup(1000)
    made.meter.start()
    made.loader.load(made.need(1))
    parts = made.meter.finish().parts_s
    assert [part for part, seconds in parts.items() if seconds] == ["prepare_model"]


def test_blocks_are_read_ahead_in_order_and_once(setup: Callable[[int], Setup]) -> None:
    made = setup(1000)
    needs = [made.need(i) for i in range(5)]
    made.loader.read_ahead([*needs, needs[0]])
    wait_for(lambda: made.read() == 5)
    for need in needs:
        made.loader.load(need)
    made.loader.stop()
    assert made.reader.names == [need.block.identity for need in needs]


def test_reading_ahead_takes_half_of_the_budget_until_blocks_are_used(setup: Callable[[int], Setup]) -> None:
    made = setup(4 * SIZE)
    needs = [made.need(i) for i in range(5)]
    made.loader.read_ahead(needs)
    for used in range(3):
        wait_for(lambda used=used: made.read() == used + 2)  # type: ignore[misc]
        time.sleep(MOMENT / 4)
        assert made.read() == used + 2
        made.loader.load(needs[used])
    made.loader.stop()
    assert made.meter.peaks["resident_block_bytes"] <= 4 * SIZE


def test_a_block_on_its_way_is_waited_for(setup: Callable[[int], Setup]) -> None:
    made = setup(1000)
    need = made.need(1)
    made.reader.go.clear()
    made.loader.read_ahead([need])
    wait_for(lambda: len(made.reader.names) == 1)
    threading.Timer(MOMENT, made.reader.go.set).start()
    assert torch.equal(made.loader.load(need)[0], torch.full((10,), 1.0))
    made.loader.stop()
    assert made.read() == 1


def test_a_block_that_the_caller_is_reading_is_not_read_ahead(setup: Callable[[int], Setup]) -> None:
    """Shared blocks are read once, whoever comes first."""
    made = setup(1000)
    need = made.need(1)
    made.reader.go.clear()
    caller = threading.Thread(target=made.loader.load, args=(need,))
    caller.start()
    wait_for(lambda: len(made.reader.names) == 1)
    threading.Timer(MOMENT, made.reader.go.set).start()
    made.loader.read_ahead([need])
    caller.join(PATIENCE)
    time.sleep(MOMENT)
    made.loader.stop()
    assert made.reader.names == [need.block.identity]


def test_an_error_while_reading_ahead_is_the_callers(setup: Callable[[int], Setup]) -> None:
    made = setup(1000)
    needs = [made.need(i) for i in range(2)]
    made.store.block_path(needs[0].block.identity).unlink()
    made.loader.read_ahead(needs)
    with pytest.raises(StoreError, match="model-0"):
        made.loader.load(needs[0])
    made.loader.load(needs[1])
    made.loader.stop()


def test_stopping_ends_the_thread_even_if_nothing_is_used(setup: Callable[[int], Setup]) -> None:
    made = setup(2 * SIZE)
    before = threading.active_count()
    made.loader.read_ahead([made.need(i) for i in range(5)])
    wait_for(lambda: made.read() == 1)
    made.loader.stop()
    assert threading.active_count() == before
    made.loader.stop()
    made.loader.read_ahead([made.need(9)])
    wait_for(lambda: made.read() == 2)
    made.loader.stop()
