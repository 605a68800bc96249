"""A file counts by what it holds: whatever else stays the same, other content is another digest."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from blake3 import blake3
from PIL import Image

from alsatian import contents
from alsatian.contents import Contents
from alsatian.data.dataset import make_dataset
from alsatian.data.gate import looks, pixels
from alsatian.data.gate.bad_items import BadItemError
from alsatian.data.images import image_files
from alsatian.errors import ConfigError

OLD, NEW = b"what was there", b"what is there!"  # of one size


def let_settle() -> None:
    """Wait until what was written is so old that it is remembered."""
    time.sleep(1.5 * contents._SAME_STAMP_NS / 1e9)


def kept_times(change: Callable[[Path], object], path: Path) -> None:
    """Change a file so that its size and the times that can be set stay."""
    before = path.stat()
    change(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(NEW)


def renamed_over(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(NEW)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.replace(other, path)


def copied_with_times(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(NEW)
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    shutil.copy2(other, path)


def behind_a_link(path: Path) -> None:
    path.rename(path.with_name("first"))
    path.with_name("second").write_bytes(NEW)
    status = path.with_name("first").stat()
    os.utime(path.with_name("second"), ns=(status.st_atime_ns, status.st_mtime_ns))
    path.symlink_to(path.with_name("second"))


WAYS = [lambda path: path.write_bytes(NEW), in_place, renamed_over, copied_with_times, behind_a_link]
WAY_NAMES = ["written", "in place", "renamed over", "copied with times", "behind a link"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "file"
    path.parent.mkdir()
    path.write_bytes(OLD)
    let_settle()
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "digests"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read from now on."""
    names: list[str] = []
    find = Contents.find

    def counted(own: Contents, name: str) -> str:
        names.append(Path(name).name)
        return find(own, name)

    monkeypatch.setattr(Contents, "find", counted)
    return names


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


