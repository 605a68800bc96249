"""A block file is verified once a machine: not again by anybody else there, and again wherever it may differ."""

import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alsatian.errors import StoreError
from alsatian.runtime.storage.regime import ALWAYS
from alsatian.store import verified
from alsatian.store.maintenance import gc, verify
from alsatian.store.store import BlockStore
from alsatian.store.verified import LASTING_S, Verified, lasting, looks_of
from tests.stores import add_block

ROOT = Path(__file__).parents[2]
NAMES = [f"{i:064x}" for i in range(2000)]
SIZE = 4000  # bytes of a block's parameters
FLIPS = 100


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    """With blocks that nobody has verified."""
    made = BlockStore(tmp_path / "store")
    with made.adding() as adding:
        for i in range(4):
            adding.add_block("code", [torch.full((SIZE // 4,), float(i))], 4)
    shutil.rmtree(made.root / "verified", ignore_errors=True)
    time.sleep(LASTING_S)
    return BlockStore(made.root)


def names(store: BlockStore) -> list[str]:
    return sorted(path.stem for path in store.root.glob("blocks/*/*"))


def hashed(store: BlockStore) -> int:
    """Blocks that are verified when all of ``store`` are read."""
    heard: list[int] = []
    for identity in names(store):
        store.load_block(identity, "m", "code", heard.append)
    assert all(count == SIZE for count in heard)
    return len(heard)


def flip(path: Path, bit: int) -> None:
    """As whoever edits a file in place does."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def another(store: BlockStore) -> BlockStore:
    """As a later process opens it."""
    return BlockStore(store.root)


def test_what_one_process_has_verified_no_other_does(store: BlockStore) -> None:
    assert [hashed(store), hashed(store), hashed(another(store))] == [4, 0, 0]
    code = (
        "import sys; from pathlib import Path; from alsatian.store.store import BlockStore\n"
        "from tests.store.test_verified import hashed; print(hashed(BlockStore(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.root)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout == "0\n"


def test_always_is_always_and_is_remembered_as_well(store: BlockStore) -> None:
    always = BlockStore(store.root, ALWAYS)
    assert [hashed(always), hashed(always), hashed(another(store))] == [4, 4, 0]
    (place,) = (store.root / "verified").iterdir()
    assert len(place.read_text().split("\n\n")) == 4  # nothing is written twice
    assert store.verifying(ALWAYS).verified is store.verified


def test_what_was_written_just_now_need_not_be_read_to_be_verified(tmp_path: Path) -> None:
    store = BlockStore(tmp_path / "store")
    with store.adding() as adding:
        block = adding.add_block("code", [torch.ones(SIZE // 4)], 4)
        time.sleep(LASTING_S)
    assert store.knows(block.identity)
    assert hashed(another(store)) == 0


def _replaced(path: Path) -> None:
    shutil.copy2(path, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


@pytest.mark.parametrize(
    "change",
    [_replaced, os.utime, lambda path: path.chmod(0o600), lambda path: flip(path, 0) or flip(path, 0)],
    ids=["replaced", "touched", "mode", "edited twice"],
)
def test_a_file_that_may_have_changed_is_verified_again(
    store: BlockStore, change: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed(store)
    for identity in names(store)[:3]:
        change(store.block_path(identity))
    with monkeypatch.context() as young:
        young.setattr("alsatian.store.store_files.lasting", lambda looks: False)
        assert [hashed(store), hashed(another(store))] == [3, 3]
    time.sleep(LASTING_S)
    assert [hashed(store), hashed(another(store))] == [3, 0]


@pytest.mark.parametrize("copy", [shutil.copy, shutil.copy2], ids=["plain", "with times"])
def test_a_copied_store_is_verified_again(store: BlockStore, copy: Callable[..., object], tmp_path: Path) -> None:
    hashed(store)
    shutil.copytree(store.root, tmp_path / "copy", copy_function=copy)
    copied = BlockStore(tmp_path / "copy")
    time.sleep(LASTING_S)
    assert [hashed(copied), hashed(another(copied)), hashed(another(store))] == [4, 0, 0]


def test_a_store_that_moved_is_not(store: BlockStore, tmp_path: Path) -> None:
    hashed(store)
    os.rename(store.root, tmp_path / "moved")
    assert hashed(BlockStore(tmp_path / "moved")) == 0


@pytest.mark.parametrize("part", ["id", "name"])
def test_another_machine_verifies_for_itself(store: BlockStore, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed(store)
    if part == "id":
        monkeypatch.setattr(Path, "read_text", lambda self: "another")
    else:
        monkeypatch.setattr("platform.node", lambda: "another")
    verified.machine.cache_clear()
    try:
        assert [hashed(another(store)), hashed(another(store))] == [4, 0]
    finally:
        monkeypatch.undo()
        verified.machine.cache_clear()
    assert hashed(another(store)) == 0
    assert len(list((store.root / "verified").iterdir())) == 2


def test_what_is_known_does_not_travel(store: BlockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed(store)
    content = pickle.dumps(store)
    assert hashed(pickle.loads(content)) == 0
    monkeypatch.setattr(verified, "machine", lambda: "0123")
    assert hashed(pickle.loads(content)) == 4


def test_another_device_is_another_file(store: BlockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed(store)
    monkeypatch.setattr(
        "alsatian.store.headers.looks_of", lambda path: (looks_of(path)[0] + 1, *looks_of(path)[1:])
    )
    assert hashed(another(store)) == 4


@pytest.fixture(scope="module")
def flipped(tmp_path_factory: pytest.TempPathFactory) -> BlockStore:
    store = BlockStore(tmp_path_factory.mktemp("flipped"))
    with store.adding() as adding:
        for i in range(FLIPS):
            adding.add_block("code", [torch.full((SIZE // 4,), float(i))], 4)
    time.sleep(LASTING_S)
    hashed(store)
    return store


@pytest.mark.parametrize("number", range(FLIPS))
def test_a_flipped_bit_in_a_verified_file_is_found(flipped: BlockStore, number: int) -> None:
    """Whatever wrote it: in place or as a new file, with the time of the last change put back or not."""
    draw, identity, store = random.Random(number), names(flipped)[number], another(flipped)
    path = store.block_path(identity)
    assert store.knows(identity)
    before, status = path.read_bytes(), path.stat()
    if number % 2:
        _replaced(path)
    # A block is its parameters and what code they are for; blanks at the header's end are not.
    first, count = (before.index(rb"\"code\""), 8) if number % 4 == 0 else (len(before) - SIZE, SIZE)
    flip(path, 8 * first + draw.randrange(8 * count))
    if number % 3 == 0:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    for one in (store, another(flipped), flipped):
        with pytest.raises(StoreError, match=identity):
            one.load_block(identity, "m", "code")
        assert not one.holds(identity)


def rot(store: BlockStore, identity: str, bit: int = -1) -> None:
    """Flip a bit of a verified block, which looks as before: as if the disk had done it."""
    path = store.block_path(identity)
    flip(path, bit % (8 * path.stat().st_size))
    BlockStore(store.root).verified.enter({identity: looks_of(path)})


@pytest.mark.parametrize("bit", [-1, -8 * SIZE // 2, 100], ids=["last", "middle", "header"])
def test_what_the_disk_changes_is_found_by_always_and_forgotten(store: BlockStore, bit: int) -> None:
    hashed(store)
    identity = names(store)[0]
    rot(store, identity, bit)
    once = another(store)
    assert once.holds(identity)
    if bit < 0:
        once.load_block(identity, "m", "code")  # as is said of it
    with pytest.raises(StoreError, match=identity):
        BlockStore(store.root, ALWAYS).load_block(identity, "m", "code")
    # Now everybody knows, also who adds the model again and would have relied on the file.
    again = another(store)
    assert not again.holds(identity)
    value = float(next(i for i in range(4) if block(again, i) == identity))
    assert add_block(again, "code", [torch.full((SIZE // 4,), value)], 4).identity == identity
    again.load_block(identity, "m", "code")


def block(store: BlockStore, value: int) -> str:
    with store.adding() as adding:
        return adding.add_block("code", [torch.full((SIZE // 4,), float(value))], 4).identity


def test_store_verify_believes_nothing_and_refreshes_what_is_known(store: BlockStore) -> None:
    assert all(map(store.holds, names(store)))
    rot(store, names(store)[1])
    (problem,) = verify(another(store))
    assert names(store)[1] in problem
    assert [another(store).knows(identity) for identity in names(store)] == [True, False, True, True]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The file of this machine in a folder of which ``Verified(tmp_path)`` is made."""
    return tmp_path / verified.machine()


def known(folder: Path) -> set[str]:
    """Blocks that a new process knows of ``entered``."""
    own = Verified(folder)
    return {name for i, name in enumerate(NAMES) if own.knows(name, (1, 2, i))}


def entered(folder: Path, some: range) -> None:
    Verified(folder).enter({NAMES[i]: (1, 2, i) for i in some})


def test_torn_lines_are_passed_over_and_end_with_the_next_write(tmp_path: Path, place: Path) -> None:
    entered(tmp_path, range(3))
    whole = place.read_bytes()
    for end in range(0, len(whole), 3):
        place.write_bytes(whole[:end])
        kept = {name for name in NAMES[:3] if whole.index(name.encode()) + 64 + 7 + 16 <= end}
        assert known(tmp_path) == kept
        entered(tmp_path, range(5, 6))
        assert known(tmp_path) == {*kept, NAMES[5]}


def test_damage_makes_no_block_known(tmp_path: Path, place: Path) -> None:
    entered(tmp_path, range(20))
    whole, draw = place.read_bytes(), random.Random(0)
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(draw.randrange(1, 4)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        place.write_bytes(content)
        found = Verified(tmp_path)
        for i, name in enumerate(NAMES[:20]):
            assert not any(found.knows(name, (1, 2, j)) for j in range(20) if j != i)
        assert len(known(tmp_path)) >= 16


WRITER = """
import sys
from pathlib import Path
from alsatian.store.verified import Verified
folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
own = Verified(folder)
print("ready", flush=True)
sys.stdin.readline()
for i in range(first, first + count):
    own.enter({f"{i:064x}": (1, 2, i)})
    if i == first:
        print("writing", flush=True)
"""


def writer(folder: Path, first: int, count: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", WRITER, str(folder), str(first), str(count)]
    made = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
    assert made.stdout is not None
    assert made.stdout.readline() == b"ready\n"
    return made


def start(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    process.stdin.flush()


def test_a_process_that_is_killed_while_it_writes_loses_at_most_its_last_line(tmp_path: Path, place: Path) -> None:
    for kill in range(5):
        process = writer(tmp_path, 0, len(NAMES))
        with process:
            start(process)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.004 * kill)
            process.send_signal(signal.SIGKILL)
        found = known(tmp_path)
        assert found == set(NAMES[: len(found)])  # without a gap
        assert found
    entered(tmp_path, range(len(NAMES)))
    assert known(tmp_path) == set(NAMES)


def test_two_processes_write_at_once(tmp_path: Path, place: Path) -> None:
    processes = [writer(tmp_path, first, 600) for first in (0, 600, 300)]
    for process in processes:
        start(process)
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    assert known(tmp_path) == set(NAMES[:1200])


def test_it_does_not_grow_without_bound(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified, "_SPARE", 10)
    for turn in range(100):  # a file that is another one each time
        Verified(tmp_path).enter({NAMES[0]: (turn, 2, 0), NAMES[1]: (1, 2, 1)})
        assert Verified(tmp_path).knows(NAMES[0], (turn, 2, 0))
    assert len(place.read_bytes().split()) < 5 * 20
    assert known(tmp_path) == {NAMES[1]}
    monkeypatch.setattr(verified, "_MACHINES", 5)
    for number in range(9):
        monkeypatch.setattr(verified, "machine", lambda own=f"{number:016x}": own)
        entered(tmp_path, range(2))
        os.utime(tmp_path / verified.machine(), (number, number))
    assert len(list(tmp_path.iterdir())) <= 5
    assert known(tmp_path) == set(NAMES[:2])


def test_a_collection_forgets_what_it_removes(store: BlockStore) -> None:
    hashed(store)
    assert store.knows(names(store)[0])
    rest = BlockStore(store.root)
    gc(rest, dry_run=True, grace_s=0)
    (place,) = (store.root / "verified").iterdir()
    assert len(place.read_text().split()) == 4 * 7
    (place.parent / "0123").write_text(place.read_text())  # of another machine
    gc(rest, grace_s=0)
    assert names(store) == []
    assert [path.read_text() for path in place.parent.iterdir()] == ["", ""]


@pytest.mark.parametrize("folder", [None, "a file", "gone"])
def test_where_nothing_can_be_written_this_process_remembers(tmp_path: Path, folder: str | None) -> None:
    (tmp_path / "a file").write_text("")
    where = {None: None, "a file": tmp_path / "a file", "gone": tmp_path / "gone" / "verified"}[folder]
    own = Verified(where)
    own.enter({NAMES[0]: (1, 2, 0)})
    assert own.knows(NAMES[0], (1, 2, 0))
    own.forget(NAMES[0])
    assert not own.knows(NAMES[0], (1, 2, 0))
    assert not Verified(where).knows(NAMES[0], (1, 2, 0))
    own.tidy(lambda identity: True)
    assert [path.name for path in tmp_path.iterdir()] == ["a file"]


def test_a_young_file_does_not_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 10**18)
    long_ago, just_now = 10**17, 10**18 - 10**7
    assert lasting((1, 2, 3, long_ago, long_ago))
    assert not lasting((1, 2, 3, just_now, just_now))
    # The time of the last change can be set; that of the inode changes also with the file's name.
    assert not lasting((1, 2, 3, long_ago, just_now))
    assert lasting((1, 2, 3, long_ago, just_now), ours=True)
    assert not lasting((1, 2, 3, just_now, just_now), ours=True)
