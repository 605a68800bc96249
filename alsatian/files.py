"""Files that are either whole or not there."""

import contextlib
import errno
import fcntl
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path``; on success it is flushed to disk and becomes ``path``.

    After an error, or a kill at any point, ``path`` is what it was before.

    Raises:
        OSError: the disk failed or is full; its ``filename`` is ``path``, not the temporary name.
    """
    temporary: Path | None = None
    try:
        temporary = _temporary(path)
        yield temporary
        os.chmod(temporary, 0o644)  # mkstemp makes files private
        _flush(temporary)
        os.replace(temporary, path)
        _flush(path.parent)
    except OSError as error:
        # Most calls on an open file name none, and nobody knows the temporary one.
        if error.errno is None or error.filename not in (None, str(temporary), temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, *parts: bytes) -> Path:
    """Write ``parts`` to ``path`` atomically; return ``path``."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        for part in parts:
            file.write(part)
    return path


def write_text(path: Path, content: str) -> Path:
    """Write ``content`` as UTF-8 to ``path`` atomically; return ``path``."""
    return write_bytes(path, content.encode())


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as readable JSON to ``path`` atomically. NaN and infinity are refused."""
    write_bytes(path, json_bytes(value))


def json_bytes(value: Any) -> bytes:
    """``value`` as readable JSON.

    Raises:
        ValueError: it holds NaN or infinity, which JSON lacks.
    """
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


class Batch:
    """Files below the folder ``root`` that take their names together, once all of them are on disk.

    :meth:`write` returns when the operating system has the content; a thread waits for the disk beside the
    caller's next work. Nothing is visible before :meth:`commit`, and what :meth:`commit` made visible
    survives a loss of power. Leaving the ``with`` block without it removes what was written.

    A batch belongs to one thread.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._pending: dict[Path, tuple[Path, Future[None]]] = {}
        self._folders: set[Path] = set()
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="flush")

    def __enter__(self) -> "Batch":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._disk.shutdown(wait=True, cancel_futures=True)
        for temporary, _ in self._pending.values():
            temporary.unlink(missing_ok=True)

    def __contains__(self, path: Path) -> bool:
        return path in self._pending

    def write(self, path: Path, fill: Callable[[Path], object]) -> None:
        """Have ``fill`` write the file it is given, which :meth:`commit` will name ``path``."""
        temporary = _temporary(path)
        try:
            fill(temporary)
            os.chmod(temporary, 0o644)  # mkstemp makes files private
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._pending[path] = temporary, self._disk.submit(_flush, temporary)
        self.rely_on(path)

    def rely_on(self, path: Path) -> None:
        """Have :meth:`commit` make sure that ``path``, which another process may just have made, lasts."""
        inside = [f for f in path.parents if f.is_relative_to(self._root) and f.is_dir()]
        self._folders.update(inside)

    def commit(self) -> None:
        """Wait until everything written so far is on disk, and give it its name.

        Raises:
            OSError: the disk failed or is full. What has no name yet is removed when the batch is left.
        """
        for _, flushed in self._pending.values():
            flushed.result()
        for path, (temporary, _) in list(self._pending.items()):
            os.replace(temporary, path)
            del self._pending[path]
        for folder in self._folders:
            _flush(folder)
        self._folders.clear()


@contextlib.contextmanager
def locked(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock of ``folder``: ``alone``, or beside others that do not ask to be alone. Waits for it.

    The operating system frees the lock of a process that dies.

    Raises:
        OSError: there is no such folder, or it cannot be locked.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        except OSError as error:
            # On a file system without locks nobody gets to be alone, so those beside each other are safe.
            if alone or error.errno not in _NO_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def claimed(folder: Path, *, wait: bool) -> Iterator[bool]:
    """Claim ``folder`` (made if need be) for this process; yields whether that went well.

    If another process holds the claim, ``wait`` for it, or yield False. What killed writers left there is
    removed, since nobody else can be writing. The operating system takes the claim of a process that dies
    back. On a file system without locks everybody's claim goes well, and nothing is removed.

    Raises:
        OSError: the folder cannot be made or read.
    """
    make_folder(folder)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        alone = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_temporaries(folder)
        except BlockingIOError:
            alone = False
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield alone
    finally:
        os.close(descriptor)


def remove_temporaries(folder: Path) -> None:
    """Remove what killed writers left in ``folder``. The caller makes sure that nobody is writing there."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make ``path`` and its parents, unless they are there, so that they survive a loss of power."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        _flush(path.parent)


def _temporary(path: Path) -> Path:
    """A new empty file beside ``path``; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    return Path(name)


def _flush(path: Path) -> None:
    """Wait until a file's contents, or a folder's entries, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