@pytest.mark.parametrize("content", [b"", b"x", OLD, bytes(5_000_000)], ids=["empty", "byte", "short", "long"])
def test_the_digest_is_that_of_the_content(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert Contents().digests([tmp_path / "file"]) == [blake3(content).hexdigest()]


@pytest.mark.parametrize("change", WAYS, ids=WAY_NAMES)
def test_replaced_content_is_noticed_though_size_and_times_stay(file: Path, change: Callable[[Path], None]) -> None:
    known = Contents()
    assert known.digests([file]) == [blake3(OLD).hexdigest()]
    kept_times(change, file)
    assert known.digests([file]) == [blake3(NEW).hexdigest()]


@pytest.mark.parametrize("change", WAYS, ids=WAY_NAMES)
def test_it_is_noticed_by_later_processes(file: Path, place: Path, change: Callable[[Path], None]) -> None:
    Contents(place).digests([file])
    kept_times(change, file)
    assert Contents(place).digests([file]) == [blake3(NEW).hexdigest()]


def test_a_file_that_changes_within_a_tick_is_never_taken_for_the_earlier_one(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems have clocks so coarse that two writes get the same time."""
    exact, tick = contents.stamp, contents._SAME_STAMP_NS // 2
    monkeypatch.setattr(contents, "stamp", lambda s: (*exact(s)[:-2], *(t // tick * tick for t in exact(s)[-2:])))
    path = tmp_path / "file"
    for i in range(200):
        path.write_bytes(f"{i:04d}".encode())
        assert Contents(place).digests([path]) == [blake3(f"{i:04d}".encode()).hexdigest()]


def test_only_new_and_changed_files_are_read(file: Path, place: Path, read: list[str]) -> None:
    new, changed = file.with_name("new"), file.with_name("changed")
    changed.write_bytes(OLD)
    let_settle()
    Contents(place).digests([file, changed, file])
    assert sorted(read) == ["changed", "file"]
    new.write_bytes(NEW)
    kept_times(lambda path: path.write_bytes(NEW), changed)
    read.clear()
    known = Contents(place)
    let_settle()
    for _ in range(2):
        digests = known.digests([new, file, changed])
    assert digests == [blake3(content).hexdigest() for content in (NEW, OLD, NEW)]
    assert sorted(read) == ["changed", "new"]


def test_many_files_are_read_in_order(tmp_path: Path) -> None:
    paths = [tmp_path / str(i) for i in range(200)]
    for i, path in enumerate(paths):
        path.write_bytes(bytes([i]) * i)
    expected = [blake3(bytes([i]) * i).hexdigest() for i in range(200)]
    assert Contents().digests(paths) == expected
    assert Contents().digests(paths[::-1]) == expected[::-1]


DAMAGE = {
    "empty": b"",
    "no digest": b'{"a": 1}',
    "text": b"\xff\xfe",
    "other form": blake3(b"[1]").hexdigest().encode() + b"\n[1]",
    "other entries": blake3(b'{"a":[1]}').hexdigest().encode() + b'\n{"a":[1]}',
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_made_anew(file: Path, place: Path, content: bytes, read: list[str]) -> None:
    place.parent.mkdir()
    place.write_bytes(content)
    for _ in range(2):
        assert Contents(place).digests([file]) == [blake3(OLD).hexdigest()]
    assert read == ["file"]


def test_no_flipped_bit_of_the_cache_changes_a_digest(file: Path, place: Path) -> None:
    Contents(place).digests([file])
    whole = place.read_bytes()
    for bit in range(8 * len(whole)):
        place.write_bytes(flipped(whole, bit))
        assert Contents(place)._find(str(file)) in (None, blake3(OLD).hexdigest())
    place.write_bytes(whole)
    assert Contents(place)._find(str(file)) == blake3(OLD).hexdigest()


def test_a_cache_that_cannot_be_written_is_no_error(file: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"no folder")
    known = Contents(tmp_path / "taken" / "digests")
    assert known.digests([file]) == [blake3(OLD).hexdigest()]


def test_several_may_keep_in_one_place_at_a_time(tmp_path: Path, place: Path) -> None:
    paths = [tmp_path / str(i) for i in range(8)]
    for path in paths:
        path.write_bytes(path.name.encode())
    let_settle()
    expected = [blake3(path.name.encode()).hexdigest() for path in paths]
    found: list[str] = [""] * len(paths)

    def look(i: int) -> None:
        (found[i],) = Contents(place).digests([paths[i]])

    threads = [threading.Thread(target=look, args=(i,)) for i in range(len(paths))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == expected
    kept = [Contents(place)._find(str(path)) for path in paths]
    assert {digest for digest in kept if digest} <= set(expected)
    assert any(kept)
    assert list(place.parent.iterdir()) == [place]


@pytest.mark.parametrize("what", ["missing", "folder"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, what: str) -> None:
    path = tmp_path / "file"
    if what == "folder":
        path.mkdir()
    with pytest.raises(ConfigError, match=f"{path}: cannot be read") as error:
        Contents().digests([path])
    assert "\n" not in str(error.value)


def image(path: Path, seed: int) -> Path:
    """A file whose size does not tell its content."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "BMP")
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for i in range(12):
        image(tmp_path / "images" / ("cat", "dog")[i % 2] / f"{i:02d}.bmp", i)
    let_settle()
    return tmp_path / "images"


def test_data_in_files_count_by_content(images: Path) -> None:
    before = image_files(str(images)).digest
    kept_times(lambda path: image(path, 99), images / "cat" / "04.bmp")
    after = image_files(str(images)).digest
    assert after != before
    kept_times(lambda path: image(path, 4), images / "cat" / "04.bmp")
    assert image_files(str(images)).digest == before


def test_data_in_files_do_not_count_by_place(images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "elsewhere")
    assert image_files(str(tmp_path / "elsewhere")).digest == image_files(str(images)).digest


def test_data_in_files_count_in_order(images: Path) -> None:
    paths = np.array(sorted(images.rglob("*.bmp")), object)
    labels = np.arange(len(paths)) % 2
    assert make_dataset("a", paths, labels).digest != make_dataset("a", paths[::-1], labels).digest


def test_data_whose_file_has_gone_are_refused_in_a_line(images: Path) -> None:
    data = image_files(str(images))
    (images / "dog" / "03.bmp").unlink()
    with pytest.raises(ConfigError, match=r"03\.bmp: cannot be read"):
        assert data.digest


def picture(path: Path, level: int) -> Path:
    Image.fromarray(np.full((6, 9, 3), level, np.uint8)).save(path)
    return path


def test_images_are_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [picture(tmp_path / f"{i}.png", i) for i in range(3)]
    (tmp_path / "bad.png").write_bytes(b"no image")
    let_settle()
    looked: list[str] = []

    def counted(path: Path) -> pixels.Seen:
        looked.append(path.name)
        return pixels.look(path)

    monkeypatch.setattr(looks, "look", counted)
    place = tmp_path / "kept" / "images"

    def again() -> list[pixels.Seen]:
        monkeypatch.setattr(looks, "_looks", looks._Looks(place))  # as another process has it
        looked.clear()
        seen = [looks.looked(path) for path in files]
        with pytest.raises(BadItemError):
            looks.looked(tmp_path / "bad.png")
        looks.keep_looks()
        return seen

    first = again()
    assert looked == ["0.png", "1.png", "2.png", "bad.png"]
    assert again() == first == [pixels.look(path) for path in files]
    assert looked == ["bad.png"]
    Image.fromarray(np.full((5, 5), 7, np.uint8)).save(files[1])
    assert [seen.mode for seen in again()] == ["RGB", "L", "RGB"]
    assert looked == ["1.png", "bad.png"]
    place.write_bytes(place.read_bytes()[:-9])
    assert [seen.mode for seen in again()] == ["RGB", "L", "RGB"]
    assert looked[0] == "0.png"


def test_another_background_is_looked_at_anew(tmp_path: Path) -> None:
    path = tmp_path / "clear.png"
    Image.fromarray(np.zeros((4, 4, 4), np.uint8)).save(path)
    white, grey = (looks.looked(pixels.ImagePath.on(colour, path)) for colour in ((255,) * 3, (9, 9, 9)))
    assert white.notes != grey.notes == pixels.look(pixels.ImagePath.on((9, 9, 9), path)).notes


@pytest.mark.parametrize("first", ["keep_in", "shared"])
def test_what_is_shared_later_is_kept_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    digests, facts = Contents(), Contents()
    monkeypatch.setattr(contents, "_shared", digests)
    monkeypatch.setattr(contents, "_kept", {"digests": digests})
    steps = [lambda: contents.keep_in(tmp_path), lambda: contents.shared("more", facts)]
    for step in steps if first == "keep_in" else steps[::-1]:
        step()
    assert digests.place == tmp_path / "contents" / "digests"
    assert facts.place == tmp_path / "contents" / "more"
