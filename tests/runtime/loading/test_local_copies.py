"""Local copies of blocks stay within their budget at every moment and are never trusted unread."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alsatian.errors import LocalDiskError
from alsatian.runtime.loading.local_copies import BlockCache
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.block_reading import Reading
from alsatian.store.files.block_content import Content
from alsatian.store.store import BlockStore
from tests.stores import add_block


class Setup:
    """A store of blocks whose files have the same size, and copies of some."""

    def __init__(self, root: Path, copies: float, reader: Reader | None = None) -> None:
        self.store = BlockStore(root / "store")
        self.names = [add_block(self.store, "code", [torch.full((10,), float(i))], 4).identity for i in range(8)]
        self.size = self.path(0).stat().st_size
        assert all(self.path(i).stat().st_size == self.size for i in range(8))
        self.folder = root / "copies"
        self.folder.mkdir()
        self.meter = Meter(torch.device("cpu"))
        self.cache = BlockCache(self.folder, int(copies * self.size), False, self.meter, reader)

    def path(self, i: int) -> Path:
        return self.store.block_path(self.names[i])

    def keep(self, i: int) -> None:
        self.cache.keep(self.names[i], self.read(self.names[i]))

    def read(self, identity: str) -> Reading:
        return self.store.read_block(identity, "model")

    def get(self, i: int) -> torch.Tensor | None:
        with self.cache.opened(self.names[i], "model", "code") as found:
            return None if found is None else found.in_order[0].clone()

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def kept(self) -> list[int]:
        return [i for i, name in enumerate(self.names) if any(path.stem == name for path in self.files())]


@pytest.fixture
def setup(tmp_path: Path) -> Callable[..., Setup]:
    return lambda copies, **others: Setup(tmp_path, copies, **others)


def test_a_copy_is_read_instead_of_the_store(setup: Callable[..., Setup]) -> None:
    made = setup(2)
    assert made.get(3) is None
    made.keep(3)
    made.path(3).unlink()
    found = made.get(3)
    assert found is not None
    assert torch.equal(found, torch.full((10,), 3.0))
    assert made.meter.counters["ssd_hits"] == 1
    assert made.meter.counters["ssd_bytes_read"] == made.size
    assert made.meter.counters["ssd_bytes_written"] == made.size
    assert made.meter.peaks["ssd_block_bytes"] == made.size


def test_the_least_recently_used_copy_goes_first(setup: Callable[..., Setup]) -> None:
    made = setup(2.5)
    for i in (0, 1):
        made.keep(i)
    assert made.get(0) is not None
    made.keep(2)
    assert made.kept() == [0, 2]
    made.keep(0)  # it is here
    assert made.meter.counters["ssd_bytes_written"] == 3 * made.size
    assert made.meter.peaks["ssd_block_bytes"] == 2 * made.size


def test_room_is_made_before_a_byte_is_written(
    setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = setup(2)
    real, seen = Content.write, []

    def write(self: Content, file: Path) -> None:
        before = sum(path.stat().st_size for path in made.files())
        seen.append(before + self.nbytes)
        real(self, file)

    monkeypatch.setattr(Content, "write", write)
    for i in range(5):
        made.keep(i)
    assert seen == [made.size, *[2 * made.size] * 4]


def test_a_block_over_the_budget_drives_nothing_out(setup: Callable[..., Setup], tmp_path: Path) -> None:
    made = setup(2)
    made.keep(0)
    made.keep(1)
    large = add_block(made.store, "code", [torch.zeros(10_000)], 4).identity
    made.cache.keep(large, made.read(large))
    assert made.kept() == [0, 1]


def test_a_copy_that_is_being_read_stays(setup: Callable[..., Setup]) -> None:
    made = setup(2)
    made.keep(0)
    made.keep(1)
    with made.cache.opened(made.names[0], "m", "code") as zero, made.cache.opened(made.names[1], "m", "code"):
        made.keep(2)  # there is no room to be had
        assert made.kept() == [0, 1]
        assert zero is not None
    made.keep(2)
    assert made.kept() == [1, 2]


def test_a_damaged_copy_is_given_up(setup: Callable[..., Setup]) -> None:
    made = setup(2)
    made.keep(0)
    (copy,) = made.files()
    content = bytearray(copy.read_bytes())
    content[-1] ^= 1
    copy.write_bytes(content)
    assert made.get(0) is None
    assert made.cache.used == 0
    assert made.files() == []
    made.keep(0)
    assert made.get(0) is not None
    made.files()[0].unlink()
    assert made.get(0) is None


def test_a_full_disk_is_an_error_that_names_folder_and_settings(
    setup: Callable[..., Setup], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = setup(3)
    made.keep(0)

    def write(_: Content, file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))

    with monkeypatch.context() as patched:
        patched.setattr(Content, "write", write)
        with pytest.raises(LocalDiskError, match="No space left on device") as error:
            made.keep(1)
    for part in (str(made.folder), "cache.ssd_dir", "cache.block_ssd_budget"):
        assert part in str(error.value)
    assert made.kept() == [0]
    assert len(made.files()) == 1
    assert made.cache.used == made.size
    assert made.get(0) is not None
    made.keep(1)
    assert made.kept() == [0, 1]


def test_copies_that_stay_in_the_page_cache_are_counted(setup: Callable[..., Setup]) -> None:
    made = setup(2, reader=Reader(Throttle(None), cold=True, drop=lambda *_, **__: False))
    made.keep(0)
    assert made.get(0) is not None
    assert made.meter.counters["warm_reads"] == 1
