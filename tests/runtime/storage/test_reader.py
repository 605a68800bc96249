"""Parts of files are read cold, one reader of a file at a time, who says when bytes are to come."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alsatian.runtime.storage.reader import Extent, Layout, Reader
from alsatian.runtime.storage.throttle import Throttle

SIZE = 300_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(SIZE))
    return path


def part(path: Path, start: int, stop: int) -> tuple[Layout, bytearray]:
    into = bytearray(stop - start)
    return lambda descriptor: (0, [Extent(path, start, [memoryview(into)])]), into


def test_nobody_makes_a_part_of_a_file_cold_while_another_part_of_it_is_read(path: Path) -> None:
    """What is read brings pages beside it."""
    reading: set[int] = set()
    beside: list[set[int]] = []

    class Noted(Throttle):
        @contextlib.contextmanager
        def stream(self) -> Iterator[None]:
            with super().stream():
                reading.add(threading.get_ident())
                yield
                reading.discard(threading.get_ident())

    def drop(descriptor: int, **which: int) -> bool:
        beside.append(reading - {threading.get_ident()})
        return True

    reader = Reader(Noted(20_000_000), cold=True, drop=drop)

    def read(start: int) -> None:
        layout, into = part(path, start, start + SIZE // 3)
        reader.read(path, layout)
        assert into == path.read_bytes()[start : start + SIZE // 3]

    threads = [threading.Thread(target=read, args=(start,)) for start in (0, SIZE // 3, 2 * SIZE // 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert beside == [set()] * 6  # the beginning of the file, and the part itself


def test_it_says_when_bytes_are_to_come(path: Path) -> None:
    """Then the file was opened, made cold and laid out; what was cold has to be so still."""
    said: list[str] = []
    reader = Reader(Throttle(None), cold=True, drop=lambda *_, **__: said.append("drop") is None)
    layout, into = part(path, 1, SIZE)

    def noted(descriptor: int) -> tuple[int, list[Extent]]:
        said.append("layout")
        return layout(descriptor)  # type: ignore[return-value]

    reader.beginning(lambda: said.append("begin")).read(path, noted)
    assert said == ["drop", "layout", "drop", "begin", "drop"]
    assert into == path.read_bytes()[1:]
    said.clear()
    reader.read(path, noted)
    assert "begin" not in said
