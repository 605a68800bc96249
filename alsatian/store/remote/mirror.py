"""A mirror: the folder here that stands for a store elsewhere, and what it holds of that store's blocks.

Files of blocks come when they are read, in pieces, several at once, and get their names when they are whole; what
came before an interruption stays. They are in a budget: those read longest ago go, never one that is being read.

Beside the store's own folders lies ``far``, with up to four files a block: ``.part`` is on its way, ``.head`` has
only the header and is empty behind it, ``.lock`` says when the block was read last and how much of it came,
``.bad`` that it came damaged. Who reads a block locks ``.lock`` beside others, who brings or removes it alone.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from alsatian.errors import RemoteError, StoreError
from alsatian.files import atomic_write, make_folder
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.remote import Remote
from alsatian.runtime.storage.room import Room, read_number, write_number
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.files.block_file import block_path, read_header
from alsatian.store.remote.folders import FOLDERS, SIZE
from alsatian.units import format_bytes

FAR = "far"
# Requests for one block at a time, and the bytes of one.
_AT_ONCE, _PIECE = 4, 8_000_000
# Under a bandwidth it is one, which is ahead of it by so many seconds.
_LEAST, _AHEAD_S = 65_536, 0.03
# Threads that ask for what is small.
_THREADS = 16


class Mirror:
    """The mirror in ``folder`` of the store at ``url``, with at most ``budget`` bytes of block files.

    Attributes:
        blocks: what is known of the block files elsewhere: sizes in bytes, None for one that is not known.
        bringing: for one thread of this process at a time, since it may wait for room while it has files in use.
    """

    def __init__(self, folder: Path, url: str, budget: int) -> None:
        self.folder = folder
        self.remote = Remote(url)
        lock = partial(self._beside, kind="lock")
        self.room = Room(folder / FAR / "room", budget, self._files, lambda path: lock(path.stem), self._may_go)
        self.blocks: dict[str, int | None] = {}
        self.bringing = threading.RLock()
        self.pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="remote")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.folder, self.remote.url, self.room.budget), {"blocks": self.blocks}

    def has(self, identity: str) -> bool:
        """Whether the block is elsewhere, as far as it is known undamaged."""
        return identity in self.blocks and not self._beside(identity, "bad").exists()

    def distrust(self, identities: Iterable[str]) -> bool:
        """What came of these blocks is damaged: they are brought again, and written again when they are added.
        Whether any of them can be brought."""
        ours = [identity for identity in identities if identity in self.blocks]
        for identity in ours:
            self._beside(identity, "head").unlink(missing_ok=True)
            self.room.remove(block_path(self.folder, identity))
            make_folder(self._beside(identity, "bad").parent)
            self._beside(identity, "bad").touch()
        return bool(ours)

    def trust(self, identities: Iterable[str]) -> None:
        """These blocks came undamaged, or are written anew."""
        for identity in identities:
            self._beside(identity, "bad").unlink(missing_ok=True)

    def head(self, identity: str) -> Path:
        """A file with the header of a block, as long as that of the block.

        Raises:
            RemoteError, StoreError, OSError, ValueError: it cannot be reached, is not there, or damaged.
        """
        place = self._beside(identity, "head")
        if not place.exists():
            came = bytearray()

            def read(offset: int, nbytes: int) -> bytes:
                end = offset + nbytes if size is None else min(offset + nbytes, size)
                came.extend(found := self.remote.part(_name(identity), offset, end) if end > offset else b"")
                return found

            size = self.blocks.get(identity)
            header = read_header(read, size, identity)
            with atomic_write(place) as temporary:
                temporary.write_bytes(came[: header.nbytes])
                os.truncate(temporary, header.file_bytes)
        return place

    def heads(self, identities: Iterable[str]) -> None:
        """Bring the headers of blocks that are not here, several at once. Who needs one that is damaged meets that.

        Raises:
            RemoteError: they cannot be reached.
        """
        missing = [i for i in identities if not block_path(self.folder, i).exists()]
        asked = [self.pool.submit(self.head, identity) for identity in missing]
        try:
            for future in asked:
                if isinstance(error := future.exception(), RemoteError):
                    raise error
        finally:
            for future in asked:
                future.cancel()

    @contextlib.contextmanager
    def holding(self, identity: str, reader: Reader, owner: str | None) -> Iterator[tuple[int, int]]:
        """Have the file of a block here, and keep it; yields the bytes that came, and those of a file that was here
        that ``reader`` owes nevertheless.

        Raises:
            RemoteError, StoreError, ValueError: see :meth:`head`; or there is no room for it.
        """
        path, brought = block_path(self.folder, identity), 0
        place = self._beside(identity, "lock")
        make_folder(place.parent)
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            while True:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
                if path.exists():
                    break
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # another one may have brought it, or remove it once more
                if not path.exists():
                    brought += self._bring(identity, descriptor, reader.throttle)
            now = time.time_ns()  # finer than what the system notes by itself
            os.utime(descriptor, ns=(now, now))
            owes = reader.owes(path, owner, here=not brought) and not brought
            yield brought, path.stat().st_size if owes else 0
        finally:
            os.close(descriptor)

    def _bring(self, identity: str, descriptor: int, throttle: Throttle) -> int:
        """Bring a block, whose lock is held alone; the bytes that came."""
        part, path = self._beside(identity, "part"), block_path(self.folder, identity)
        if (size := self.blocks.get(identity)) is None:
            size = self.head(identity).stat().st_size
        try:
            if part.exists() and part.stat().st_size != size:
                self.room.remove(part)
            done = read_number(descriptor) if part.exists() else 0
            if not part.exists():
                write_number(descriptor, 0)
                self._reserve(part, size)
            self._fill(identity, part, descriptor, done, size, throttle)
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(part, path)
        except OSError as error:
            raise RemoteError(
                f"{self.folder}: cannot keep a block of {self.remote.url} ({error.strerror}); free some space, or "
                f"name another folder in storage.mirrors or {FOLDERS}, or a smaller storage.mirror_size or {SIZE}"
            ) from None
        self._beside(identity, "head").unlink(missing_ok=True)
        return size - done

    def _reserve(self, part: Path, size: int) -> None:
        if not self.room.reserve(part, size):
            raise RemoteError(
                f"{self.folder}: no room for a block of {format_bytes(size)}: a mirror may hold "
                f"{format_bytes(self.room.budget)}; set storage.mirror_size or {SIZE} to more than one block and "
                "those with which it shares tensors"
            )

    def _fill(self, identity: str, part: Path, lock: int, done: int, size: int, throttle: Throttle) -> None:
        step, at_once = _PIECE, _AT_ONCE
        if throttle.rate is not None:
            step, at_once = min(_PIECE, max(_LEAST, int(throttle.rate * _AHEAD_S))), 1
        starts, asked = deque(range(done, size, step)), deque[tuple[int, Future[bytes]]]()
        file = os.open(part, os.O_RDWR)
        try:
            with throttle.stream():
                while starts or asked:
                    while starts and len(asked) < at_once:
                        start = starts.popleft()
                        end = min(start + step, size)
                        asked.append((start, self.pool.submit(self.remote.part, _name(identity), start, end)))
                    start, future = asked.popleft()
                    end = min(start + step, size)
                    throttle.charge(end - start)
                    if len(content := future.result()) < end - start:
                        raise StoreError(
                            f"{self.remote.url}/{_name(identity)}: ends too early; add its model again"
                        )
                    os.pwrite(file, content, start)
                    write_number(lock, end)
        finally:
            for _, future in asked:
                future.cancel()
            os.close(file)

    def _files(self) -> list[Path]:
        return [*self.folder.glob("blocks/*/*.safetensors"), *self.folder.glob(f"{FAR}/*/*.part")]

    def _may_go(self, path: Path) -> bool:
        """Whether a file can be brought again."""
        return path.suffix == ".part" or self.blocks.get(path.stem, -1) in (None, path.stat().st_size)

    def _beside(self, identity: str, kind: str) -> Path:
        return self.folder / FAR / identity[:2] / f"{identity}.{kind}"


def _name(identity: str) -> str:
    return f"blocks/{identity[:2]}/{identity}.safetensors"
