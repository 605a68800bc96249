"""Files are whole or not there."""

import json
import os
from pathlib import Path

import pytest

from alsatian.files import atomic_write, write_bytes, write_json


def test_parts_are_joined_and_folders_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.bin"
    write_bytes(path, b"one", b"", b"two")
    assert path.read_bytes() == b"onetwo"
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_json_is_sorted_and_ends_a_line(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_json(path, {"b": 1, "a": [None, True]})
    assert path.read_text().endswith("}\n")
    assert list(json.loads(path.read_text())) == ["a", "b"]


def test_numbers_that_json_lacks_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "file.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [OSError, ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("stage", ["write", "fsync", "replace"])
def test_after_an_error_the_file_is_what_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"before")

    def fail(*_: object) -> None:
        raise error

    if stage != "write":
        monkeypatch.setattr(os, stage, fail)

    def write() -> None:
        with atomic_write(path) as temporary:
            temporary.write_bytes(b"after")
            if stage == "write":
                fail()

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_is_flushed_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, name=name, real=real: (calls.append(name), real(*a))[1])
    write_bytes(tmp_path / "file", b"x")
    assert calls == ["fsync", "replace", "fsync"]
