"""Files are read whole, never faster than declared; tested with a clock that only moves when told to."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from alsatian.errors import ConfigError
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.regime import Storage
from alsatian.runtime.storage.throttle import Throttle


class FakeTime:
    """Stands in for clock and sleep; sleeping takes as long as asked for, and ``late`` more."""

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
def clock() -> FakeTime:
    return FakeTime()


def throttled(clock: FakeTime, rate: int | None) -> Reader:
    return Reader(Throttle(rate, clock.perf_counter, clock.sleep))


def file_of(folder: Path, size: int) -> Path:
    path = folder / f"{size}.bin"
    path.write_bytes(os.urandom(size))
    return path


@pytest.mark.parametrize("size", [0, 1, 4096, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 1_000_003])
def test_every_byte_is_counted(tmp_path: Path, clock: FakeTime, size: int) -> None:
    path = file_of(tmp_path, size)
    for rate in (None, 10**9):
        assert throttled(clock, rate).fetch(path) == (size, False)


def test_own_speed_never_sleeps(tmp_path: Path, clock: FakeTime) -> None:
    throttled(clock, None).fetch(file_of(tmp_path, 1_000_000))
    assert clock.slept == []


def test_reading_takes_as_long_as_declared(tmp_path: Path, clock: FakeTime) -> None:
    throttled(clock, 1_000_000).fetch(file_of(tmp_path, 2_500_000))
    assert clock.now == pytest.approx(1002.5)
    # It is spread over the file, not waited for at its end.
    assert len(clock.slept) >= 5
    assert max(clock.slept) < 0.5


def test_files_one_after_another_share_the_bandwidth(tmp_path: Path, clock: FakeTime) -> None:
    reader = throttled(clock, 1_000_000)
    for size in (300_000, 200_000, 1_000, 500):
        reader.fetch(file_of(tmp_path, size))
    assert clock.now == pytest.approx(1000.5015)


def test_a_late_wake_up_is_caught_up_with(tmp_path: Path, clock: FakeTime) -> None:
    clock.late = 0.01
    throttled(clock, 1_000_000).fetch(file_of(tmp_path, 2_500_000))
    assert 1002.5 <= clock.now <= 1002.5 + clock.late + 1e-9


def test_an_early_wake_up_is_made_up_for(tmp_path: Path, clock: FakeTime) -> None:
    clock.late = -1e-4
    reader = throttled(clock, 1_000_000)
    for _ in range(20):
        reader.fetch(file_of(tmp_path, 1_000))
    assert clock.now >= 1000.02 + clock.late - 1e-9


def test_idle_time_is_no_credit(tmp_path: Path, clock: FakeTime) -> None:
    reader = throttled(clock, 1_000_000)
    path = file_of(tmp_path, 500_000)
    reader.fetch(path)
    clock.now += 60
    start = clock.now
    reader.fetch(path)
    assert clock.now - start == pytest.approx(0.5)


def test_a_slow_disk_is_not_slowed_further(tmp_path: Path, clock: FakeTime) -> None:
    """Each look at the clock takes longer than a piece may take at the declared rate."""

    def slow() -> float:
        clock.now += 1.0
        return clock.now

    Reader(Throttle(1_000_000, slow, clock.sleep)).fetch(file_of(tmp_path, 600_000))
    assert clock.slept == []


@pytest.mark.parametrize("bandwidth", [0, -1, "0MB", "fast", "", "1 XB", float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["bandwidth", "data_bandwidth", "deltas", "mirror_size"])
def test_a_bandwidth_that_is_none_is_refused_by_name(key: str, bandwidth: int | str) -> None:
    with pytest.raises(ConfigError, match=rf"storage\.{key}="):
        Storage(**{key: bandwidth})  # type: ignore[arg-type]


def test_the_regime_is_written_for_people() -> None:
    assert str(Storage()) == "own speed, warm cache"
    assert str(Storage("200MB", cold=True)) == "200 MB/s, cold cache"
    assert str(Storage("200MB", cold=True, page_cache=True)) == "200 MB/s, cold cache, read again from memory"
    assert Storage("200MB").bytes_per_second == 200_000_000
    assert Storage().bytes_per_second is None
    assert str(Storage("200MB", data_bandwidth="1.5GB")) == "200 MB/s, warm cache; data 1.50 GB/s"
    assert Storage(data_bandwidth="1GB").data_bytes_per_second == 10**9
    assert Storage("200MB").data_bytes_per_second is None
    assert str(Storage(verify_blocks="always")) == "own speed, warm cache; every read verified"
    assert str(Storage(deltas="200MB")) == "own speed, warm cache; deltas for 200 MB/s"
    assert str(Storage(mirrors="here", mirror_size="2GB")) == str(Storage())


@pytest.mark.parametrize("value", ["first", "", None, True])
def test_verifying_at_other_times_is_refused(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"storage\.verify_blocks=.*(once|always)"):
        Storage(verify_blocks=value)


@pytest.mark.parametrize("value", ["", 5, ["a"]])
def test_a_folder_of_mirrors_is_a_path(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"storage\.mirrors=.*the path of a folder"):
        Storage(mirrors=value)


@pytest.mark.parametrize("cold", [True, False])
@pytest.mark.parametrize("gone", [True, False])
def test_cold_drops_each_file_before_it_is_read_and_tells_if_it_stayed(
    tmp_path: Path, cold: bool, gone: bool
) -> None:
    calls: list[tuple[int, int]] = []

    def drop(descriptor: int) -> bool:
        calls.append((os.fstat(descriptor).st_ino, os.lseek(descriptor, 0, os.SEEK_CUR)))
        return gone

    reader = Reader(Throttle(None), cold, drop)
    paths = [file_of(tmp_path, 1000), file_of(tmp_path, 2000)]
    found = [reader.fetch(path) for path in (*paths, paths[0])]
    assert found == [(size, cold and not gone) for size in (1000, 2000, 1000)]
    assert calls == ([(path.stat().st_ino, 0) for path in (*paths, paths[0])] if cold else [])


def test_what_was_read_before_comes_from_memory_where_the_page_cache_keeps_it(
    tmp_path: Path, clock: FakeTime
) -> None:
    dropped: list[int] = []

    def drop(descriptor: int) -> bool:
        dropped.append(os.fstat(descriptor).st_size)
        return False

    reader = Reader(Throttle(1000, clock.perf_counter, clock.sleep), True, drop, again=True)
    first, second = file_of(tmp_path, 1000), file_of(tmp_path, 2000)
    found = [reader.fetch(path) for path in (first, second, first, second)]
    assert found == [(1000, True), (2000, True), (1000, False), (2000, False)]
    assert dropped == [1000, 2000]
    assert clock.now == pytest.approx(1003, rel=1e-4)


def test_cold_is_refused_where_the_system_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    with pytest.raises(ConfigError, match=r"storage\.cold=true.*posix_fadvise"):
        Storage(cold=True)
    Storage(cold=False)


def test_a_file_that_cannot_be_read_is_the_operating_systems_error(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(OSError, match=re.escape(str(path))):
            Reader(Throttle(None)).fetch(path)
