"""What moves between tiers comes back bit for bit, stride for stride, and no tier ever holds too much."""

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from alsatian.blocks.segment import State
from alsatian.errors import BudgetError, LocalDiskError
from alsatian.runtime.cache import tiers
from alsatian.runtime.cache.cache import Cache
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.runtime.cache.policies.planned import Planned
from alsatian.runtime.cache.tiers import DiskTier, HostTier
from alsatian.runtime.meter.meter import Meter

CPU = torch.device("cpu")
FREE: frozenset[int] = frozenset()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskTier]:
    tier = DiskTier(100, CPU, tmp_path)
    yield tier
    tier.close()


def state(value: int, nbytes: int = 10) -> State:
    return (torch.full((nbytes,), value, dtype=torch.uint8),)


def files(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(3, 4, 5),
        torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        torch.randn(4, 6).t(),
        torch.randn(5).to(torch.bfloat16),
        torch.tensor([[True, False]]),
        torch.arange(6).reshape(2, 3),
        torch.tensor(float("nan")),
        torch.empty(0, 7),
    ],
    ids=lambda t: f"{t.dtype}{list(t.shape)}",
)
def test_a_file_keeps_bits_shapes_and_strides(disk: DiskTier, tensor: torch.Tensor) -> None:
    (found,) = disk.fetch(disk.store((tensor,)))()
    assert found.dtype == tensor.dtype
    assert found.shape == tensor.shape
    assert found.stride() == tensor.stride()
    assert found.contiguous().view(-1).view(torch.uint8).equal(tensor.contiguous().view(-1).view(torch.uint8))


def test_a_state_of_several_tensors(disk: DiskTier) -> None:
    both = (torch.randn(3), torch.arange(4))
    found = disk.fetch(disk.store(both))()
    assert all(map(torch.equal, found, both))


def test_evicted_intermediates_move_down_and_come_back(tmp_path: Path) -> None:
    meter, disk = Meter(CPU), DiskTier(20, CPU, tmp_path)
    cache = Cache(Lru(), 20, meter, [disk])
    for vertex in range(1, 6):
        assert cache.reserve(vertex, 20, FREE)
        cache.put(vertex, state(vertex))
        cache.put(vertex, state(10 * vertex))
    # The fifth is in memory, the fourth on disk, and the others found no room there.
    assert [vertex in cache for vertex in range(1, 6)] == [False, False, False, True, True]
    assert meter.counters["evictions"] == 3
    assert meter.counters["cache_ssd_bytes_written"] == 4 * 20
    found = cache.read(4)
    assert [int(next(found)[0][0]) for _ in range(2)] == [4, 40]
    assert meter.counters["cache_ssd_hits"] == 1
    assert meter.counters["cache_ssd_bytes_read"] == 20
    assert meter.peaks == {"cache_bytes": 20, "memory_bytes": 20, "cache_ssd_bytes": 20}
    cache.clear()
    assert cache.used == 0
    disk.close()
    assert not list(tmp_path.iterdir())


def test_what_is_too_large_for_the_memory_goes_to_disk_at_once(tmp_path: Path) -> None:
    disk = DiskTier(None, CPU, tmp_path)
    cache = Cache(Lru(), 5, Meter(CPU), [disk])
    assert cache.reserve(1, 10, FREE)
    cache.put(1, state(7))
    assert cache._tiers[0].used == 0
    assert next(cache.read(1))[0].equal(state(7)[0])
    disk.close()


def test_planned_intermediates_take_the_first_tier_with_room(tmp_path: Path) -> None:
    meter = Meter(CPU)
    tiers = [HostTier(20, CPU), DiskTier(20, CPU, tmp_path)]
    cache = Cache(Planned(), 20, meter, tiers)
    for vertex, nbytes in ((1, 15), (2, 15), (3, 15), (4, 5)):
        assert cache.reserve(vertex, nbytes, FREE)
    assert meter.peaks == {
        "cache_bytes": 20,
        "memory_bytes": 20,
        "cache_host_bytes": 15,
        "cache_ssd_bytes": 15,
    }
    with pytest.raises(BudgetError, match="20 of 20 bytes on device, 15 of 20 bytes on host"):
        cache.reserve(5, 6, FREE)
    tiers[1].close()  # type: ignore[attr-defined]


@given(
    budgets=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    requests=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), max_size=30),
)
def test_no_tier_exceeds_its_budget_and_nothing_gets_lost(
    tmp_path_factory: pytest.TempPathFactory, budgets: tuple[int, int], requests: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("ssd")
    disk = DiskTier(budgets[1], CPU, folder)
    cache = Cache(Lru(), budgets[0], Meter(CPU), [disk])
    for vertex, nbytes in requests:
        if vertex in cache:
            assert next(cache.read(vertex))[0][0] == vertex
        elif cache.reserve(vertex, nbytes, FREE):
            cache.put(vertex, state(vertex, nbytes))
        else:
            assert nbytes > max(budgets)
        assert cache._tiers[0].used <= budgets[0]
        assert disk.used <= budgets[1]
    disk.close()
    assert files(folder) <= budgets[1]


def test_a_full_disk_is_one_line(disk: DiskTier, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "whatever")

    monkeypatch.setattr(tiers, "_memory", full)
    disk.store(state(1))
    with pytest.raises(LocalDiskError, match=r"cannot write intermediates \(No space left on device\)"):
        disk.store(state(2))
