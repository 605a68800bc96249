"""Files are read whole, never faster than declared; tested with a clock that only moves when told to."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from alsatian.errors import ConfigError, StoreError
from alsatian.runtime import storage as module
from alsatian.runtime.storage import Reader, Storage


class FakeTime:
    """Stands in for the module time; sleeping takes as long as asked for, and ``late`` more."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.late = 0.0
        self.slept: list[float] = []

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds + self.late


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=fake.perf_counter, sleep=fake.sleep))
    return fake


def file_of(folder: Path, size: int) -> Path:
    path = folder / f"{size}.bin"
    path.write_bytes(os.urandom(size))
    return path


@pytest.mark.parametrize("size", [0, 1, 4096, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1_000_003])
def test_every_byte_is_counted(tmp_path: Path, size: int) -> None:
    reader = Reader(Storage())
    path = file_of(tmp_path, size)
    assert reader.fetch(path, "a file") == size
    assert reader.fetch(path, "a file") == size


def test_own_speed_never_sleeps(tmp_path: Path, clock: FakeTime) -> None:
    Reader(Storage()).fetch(file_of(tmp_path, 1_000_000), "a file")
    assert clock.slept == []


def test_reading_takes_as_long_as_declared(tmp_path: Path, clock: FakeTime) -> None:
    Reader(Storage("1MB")).fetch(file_of(tmp_path, 2_500_000), "a file")
    assert clock.now == pytest.approx(1002.5)
    # It is spread over the file, not waited for at its end.
    assert len(clock.slept) >= 5
    assert max(clock.slept) < 0.5


def test_files_one_after_another_share_the_bandwidth(tmp_path: Path, clock: FakeTime) -> None:
    reader = Reader(Storage(1_000_000))
    for size in (300_000, 200_000, 1_000, 500):
        reader.fetch(file_of(tmp_path, size), "a file")
    assert clock.now == pytest.approx(1000.5015)


def test_a_late_wake_up_is_caught_up_with(tmp_path: Path, clock: FakeTime) -> None:
    clock.late = 0.2
    Reader(Storage("1MB")).fetch(file_of(tmp_path, 2_500_000), "a file")
    assert 1002.5 <= clock.now <= 1002.5 + clock.late + 1e-9


def test_an_early_wake_up_is_made_up_for(tmp_path: Path, clock: FakeTime) -> None:
    clock.late = -1e-4
    reader = Reader(Storage("1MB"))
    for _ in range(20):
        reader.fetch(file_of(tmp_path, 1_000), "a file")
    assert clock.now >= 1000.02 + clock.late - 1e-9


def test_idle_time_is_no_credit(tmp_path: Path, clock: FakeTime) -> None:
    reader = Reader(Storage("1MB"))
    path = file_of(tmp_path, 500_000)
    reader.fetch(path, "a file")
    clock.now += 60
    start = clock.now
    reader.fetch(path, "a file")
    assert clock.now - start == pytest.approx(0.5)


def test_a_slow_disk_is_not_slowed_further(
    tmp_path: Path, clock: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look at the clock takes longer than a piece may take at the declared rate."""

    def slow() -> float:
        clock.now += 1.0
        return clock.now

    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=slow, sleep=clock.sleep))
    Reader(Storage("1MB")).fetch(file_of(tmp_path, 600_000), "a file")
    assert clock.slept == []


@pytest.mark.parametrize("bandwidth", [0, -1, "0MB", "fast", "", "1 XB", float("nan"), float("inf")])
def test_a_bandwidth_that_is_none_is_refused_by_name(bandwidth: int | str) -> None:
    with pytest.raises(ConfigError, match=r"storage\.bandwidth"):
        Storage(bandwidth)


def test_the_regime_is_written_for_people() -> None:
    assert str(Storage()) == "own speed, warm cache"
    assert str(Storage("200MB", cold=True)) == "200.0 MB/s, cold cache"
    assert Storage("200MB").bytes_per_second == 200_000_000
    assert Storage().bytes_per_second is None


@pytest.mark.parametrize("cold", [True, False])
def test_cold_drops_each_file_from_the_page_cache_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold: bool
) -> None:
    calls: list[tuple[int, int, int, int, int]] = []

    def advise(descriptor: int, start: int, length: int, advice: int) -> None:
        calls.append((os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR), start, length, advice))

    monkeypatch.setattr(os, "posix_fadvise", advise, raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_DONTNEED", 4, raising=False)
    reader = Reader(Storage(cold=cold))
    paths = [file_of(tmp_path, 1000), file_of(tmp_path, 2000)]
    for path in paths:
        reader.fetch(path, "a file")
    assert calls == ([(path.stat().st_ino, 0, 0, 0, 4) for path in paths] if cold else [])


def test_cold_is_refused_where_the_system_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    with pytest.raises(ConfigError, match=r"storage\.cold=true.*posix_fadvise"):
        Storage(cold=True)
    Storage(cold=False)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(StoreError, match="cannot read a block of model 'm'") as error:
            Reader(Storage()).fetch(path, "a block of model 'm'")
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)
