"""Room for files under one budget."""

import fcntl
import os
from pathlib import Path

import pytest

from alsatian.runtime.storage.room import Room


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """For 100 bytes; files whose names begin with "own" stay."""
    return Room(
        tmp_path / "used",
        100,
        lambda: tmp_path.glob("*.file"),
        lambda path: path.with_suffix(".lock"),
        lambda path: not path.name.startswith("own"),
    )


def sizes(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_size for path in folder.glob("*.file")}


def test_files_go_by_their_last_use(room: Room, tmp_path: Path) -> None:
    for i, name in enumerate("abc"):
        assert room.reserve(tmp_path / f"{name}.file", 30)
        (tmp_path / f"{name}.lock").touch()
        os.utime(tmp_path / f"{name}.lock", ns=(0, 10 - i))
    assert room.reserve(tmp_path / "d.file", 40)
    assert sizes(tmp_path) == {"a": 30, "b": 30, "d": 40}
    assert room.reserve(tmp_path / "e.file", 60)
    assert sizes(tmp_path) == {"d": 40, "e": 60}


def test_what_is_locked_or_must_not_go_stays(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alsatian.runtime.storage.room._WAITS", 2)
    assert room.reserve(tmp_path / "own.file", 40)
    assert room.reserve(tmp_path / "used.file", 40)
    with (tmp_path / "used.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        assert not room.reserve(tmp_path / "more.file", 30)
        assert sizes(tmp_path) == {"own": 40, "used": 40}
    assert room.reserve(tmp_path / "more.file", 30)
    assert sizes(tmp_path) == {"own": 40, "more": 30}


def test_what_is_larger_than_all_room_never_fits(room: Room, tmp_path: Path) -> None:
    assert not room.reserve(tmp_path / "a.file", 101)
    assert room.reserve(tmp_path / "a.file", 100)


def test_removing_and_counting_anew_make_room(room: Room, tmp_path: Path) -> None:
    assert room.reserve(tmp_path / "own.file", 90)
    room.remove(tmp_path / "own.file")
    room.remove(tmp_path / "own.file")
    assert room.reserve(tmp_path / "own-2.file", 90)
    (tmp_path / "own-2.file").unlink()
    room.recount()
    assert room.reserve(tmp_path / "own-3.file", 90)
    (tmp_path / "b.file").write_bytes(bytes(50))
    room.recount()
    assert sizes(tmp_path) == {"own-3": 90}
