"""Data costs the time its bytes take: files are really read, arrays are charged."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from alsatian.data.dataset import counted
from alsatian.errors import ConfigError
from alsatian.runtime import data_source as module
from alsatian.runtime.data_source import StoredData
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.runtime.storage.regime import Storage
from alsatian.runtime.storage.throttle import Throttle

NONE = counted(2)  # what is read is given to every call


class Charged(Throttle):
    """Notes what it is asked for instead of waiting."""

    def __init__(self, rate: int | None) -> None:
        super().__init__(rate, lambda: 0.0, lambda _: None)
        self.rate = rate
        self.bytes: list[int] = []
        throttles.append(self)

    def charge(self, nbytes: int) -> None:
        self.bytes.append(nbytes)
        super().charge(nbytes)


class Noting(Reader):
    """Notes what is read, and whether it is dropped before."""

    def fetch(self, path: Path) -> Fetched:
        fetched.append((path.name, self._cold))
        return super().fetch(path)


throttles: list[Charged] = []
fetched: list[tuple[str, bool]] = []


@pytest.fixture(autouse=True)
def noted(monkeypatch: pytest.MonkeyPatch) -> None:
    throttles.clear()
    fetched.clear()
    monkeypatch.setattr(module, "Throttle", Charged)
    monkeypatch.setattr(module, "Reader", Noting)
    monkeypatch.setattr("alsatian.runtime.storage.reader.drop_pages", lambda _: True)


def reader(storage: Storage) -> StoredData:
    return StoredData(NONE, storage, Meter(torch.device("cpu")))


def files(folder: Path, *sizes: int) -> np.ndarray:
    paths = np.empty(len(sizes), object)
    for i, size in enumerate(sizes):
        paths[i] = folder / f"{i}.png"
        paths[i].write_bytes(os.urandom(size))
    return paths


def test_arrays_and_texts_are_charged() -> None:
    data = reader(Storage("1MB", data_bandwidth="2MB"))
    assert data.read(np.zeros((3, 8, 8), np.uint8)) == 192
    assert data.read(np.array(["abc", "é"], object)) == 5
    assert [(t.rate, t.bytes) for t in throttles] == [(2_000_000, [192, 5])]
    assert fetched == []


@pytest.mark.parametrize("cold", [False, True])
def test_files_are_read_and_dropped_before_their_first_read_only(tmp_path: Path, cold: bool) -> None:
    data = reader(Storage(cold=cold, data_bandwidth="1GB"))
    paths = files(tmp_path, 100, 20)
    assert data.read(paths) == 120
    assert data.read(paths) == 120
    assert fetched == [("0.png", cold), ("1.png", cold), ("0.png", False), ("1.png", False)]


def test_a_cold_regime_reads_files_even_at_their_disks_own_speed(tmp_path: Path) -> None:
    assert reader(Storage(cold=True)).read(files(tmp_path, 100)) == 100
    assert fetched == [("0.png", True)]


def test_without_a_regime_files_are_only_decoded(tmp_path: Path) -> None:
    assert reader(Storage("1MB")).read(files(tmp_path, 100, 7)) == 107
    assert fetched == []


def test_files_that_stayed_in_the_page_cache_are_counted(tmp_path: Path) -> None:
    meter = Meter(torch.device("cpu"))
    data = StoredData(NONE, Storage(cold=True), meter)
    data._first._drop = lambda _: False
    for _ in range(2):
        data.read(files(tmp_path, 10, 10))
    assert meter.counters["warm_reads"] == 2


def test_a_file_that_is_gone_is_named(tmp_path: Path) -> None:
    paths = files(tmp_path, 10)
    paths[0].unlink()
    with pytest.raises(ConfigError, match="cannot be read") as error:
        reader(Storage(data_bandwidth="1MB")).read(paths)
    assert str(paths[0]) in str(error.value)
