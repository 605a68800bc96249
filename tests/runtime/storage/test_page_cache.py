"""Pages of a file leave the page cache when asked to, and it is told when they do not."""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from alsatian.runtime.storage import page_cache as module
from alsatian.runtime.storage.page_cache import WARM, drop, drop_pages, residency

SIZE = 40 * mmap.PAGESIZE + 5
CAN_DROP = hasattr(os, "posix_fadvise")
needs_pages = pytest.mark.skipif(not CAN_DROP, reason="needs posix_fadvise and mincore")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def file(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def on_disk(path: Path) -> None:
    """Skip where pages cannot be dropped because the file system is in memory."""
    probe = os.open(path, os.O_RDONLY)
    os.fsync(probe)
    os.posix_fadvise(probe, 0, 0, os.POSIX_FADV_DONTNEED)
    share = residency(probe)
    os.close(probe)
    if share != 0:
        pytest.skip("the temporary folder's file system keeps its pages")


@needs_pages
def test_residency_is_the_share_of_pages(path: Path, file: int) -> None:
    on_disk(path)
    assert residency(file) == 0
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)  # no more pages than are asked for
    os.pread(file, 1, 3 * mmap.PAGESIZE)
    assert 0 < (residency(file) or 0) < 1
    while os.read(file, 1 << 20):
        pass
    assert residency(file) == 1


@needs_pages
def test_a_file_just_written_is_flushed_and_dropped(path: Path, file: int) -> None:
    on_disk(path)
    path.write_bytes(os.urandom(SIZE))  # dirty pages, which the kernel keeps
    assert residency(file) == 1
    assert drop_pages(file)
    assert residency(file) == 0


@needs_pages
def test_mapped_pages_stay_and_that_is_told(path: Path, file: int) -> None:
    on_disk(path)
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped.read(SIZE)
        assert not drop_pages(file)
        assert drop([path]) == [path]
    assert drop_pages(file)
    assert drop([path]) == []


@needs_pages
def test_an_empty_file_is_cold(tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.touch()
    assert drop([path]) == []


def test_a_file_that_is_not_there_is_left_to_its_reader(tmp_path: Path) -> None:
    assert drop([tmp_path / "missing"]) == []


@pytest.mark.parametrize(
    ("answers", "cold", "flushes"),
    [
        ([0.0], True, 0),
        ([0.5, 0.0], True, 1),
        ([0.5] * 4 + [0.0], True, 4),
        ([0.5] * 5, False, 4),
        ([None], False, 0),
    ],
)
def test_pages_that_stay_are_flushed_and_dropped_again(
    file: int, monkeypatch: pytest.MonkeyPatch, answers: list[float | None], cold: bool, flushes: int
) -> None:
    calls: list[str] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *_: calls.append("drop"), raising=False)
    monkeypatch.setattr(os, "POSIX_FADV_DONTNEED", 4, raising=False)
    monkeypatch.setattr(os, "fsync", lambda _: calls.append("flush"))
    given = iter(answers)
    assert drop_pages(file, lambda _: next(given)) is cold
    assert calls == ["drop", *["flush", "drop"] * flushes]
    assert list(given) == []


@pytest.mark.parametrize("share", [1.0, 0.01, None], ids=["tmpfs", "a page", "unknown"])
@needs_pages
def test_what_is_not_shown_to_be_gone_counts_as_kept(path: Path, file: int, share: float | None) -> None:
    assert not drop_pages(file, lambda _: share)
    assert drop([path], lambda _: share) == [path]


def test_where_the_system_does_not_tell_the_residency_is_none(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(_: None) -> None:
        raise OSError("no such library")

    monkeypatch.setattr(module.ctypes, "CDLL", no_library)
    assert residency(file) is None


def test_a_system_that_refuses_to_tell_is_not_taken_for_a_cold_file(
    file: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = SimpleNamespace(mincore=lambda *_: -1)
    monkeypatch.setattr(module.ctypes, "CDLL", lambda _: refusing)
    assert residency(file) is None


def test_another_users_file_is_not_believed(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux calls all pages of a file resident that one neither owns nor may write to."""
    monkeypatch.setattr(os, "geteuid", lambda: os.fstat(file).st_uid + 1)
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert residency(file) is None


def test_the_explanation_says_how_many_and_what_to_do() -> None:
    text = WARM.format(count=7)
    assert "7 reads" in text
    assert "storage.cold=false" in text


@needs_pages
def test_a_part_is_dropped_that_was_read_ahead_with_the_part_before(tmp_path: Path) -> None:
    """The kernel reads ahead in pieces of many pages, which stay whole or go whole."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(14_708_736))
    on_disk(path)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for start in range(4096, 14_159_872, 2_000_000):
            os.pread(descriptor, min(2_000_000, 14_159_872 - start), start)
        assert drop_pages(descriptor, offset=14_159_872, nbytes=548_864)
        assert residency(descriptor, 14_159_872, 548_864) == 0
    finally:
        os.close(descriptor)
